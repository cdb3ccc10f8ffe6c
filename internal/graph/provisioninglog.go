package graph

import (
	"context"
	"iter"
	"time"
)

// A ProvisioningObjectSummary is one record of the provisioning log: what
// happened to one object in one cycle.
type ProvisioningObjectSummary struct {
	ID                     string                       `json:"id"`
	ActivityDateTime       time.Time                    `json:"activityDateTime"`
	TenantID               string                       `json:"tenantId"`
	JobID                  string                       `json:"jobId"`
	CycleID                string                       `json:"cycleId"`
	ChangeID               string                       `json:"changeId"`
	DurationInMilliseconds int32                        `json:"durationInMilliseconds"`
	ProvisioningAction     ProvisioningAction           `json:"provisioningAction"`
	ProvisioningStatusInfo ProvisioningStatusInfo       `json:"provisioningStatusInfo"`
	InitiatedBy            Initiator                    `json:"initiatedBy"`
	ServicePrincipal       ProvisioningServicePrincipal `json:"servicePrincipal"`
	SourceSystem           ProvisioningSystem           `json:"sourceSystem"`
	TargetSystem           ProvisioningSystem           `json:"targetSystem"`
	SourceIdentity         ProvisionedIdentity          `json:"sourceIdentity"`
	TargetIdentity         ProvisionedIdentity          `json:"targetIdentity"`
	ModifiedProperties     []ModifiedProperty           `json:"modifiedProperties"`
	ProvisioningSteps      []ProvisioningStep           `json:"provisioningSteps"`
}

// A ProvisioningAction is what was done, or would have been.
type ProvisioningAction string

// The actions.
const (
	ActionOther        ProvisioningAction = "other"
	ActionCreate       ProvisioningAction = "create"
	ActionDelete       ProvisioningAction = "delete"
	ActionDisable      ProvisioningAction = "disable"
	ActionUpdate       ProvisioningAction = "update"
	ActionStagedDelete ProvisioningAction = "stagedDelete"
)

// A ProvisioningResult is how an action or a step ended.
type ProvisioningResult string

// The results.
const (
	ResultSuccess ProvisioningResult = "success"
	ResultFailure ProvisioningResult = "failure"
	ResultSkipped ProvisioningResult = "skipped"
	ResultWarning ProvisioningResult = "warning"
)

// A ProvisioningStatusInfo is the result of a record. ErrorInformation is null
// unless something failed.
type ProvisioningStatusInfo struct {
	Status           ProvisioningResult     `json:"status"`
	ErrorInformation *ProvisioningErrorInfo `json:"errorInformation"`
}

// A ProvisioningErrorInfo says what failed, and what to do.
type ProvisioningErrorInfo struct {
	ErrorCode         string `json:"errorCode"`
	Reason            string `json:"reason"`
	AdditionalDetails string `json:"additionalDetails"`
	RecommendedAction string `json:"recommendedAction"`
	// ErrorCategory is failure, nonServiceFailure or success.
	ErrorCategory string `json:"errorCategory"`
}

// An Initiator is who set a change off.
type Initiator struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	// InitiatorType is user, application or system.
	InitiatorType string `json:"initiatorType"`
}

// A ProvisioningServicePrincipal is the app that a record belongs to.
type ProvisioningServicePrincipal struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
}

// A ProvisioningSystem is a directory.
type ProvisioningSystem struct {
	ID          string  `json:"id"`
	DisplayName string  `json:"displayName"`
	Details     Details `json:"details"`
}

// A ProvisionedIdentity is an object in one of the directories.
type ProvisionedIdentity struct {
	ID           string  `json:"id"`
	DisplayName  string  `json:"displayName"`
	IdentityType string  `json:"identityType"`
	Details      Details `json:"details"`
}

// A ModifiedProperty is an attribute that changed.
type ModifiedProperty struct {
	DisplayName string `json:"displayName"`
	OldValue    string `json:"oldValue"`
	NewValue    string `json:"newValue"`
}

// A ProvisioningStepType is the stage that a step belongs to.
type ProvisioningStepType string

// The stages.
const (
	StepImport              ProvisioningStepType = "import"
	StepScoping             ProvisioningStepType = "scoping"
	StepMatching            ProvisioningStepType = "matching"
	StepProcessing          ProvisioningStepType = "processing"
	StepReferenceResolution ProvisioningStepType = "referenceResolution"
	StepExport              ProvisioningStepType = "export"
)

// A ProvisioningStep is one thing the engine did for a record.
type ProvisioningStep struct {
	Name                 string               `json:"name"`
	ProvisioningStepType ProvisioningStepType `json:"provisioningStepType"`
	Status               ProvisioningResult   `json:"status"`
	Description          string               `json:"description"`
	Details              Details              `json:"details"`
}

// ProvisioningLog reads the provisioning log, the newest records as a rule
// first. filter is OData with eq, contains, gt and lt, and minds case:
// "jobId eq 'scim.…'".
func (c *Client) ProvisioningLog(ctx context.Context, filter string) iter.Seq2[*ProvisioningObjectSummary, error] {
	return List[ProvisioningObjectSummary](ctx, c, "/auditLogs/provisioning", Query{Filter: filter})
}
