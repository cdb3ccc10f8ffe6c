package graph

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// A Subscription asks Graph to call a URL when something changes (Graph: change
// notifications).
type Subscription struct {
	ID         string `json:"id,omitempty"`
	ChangeType string `json:"changeType"` // "updated", "deleted" or both with a comma
	// NotificationURL and LifecycleNotificationURL must be https and answer at once.
	NotificationURL          string    `json:"notificationUrl"`
	LifecycleNotificationURL string    `json:"lifecycleNotificationUrl,omitempty"`
	Resource                 string    `json:"resource"` // "users", "groups"
	ExpirationDateTime       time.Time `json:"expirationDateTime"`
	// ClientState comes back with every notification; Graph does not show it.
	ClientState string `json:"clientState,omitempty"`
}

// MaxSubscriptionAge is the longest that a subscription to users or groups may
// last: 41,760 minutes.
const MaxSubscriptionAge = 41_760 * time.Minute

// A ChangeNotificationCollection is the body that Graph sends.
type ChangeNotificationCollection struct {
	Value []ChangeNotification `json:"value"`
}

// A ChangeNotification says that an object changed, not what of it.
type ChangeNotification struct {
	SubscriptionID                 string `json:"subscriptionId"`
	SubscriptionExpirationDateTime string `json:"subscriptionExpirationDateTime,omitempty"`
	ClientState                    string `json:"clientState,omitempty"`
	ChangeType                     string `json:"changeType,omitempty"`
	Resource                       string `json:"resource,omitempty"`
	TenantID                       string `json:"tenantId,omitempty"`
	// LifecycleEvent is reauthorizationRequired, subscriptionRemoved or missed,
	// "" for a change.
	LifecycleEvent string           `json:"lifecycleEvent,omitempty"`
	ResourceData   *DirectoryObject `json:"resourceData,omitempty"`
}

// Subscriptions returns the app's own subscriptions.
func (c *Client) Subscriptions(ctx context.Context) ([]Subscription, error) {
	return collect[Subscription](ctx, c, "/subscriptions")
}

// CreateSubscription creates a subscription. Before it answers, Graph calls the
// notification URL with a validation token.
func (c *Client) CreateSubscription(ctx context.Context, s *Subscription) (*Subscription, error) {
	created := &Subscription{}
	if err := c.do(ctx, &call{method: http.MethodPost, ref: "/subscriptions", body: s}, created); err != nil {
		return nil, err
	}
	return created, nil
}

// RenewSubscription extends a subscription to a time at most
// [MaxSubscriptionAge] from now.
func (c *Client) RenewSubscription(ctx context.Context, id string, until time.Time) error {
	body := struct {
		ExpirationDateTime time.Time `json:"expirationDateTime"`
	}{until.UTC()}
	return c.do(ctx, &call{method: http.MethodPatch, ref: "/subscriptions/" + url.PathEscape(id), body: body}, nil)
}

// DeleteSubscription ends a subscription.
func (c *Client) DeleteSubscription(ctx context.Context, id string) error {
	return c.do(ctx, &call{method: http.MethodDelete, ref: "/subscriptions/" + url.PathEscape(id)}, nil)
}
