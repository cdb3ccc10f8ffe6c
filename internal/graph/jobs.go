package graph

import (
	"context"
	"net/http"
	"net/url"

	"lockstep/internal/provision"
)

// synchronization is the path of an enterprise application's provisioning.
func synchronization(servicePrincipalID string) string {
	return "/servicePrincipals/" + url.PathEscape(servicePrincipalID) + "/synchronization"
}

func jobPath(servicePrincipalID, jobID string) string {
	return synchronization(servicePrincipalID) + "/jobs/" + url.PathEscape(jobID)
}

// collect reads a short collection to its end.
func collect[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	var all []T
	for v, err := range List[T](ctx, c, path, Query{}) {
		if err != nil {
			return nil, err
		}
		all = append(all, *v)
	}
	return all, nil
}

// Templates returns the templates that jobs of an app can be made from.
func (c *Client) Templates(ctx context.Context, servicePrincipalID string) ([]SynchronizationTemplate, error) {
	return collect[SynchronizationTemplate](ctx, c, synchronization(servicePrincipalID)+"/templates")
}

// Jobs returns the synchronization jobs of an app.
func (c *Client) Jobs(ctx context.Context, servicePrincipalID string) ([]SynchronizationJob, error) {
	return collect[SynchronizationJob](ctx, c, synchronization(servicePrincipalID)+"/jobs")
}

// Job returns one job with its status.
func (c *Client) Job(ctx context.Context, servicePrincipalID, jobID string) (*SynchronizationJob, error) {
	return Get[SynchronizationJob](ctx, c, jobPath(servicePrincipalID, jobID), Query{})
}

// Schema returns the synchronization schema of a job.
func (c *Client) Schema(ctx context.Context, servicePrincipalID, jobID string) (*provision.Schema, error) {
	return Get[provision.Schema](ctx, c, jobPath(servicePrincipalID, jobID)+"/schema", Query{})
}

// PutSchema replaces the synchronization schema of a job as a whole. Entra then
// looks at every object again.
func (c *Client) PutSchema(ctx context.Context, servicePrincipalID, jobID string, s *provision.Schema) error {
	return c.do(ctx, &call{method: http.MethodPut, ref: jobPath(servicePrincipalID, jobID) + "/schema", body: s}, nil)
}

// Secrets returns which secrets are set. Their values are hidden.
func (c *Client) Secrets(ctx context.Context, servicePrincipalID string) ([]Secret, error) {
	return collect[Secret](ctx, c, synchronization(servicePrincipalID)+"/secrets")
}

// PutSecrets replaces the whole set of secrets.
func (c *Client) PutSecrets(ctx context.Context, servicePrincipalID string, secrets []Secret) error {
	body := struct {
		Value []Secret `json:"value"`
	}{secrets}
	return c.do(ctx, &call{method: http.MethodPut, ref: synchronization(servicePrincipalID) + "/secrets", body: body}, nil)
}

// StartJob starts a job, or goes on with one that was paused.
func (c *Client) StartJob(ctx context.Context, servicePrincipalID, jobID string) error {
	return c.do(ctx, &call{method: http.MethodPost, ref: jobPath(servicePrincipalID, jobID) + "/start"}, nil)
}

// PauseJob pauses a job and keeps its state.
func (c *Client) PauseJob(ctx context.Context, servicePrincipalID, jobID string) error {
	return c.do(ctx, &call{method: http.MethodPost, ref: jobPath(servicePrincipalID, jobID) + "/pause"}, nil)
}

// RestartJob makes a job look at every object again, and clears what scope says.
func (c *Client) RestartJob(ctx context.Context, servicePrincipalID, jobID string, scope ResetScope) error {
	var body struct {
		Criteria struct {
			ResetScope ResetScope `json:"resetScope"`
		} `json:"criteria"`
	}
	body.Criteria.ResetScope = scope
	return c.do(ctx, &call{method: http.MethodPost, ref: jobPath(servicePrincipalID, jobID) + "/restart", body: body}, nil)
}

// ValidateCredentials tests credentials; an [*Error] says what is wrong with them.
func (c *Client) ValidateCredentials(ctx context.Context, servicePrincipalID, jobID string, v *ValidateCredentials) error {
	return c.do(ctx, &call{method: http.MethodPost, ref: jobPath(servicePrincipalID, jobID) + "/validateCredentials", body: v}, nil)
}

// ProvisionOnDemand provisions named objects now. Graph takes five requests in
// ten seconds.
func (c *Client) ProvisionOnDemand(ctx context.Context, servicePrincipalID, jobID string, p *ProvisionOnDemand) (*ProvisionOnDemandResult, error) {
	r := &ProvisionOnDemandResult{}
	if err := c.do(ctx, &call{method: http.MethodPost, ref: jobPath(servicePrincipalID, jobID) + "/provisionOnDemand", body: p}, r); err != nil {
		return nil, err
	}
	return r, nil
}
