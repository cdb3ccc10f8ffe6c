package entra

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lockstep/internal/graph"
	"lockstep/internal/secret"
)

// Notifications is the endpoint that Microsoft Graph calls when users or groups
// have changed. It answers at once, with the validation token where one is sent,
// and otherwise wakes: the next delta tells what has changed, so nothing of a
// notification but its client state is believed.
//
// Wake must not block. It is called once for each request with at least one
// notification that carries the client state.
type Notifications struct {
	ClientState secret.Text
	Wake        func()
}

const (
	// maxNotification bounds the body, in bytes.
	maxNotification = 4 << 20
	// maxValidationToken bounds what is sent back, in bytes.
	maxValidationToken = 4096
)

// ServeHTTP implements [http.Handler].
func (n *Notifications) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "only POST is taken here", http.StatusMethodNotAllowed)
		return
	}
	if q := r.URL.Query(); q.Has("validationToken") {
		token := q.Get("validationToken")
		if token == "" || len(token) > maxValidationToken {
			http.Error(w, "the validation token is empty or too long", http.StatusBadRequest)
			return
		}
		// Plain text, so that a token made of HTML stays text.
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		io.WriteString(w, token) //nolint:errcheck,gosec // nobody is left to tell; the type keeps it text
		return
	}
	var c graph.ChangeNotificationCollection
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxNotification)).Decode(&c); err != nil {
		http.Error(w, "the body is no collection of change notifications", http.StatusBadRequest)
		return
	}
	for i := range c.Value {
		if n.genuine(c.Value[i].ClientState) {
			n.Wake()
			break
		}
	}
	// Graph repeats whatever is not answered so; a stranger learns nothing.
	w.WriteHeader(http.StatusAccepted)
}

func (n *Notifications) genuine(state string) bool {
	want := n.ClientState.Reveal()
	return want != "" && subtle.ConstantTimeCompare([]byte(state), []byte(want)) == 1
}

// Subscribe sees to it that Graph calls notificationURL, which must be https
// and reach a [Notifications] with the same client state, when users or groups
// change. It renews subscriptions to that URL and creates those that are
// missing, and returns when to call it again: well before they end.
func (s *Source) Subscribe(ctx context.Context, notificationURL string, clientState secret.Text) (again time.Time, err error) {
	u, err := url.Parse(notificationURL)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return again, errors.New("the notification URL must begin with https:// and be reachable for Microsoft")
	}
	if clientState.IsZero() {
		return again, errors.New("a client state is needed, by which genuine notifications are known")
	}
	have, err := s.graph.Subscriptions(ctx)
	if err != nil {
		return again, s.explain(err)
	}
	now := time.Now()
	until := now.Add(graph.MaxSubscriptionAge - time.Hour)
	resources := []string{"users"}
	if !s.groups.off {
		resources = append(resources, "groups")
	}
	for _, resource := range resources {
		if err := s.subscribe(ctx, have, resource, notificationURL, clientState, until); err != nil {
			return again, s.explain(err)
		}
	}
	return now.Add(until.Sub(now) / 2), nil
}

func (s *Source) subscribe(ctx context.Context, have []graph.Subscription, resource, notificationURL string, clientState secret.Text, until time.Time) error {
	for i := range have {
		x := &have[i]
		if x.NotificationURL != notificationURL || strings.Trim(x.Resource, "/") != resource {
			continue
		}
		err := s.graph.RenewSubscription(ctx, x.ID, until)
		if !graph.IsNotFound(err) {
			return err
		}
	}
	_, err := s.graph.CreateSubscription(ctx, &graph.Subscription{
		ChangeType: "updated,deleted", Resource: resource, NotificationURL: notificationURL, LifecycleNotificationURL: notificationURL,
		ClientState: clientState.Reveal(), ExpirationDateTime: until.UTC(),
	})
	return err
}

// Unsubscribe ends the subscriptions to notificationURL.
func (s *Source) Unsubscribe(ctx context.Context, notificationURL string) error {
	have, err := s.graph.Subscriptions(ctx)
	if err != nil {
		return s.explain(err)
	}
	for i := range have {
		if have[i].NotificationURL != notificationURL {
			continue
		}
		if err := s.graph.DeleteSubscription(ctx, have[i].ID); err != nil && !graph.IsNotFound(err) {
			return s.explain(err)
		}
	}
	return nil
}
