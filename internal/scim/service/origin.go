package service

import (
	"math"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// trusted reports whether the request comes straight from a proxy that the
// server was told to believe.
func (s *Service) trusted(addr netip.Addr) bool {
	for _, p := range s.proxies {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// peer returns the address of the other end of the connection, the zero Addr
// when it has none.
func peer(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// clientAddr returns whom a request comes from: the other end of the
// connection, or, behind trusted proxies, the last address of X-Forwarded-For
// that is none of them.
func (s *Service) clientAddr(r *http.Request) netip.Addr {
	addr := peer(r)
	if len(s.proxies) == 0 || !s.trusted(addr) {
		return addr
	}
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		if addr = hop.Unmap(); !s.trusted(addr) {
			break
		}
	}
	return addr
}

// origin returns the scheme and the host that the client used, as far as they
// are known without a BaseURL.
func (s *Service) origin(r *http.Request) (scheme, host string) {
	scheme, host = "http://", r.Host
	if r.TLS != nil {
		scheme = "https://"
	}
	if len(s.proxies) == 0 || !s.trusted(peer(r)) {
		return scheme, host
	}
	// Each proxy appends what it saw; the first value is the client's.
	switch proto := first(r.Header["X-Forwarded-Proto"]); {
	case strings.EqualFold(proto, "https"):
		scheme = "https://"
	case strings.EqualFold(proto, "http"):
		scheme = "http://"
	}
	if forwarded := first(r.Header["X-Forwarded-Host"]); forwarded != "" && plainHost(forwarded) {
		host = forwarded
	}
	return scheme, host
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	v, _, _ := strings.Cut(values[0], ",")
	return strings.TrimSpace(v)
}

// plainHost reports whether s may stand for a host and port in a URL.
func plainHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		if ('a' > c || c > 'z') && ('0' > c || c > '9') && ('A' > c || c > 'Z') && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return true
}

// How many requests without a valid token one address may send: so many at
// once, and then one a second. Who has a valid token is not counted.
const (
	failureBurst = 20
	failureRate  = 1.0
	// maxFailing bounds the addresses that are remembered.
	maxFailing = 4096
)

// failures counts failed authentications by client address.
type failures struct {
	mu   sync.Mutex
	seen map[netip.Addr]failing
}

type failing struct {
	left float64 // what may still fail
	at   time.Time
}

func (f failing) now(t time.Time) failing {
	if passed := t.Sub(f.at).Seconds(); passed > 0 {
		f.left, f.at = min(failureBurst, f.left+passed*failureRate), t
	}
	return f
}

// add counts one failure, and returns how long the address has to wait when it
// had too many.
func (f *failures) add(addr netip.Addr, at time.Time) (wait time.Duration) {
	if addr.Is6() {
		// One customer commonly has a whole network of 64 bits.
		if p, err := addr.Prefix(64); err == nil {
			addr = p.Addr()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = make(map[netip.Addr]failing)
	}
	b, known := f.seen[addr]
	if !known {
		if len(f.seen) >= maxFailing {
			f.shrink(at)
		}
		b = failing{left: failureBurst, at: at}
	}
	b = b.now(at)
	if b.left < 1 {
		wait = time.Duration(math.Ceil((1-b.left)/failureRate*1000)) * time.Millisecond
	} else {
		b.left--
	}
	f.seen[addr] = b
	return wait
}

// shrink makes room: it drops, of a few addresses, those that have not failed
// for long, or else the one that may fail most.
func (f *failures) shrink(at time.Time) {
	const look = 32
	n := 0
	var mildest netip.Addr
	most := -1.0
	for addr, b := range f.seen {
		if b = b.now(at); b.left > most {
			mildest, most = addr, b.left
		}
		if b.left >= failureBurst {
			delete(f.seen, addr)
		}
		if n++; n == look {
			break
		}
	}
	delete(f.seen, mildest)
}
