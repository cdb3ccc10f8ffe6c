package desk

import (
	"maps"
	"sync"
)

// Counters tell how many calls the API received, whatever became of them.
type Counters struct {
	Total int64 `json:"total"`
	// ByRoute counts by method and route, e.g. "PUT /requesters/{id}".
	ByRoute map[string]int64 `json:"by_route"`
	// Rejected429 counts the calls refused by the rate limit; injected faults
	// are not among them.
	Rejected429 int64 `json:"rejected_429"`
}

type counter struct {
	mu sync.Mutex
	c  Counters
}

func (c *counter) count(route string, refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c.ByRoute == nil {
		c.c.ByRoute = map[string]int64{}
	}
	c.c.Total++
	c.c.ByRoute[route]++
	if refused {
		c.c.Rejected429++
	}
}

func (c *counter) snapshot() Counters {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.c
	s.ByRoute = maps.Clone(s.ByRoute)
	return s
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.c = Counters{}
}
