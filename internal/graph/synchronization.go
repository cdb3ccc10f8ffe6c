package graph

import (
	"encoding/json"
	"time"

	"lockstep/internal/provision"
)

// A SynchronizationTemplate is what a job is made from.
type SynchronizationTemplate struct {
	ID            string            `json:"id"`
	ApplicationID string            `json:"applicationId"`
	Default       bool              `json:"default"`
	Description   string            `json:"description"`
	Discoverable  bool              `json:"discoverable"`
	FactoryTag    string            `json:"factoryTag"`
	Metadata      []KeyValue        `json:"metadata"`
	Schema        *provision.Schema `json:"schema,omitempty"`
}

// A KeyValue is a named text: metadata, a secret, a parameter.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A NameValue is a named text of job settings.
type NameValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// A SynchronizationJob provisions from one directory to another, on a schedule.
type SynchronizationJob struct {
	ID         string                  `json:"id"`
	TemplateID string                  `json:"templateId"`
	Schedule   SynchronizationSchedule `json:"schedule"`
	Status     SynchronizationStatus   `json:"status"`
	Settings   []NameValue             `json:"synchronizationJobSettings"`
	// Schema is present only where it was asked for.
	Schema *provision.Schema `json:"schema,omitempty"`
}

// A SynchronizationSchedule says when a job runs.
type SynchronizationSchedule struct {
	Expiration *time.Time    `json:"expiration"`
	Interval   Interval      `json:"interval"`
	State      ScheduleState `json:"state"`
}

// A ScheduleState says whether a job runs.
type ScheduleState string

// The schedule states.
const (
	ScheduleActive   ScheduleState = "Active"
	ScheduleDisabled ScheduleState = "Disabled"
	SchedulePaused   ScheduleState = "Paused"
)

// A StatusCode sums up how a job is (Graph: synchronizationStatusCode).
type StatusCode string

// The status codes.
const (
	StatusNotConfigured StatusCode = "NotConfigured"
	StatusNotRun        StatusCode = "NotRun"
	StatusActive        StatusCode = "Active"
	StatusPaused        StatusCode = "Paused"
	StatusQuarantine    StatusCode = "Quarantine"
)

// A SynchronizationStatus is how a job is. A time that is zero, written
// 0001-01-01T00:00:00Z, means never.
type SynchronizationStatus struct {
	Code                               StatusCode                    `json:"code"`
	CountSuccessiveCompleteFailures    int64                         `json:"countSuccessiveCompleteFailures"`
	EscrowsPruned                      bool                          `json:"escrowsPruned"`
	LastExecution                      *SynchronizationTaskExecution `json:"lastExecution"`
	LastSuccessfulExecution            *SynchronizationTaskExecution `json:"lastSuccessfulExecution"`
	LastSuccessfulExecutionWithExports *SynchronizationTaskExecution `json:"lastSuccessfulExecutionWithExports"`
	Progress                           []SynchronizationProgress     `json:"progress"`
	Quarantine                         *SynchronizationQuarantine    `json:"quarantine"`
	SteadyStateFirstAchievedTime       time.Time                     `json:"steadyStateFirstAchievedTime"`
	SteadyStateLastAchievedTime        time.Time                     `json:"steadyStateLastAchievedTime"`
	SynchronizedEntryCountByType       []EntryCount                  `json:"synchronizedEntryCountByType"`
	TroubleshootingURL                 *string                       `json:"troubleshootingUrl"`
}

// An EntryCount is how many objects are linked; Key is "User to urn:…:User".
type EntryCount struct {
	Key   string `json:"key"`
	Value int64  `json:"value"`
}

// A TaskResult is how an execution ended (Graph: synchronizationTaskExecutionResult).
type TaskResult string

// The results.
const (
	TaskSucceeded        TaskResult = "Succeeded"
	TaskFailed           TaskResult = "Failed"
	TaskEntryLevelErrors TaskResult = "EntryLevelErrors"
)

// A SynchronizationTaskExecution is one cycle of a job.
type SynchronizationTaskExecution struct {
	// ActivityIdentifier is the cycle's ID in the provisioning log.
	ActivityIdentifier string     `json:"activityIdentifier"`
	State              TaskResult `json:"state"`
	TimeBegan          time.Time  `json:"timeBegan"`
	TimeEnded          time.Time  `json:"timeEnded"`
	// CountEntitled counts the assigned, CountExports the expected writes,
	// CountExported the writes done, CountEscrowedRaw also failures that the
	// service made itself.
	CountEntitled                int64                 `json:"countEntitled"`
	CountEntitledForProvisioning int64                 `json:"countEntitledForProvisioning"`
	CountEscrowed                int64                 `json:"countEscrowed"`
	CountEscrowedRaw             int64                 `json:"countEscrowedRaw"`
	CountExported                int64                 `json:"countExported"`
	CountExports                 int64                 `json:"countExports"`
	CountImported                int64                 `json:"countImported"`
	CountImportedDeltas          int64                 `json:"countImportedDeltas"`
	CountImportedReferenceDeltas int64                 `json:"countImportedReferenceDeltas"`
	Error                        *SynchronizationError `json:"error"`
}

// A SynchronizationError is what went wrong with a job as a whole.
type SynchronizationError struct {
	Code             string `json:"code"`
	Message          string `json:"message"`
	TenantActionable bool   `json:"tenantActionable"`
}

// A SynchronizationProgress is how far a cycle is.
type SynchronizationProgress struct {
	CompletedUnits          int64     `json:"completedUnits"`
	ProgressObservationTime time.Time `json:"progressObservationDateTime"`
	TotalUnits              int64     `json:"totalUnits"`
	Units                   string    `json:"units"`
}

// A QuarantineReason is why a job is in quarantine.
type QuarantineReason string

// The reasons.
const (
	QuarantineBaseEscrowThreshold       QuarantineReason = "EncounteredBaseEscrowThreshold"
	QuarantineTotalEscrowThreshold      QuarantineReason = "EncounteredTotalEscrowThreshold"
	QuarantineEscrowProportionThreshold QuarantineReason = "EncounteredEscrowProportionThreshold"
	// QuarantineException: credentials are wrong, or the target cannot be reached.
	QuarantineException   QuarantineReason = "EncounteredQuarantineException"
	QuarantineUnknown     QuarantineReason = "Unknown"
	QuarantinedOnDemand   QuarantineReason = "QuarantinedOnDemand"
	QuarantineTooMany     QuarantineReason = "TooManyDeletes"
	QuarantineInterrupted QuarantineReason = "IngestionInterrupted"
)

// A SynchronizationQuarantine is the state of a job that fails as a whole.
// SeriesBegan is when it was first imposed, CurrentBegan when it was last
// evaluated and kept, SeriesCount how often that was.
type SynchronizationQuarantine struct {
	CurrentBegan time.Time             `json:"currentBegan"`
	Error        *SynchronizationError `json:"error"`
	NextAttempt  time.Time             `json:"nextAttempt"`
	Reason       QuarantineReason      `json:"reason"`
	SeriesBegan  time.Time             `json:"seriesBegan"`
	SeriesCount  int64                 `json:"seriesCount"`
}

// A SecretKey names one of a job's secrets (Graph: synchronizationSecret).
type SecretKey string

// The secrets that a SCIM app has. Graph knows many more; any may be written.
const (
	SecretBaseAddress              SecretKey = "BaseAddress" // the portal's Tenant URL
	SecretToken                    SecretKey = "SecretToken"
	SecretSyncAll                  SecretKey = "SyncAll"
	SecretSyncNotificationSettings SecretKey = "SyncNotificationSettings"
	SecretSkipOutOfScopeDeletions  SecretKey = "SkipOutOfScopeDeletions"
)

// HiddenSecret is how Graph shows the value of a secret that is set.
const HiddenSecret = "*"

// A Secret is one of a job's secrets. Graph shows values as [HiddenSecret].
type Secret struct {
	Key   SecretKey `json:"key"`
	Value string    `json:"value"`
}

// SyncNotificationSettings is what the secret of that name holds, as JSON.
type SyncNotificationSettings struct {
	Enabled                             bool   `json:"Enabled"`
	DeleteThresholdEnabled              bool   `json:"DeleteThresholdEnabled"`
	DeleteThresholdValue                int    `json:"DeleteThresholdValue"`
	HumanResourcesLookaheadQueryEnabled bool   `json:"HumanResourcesLookaheadQueryEnabled"`
	Recipients                          string `json:"Recipients"`
}

// A ValidateCredentials request tests credentials for a target.
type ValidateCredentials struct {
	ApplicationIdentifier string   `json:"applicationIdentifier,omitempty"`
	TemplateID            string   `json:"templateId,omitempty"`
	UseSavedCredentials   bool     `json:"useSavedCredentials"`
	Credentials           []Secret `json:"credentials"`
}

// A ProvisionOnDemand request names the objects to provision now.
type ProvisionOnDemand struct {
	Parameters []ApplicationParameters `json:"parameters"`
}

// ApplicationParameters name a rule and what to provision by it.
type ApplicationParameters struct {
	RuleID   string    `json:"ruleId"`
	Subjects []Subject `json:"subjects"`
}

// A Subject is one object to provision. ObjectTypeName is User or Group.
type Subject struct {
	ObjectID       string        `json:"objectId"`
	ObjectTypeName string        `json:"objectTypeName"`
	Links          *SubjectLinks `json:"links,omitempty"`
}

// SubjectLinks are related objects of a subject: at most five members.
type SubjectLinks struct {
	Members []Subject `json:"members,omitempty"`
}

// A ProvisionOnDemandResult is Graph's answer: two JSON documents as text.
type ProvisionOnDemandResult struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Outcome decodes Key: Success, Skipped or Failure, with the reason.
func (r *ProvisionOnDemandResult) Outcome() (*OnDemandOutcome, error) {
	o := &OnDemandOutcome{}
	return o, json.Unmarshal([]byte(r.Key), o)
}

// An OnDemandOutcome is how a provisioning on demand ended.
type OnDemandOutcome struct {
	Result  string `json:"result"`
	Details struct {
		ErrorCode    string `json:"errorCode"`
		ErrorMessage string `json:"errorMessage"`
	} `json:"details"`
}
