package provision

import (
	"lockstep/internal/scim"
)

// An Action is what a decision asks for, named as the provisioning log does.
type Action string

// The actions.
const (
	ActionNone    Action = "none"   // source and target agree; nothing is sent
	ActionSkip    Action = "skip"   // the object is left alone, for a reason
	ActionFail    Action = "fail"   // the object cannot be provisioned as things stand
	ActionCreate  Action = "create" // it is not in the target yet
	ActionUpdate  Action = "update"
	ActionDisable Action = "disable" // an update that ends the person's access
	ActionDelete  Action = "delete"
)

// Writes reports whether the action sends something to the target.
func (a Action) Writes() bool {
	switch a {
	case ActionCreate, ActionUpdate, ActionDisable, ActionDelete:
		return true
	}
	return false
}

// A Code says why an object was skipped or failed. Entra's names are used where
// Entra has one (skip reasons and error codes of the provisioning log).
type Code string

// The codes a decision or an outcome can carry.
const (
	CodeRedundantExport        Code = "RedundantExport"
	CodeNotEffectivelyEntitled Code = "NotEffectivelyEntitled"
	CodeSkipOutOfScopeDeletion Code = "SkipOutOfScopeDeletions"
	CodeNotManaged             Code = "NotManaged"
	CodeActionSwitchedOff      Code = "ActionSwitchedOff"
	CodeImportSkipped          Code = "ImportSkipped"
	CodeMalformedEntry         Code = "MalformedEntry"
	CodeAttributeValidation    Code = "AttributeValidationFailed"
	CodeExpressionFailed       Code = "ExpressionFailed"
	CodeMissingValues          Code = "MissingValues"
	CodeDuplicateTargetEntries Code = "DuplicateTargetEntries"
	CodeDuplicateSourceEntries Code = "DuplicateSourceEntries"
	CodeUnresolvedReference    Code = "UnableToResolveReferenceAttributeValue"
	CodeConflict               Code = "EntryConflict"
	CodeInvalidAnchor          Code = "InvalidAnchor"
	CodeUnauthorized           Code = "Unauthorized"
	CodeInsufficientRights     Code = "InsufficientRights"
	CodeMethodNotAllowed       Code = "MethodNotAllowed"
	CodeUnprocessable          Code = "UnprocessableEntity"
	CodeTooManyRequests        Code = "TooManyRequests"
	CodeInternalServerError    Code = "InternalServerError"
	CodeNotImplemented         Code = "NotImplemented"
	CodeTimeout                Code = "Timeout"
	CodeUnavailable            Code = "Unavailable"
	CodeInternalError          Code = "InternalError"
	CodeGuardHeld              Code = "DeletionGuard"
)

// Steps of a decision, in the order of the provisioning log.
const (
	StepImport     = "import"
	StepScoping    = "scoping"
	StepMatching   = "matching"
	StepProcessing = "processing"
	StepReference  = "referenceResolution"
	StepExport     = "export"
)

// Statuses of steps and outcomes (Graph: provisioningResult).
const (
	StatusSuccess = "success"
	StatusFailure = "failure"
	StatusSkipped = "skipped"
	StatusWarning = "warning"
)

// A Step is one link in the chain from source to target (Graph:
// provisioningStep).
type Step struct {
	Name        string            `json:"name"`
	Type        string            `json:"provisioningStepType"`
	Status      string            `json:"status"`
	Description string            `json:"description"`
	Details     map[string]string `json:"details,omitempty"`
}

// A Decision is everything that was decided about one object, and why. The
// plan, the provisioning log, explain and undo are made of it.
type Decision struct {
	Action Action `json:"action"`
	// Code is the reason of a skip or failure, Reason the same in plain words.
	Code   Code   `json:"code,omitempty"`
	Reason string `json:"reason,omitempty"`
	// TargetID is the linked or matched target object.
	TargetID string `json:"targetId,omitempty"`
	// MatchedBy is the target attribute by which an object was found that was
	// not linked before; the link is to be stored.
	MatchedBy string `json:"matchedBy,omitempty"`
	// Delta is what changes. For a create it lists what is written, Old being nil.
	Delta Delta `json:"delta,omitempty"`
	// Resource is the body of a create.
	Resource *scim.Object `json:"resource,omitempty"`
	// Waiting are references to objects that are not in the target yet; once
	// the item was applied, those that are still unresolved.
	Waiting []Waiting `json:"waiting,omitempty"`
	// AddMembers and RemoveMembers are source IDs.
	AddMembers    []string `json:"addMembers,omitempty"`
	RemoveMembers []string `json:"removeMembers,omitempty"`
	// Unmanage: after this action the object is no longer lockstep's to change,
	// until it comes back into scope.
	Unmanage bool   `json:"unmanage,omitempty"`
	Steps    []Step `json:"steps,omitempty"`
}
