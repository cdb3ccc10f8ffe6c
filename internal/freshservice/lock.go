package freshservice

import (
	"context"
	"slices"
	"sync"
	"time"

	"lockstep/internal/scim"
)

// locks serialize work by key. The zero value is ready to use.
type locks struct {
	mu   sync.Mutex
	held map[string]*heldLock
}

type heldLock struct {
	slot  chan struct{} // full while somebody has it
	users int
}

// lock waits until it has all keys, or until ctx is done. Keys are taken in
// order, so that two callers cannot wait for each other. The returned function
// gives them back.
func (l *locks) lock(ctx context.Context, keys ...string) (unlock func(), err error) {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	for i, k := range keys {
		if err := l.one(ctx, k); err != nil {
			l.release(keys[:i])
			return nil, err
		}
	}
	return func() { l.release(keys) }, nil
}

// busy is the error for a client that gave up while it waited for a lock.
func busy(err error) error {
	return &scim.Error{Type: scim.Unavailable, RetryAfter: 10 * time.Second, Err: err,
		Detail: "another change of the same resource was still under way; nothing was changed"}
}

func (l *locks) one(ctx context.Context, key string) error {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*heldLock{}
	}
	h := l.held[key]
	if h == nil {
		h = &heldLock{slot: make(chan struct{}, 1)}
		l.held[key] = h
	}
	h.users++
	l.mu.Unlock()
	select {
	case h.slot <- struct{}{}:
		return nil
	case <-ctx.Done():
		l.forget(key, h)
		return ctx.Err()
	}
}

func (l *locks) release(keys []string) {
	for _, k := range slices.Backward(keys) {
		l.mu.Lock()
		h := l.held[k]
		l.mu.Unlock()
		<-h.slot
		l.forget(k, h)
	}
}

func (l *locks) forget(key string, h *heldLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h.users--; h.users == 0 {
		delete(l.held, key)
	}
}
