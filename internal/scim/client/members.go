package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"lockstep/internal/scim"
)

// EditMembers implements [provision.Target]. It removes before it adds, in
// requests of bounded size, and halves that size when the endpoint finds a
// request too large. When one fails, those before it have taken effect; adding
// who is a member and removing who is none does no harm, so the whole may be
// sent again.
func (c *Client) EditMembers(ctx context.Context, groupID string, add, remove []string) error {
	if err := c.editMembers(ctx, groupID, scim.Remove, remove); err != nil {
		return err
	}
	return c.editMembers(ctx, groupID, scim.Add, add)
}

func (c *Client) editMembers(ctx context.Context, groupID string, op scim.PatchOp, ids []string) error {
	_, groups := c.Types()
	for done := 0; done < len(ids); {
		n := min(int(c.chunk.Load()), len(ids)-done)
		b, err := scim.AppendJSON(nil, c.memberPatch(op, ids[done:done+n]))
		if err != nil {
			return scim.Errorf(scim.InvalidValue, "the members cannot be written as JSON: %v", err)
		}
		k := &call{method: http.MethodPatch, path: groups.Endpoint, id: groupID, body: b}
		_, err = c.send(ctx, k)
		switch {
		case err == nil:
			done += n
		case tooMany(err) && n > 1:
			c.shrink(int64(n))
		default:
			var e *scim.Error
			if done > 0 && errors.As(err, &e) {
				partial := *e
				partial.Detail = fmt.Sprintf("%s (%d of %d members to %s were done before)", e.Detail, done, len(ids), op)
				return &partial
			}
			return err
		}
	}
	return nil
}

// shrink halves the chunk, unless another caller has done so already.
func (c *Client) shrink(n int64) {
	if now := c.chunk.Load(); n <= now {
		c.chunk.CompareAndSwap(now, max(1, n/2))
	}
}

// tooMany reports whether a smaller request may succeed. Not every endpoint
// has a scimType or status for that.
func tooMany(err error) bool {
	var e *scim.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Type {
	case scim.PayloadTooLarge, scim.TooMany:
		return true
	case scim.InvalidValue, scim.InvalidSyntax:
		d := strings.ToLower(e.Detail)
		return strings.Contains(d, "too many") || strings.Contains(d, "too large") || strings.Contains(d, "maximum") || strings.Contains(d, "exceed")
	}
	return false
}
