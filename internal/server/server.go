// Package server is the composition root: it opens the store, wires accounts,
// bridges, the SCIM service, the API and the engines of the apps together, and
// owns their life: New, Start, Stop.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"lockstep/internal/account"
	"lockstep/internal/api"
	"lockstep/internal/scim/service"
	"lockstep/internal/secret"
	"lockstep/internal/store"
)

// Options configure a [Server].
type Options struct {
	// DataDir holds the database, the master key and the local socket. It is
	// created with permissions for its owner only.
	DataDir string
	// DatabaseURL is that of a PostgreSQL database, which then is used in place
	// of the one in DataDir, by any number of servers. It is secret.
	DatabaseURL string
	// Listen is the address of the one HTTP listener, such as 127.0.0.1:8470.
	Listen string
	// BaseURL is how clients reach the server from outside, without a path;
	// empty: http://ADDRESS.
	BaseURL string
	// TrustedProxies are the networks of proxies whose X-Forwarded headers are
	// believed.
	TrustedProxies []netip.Prefix
	// MasterKeyFile overrides DataDir/master.key.
	MasterKeyFile string
	// DrainTimeout bounds how long Stop waits for requests under way; 0 means
	// 10 seconds.
	DrainTimeout time.Duration
	Version      string
	Log          *slog.Logger
}

// A Server is lockstep, running.
type Server struct {
	o       Options
	log     *slog.Logger
	started time.Time

	db       *store.DB
	accounts *account.Service
	hub      *hub
	apps     *apps
	metrics  *metrics
	// reconciliations are comparisons of accounts with their Freshservice.
	reconciliations *reconciliations

	listener net.Listener
	socket   net.Listener
	http     *http.Server
	local    *http.Server
	serving  sync.WaitGroup
	fatal    chan error
	stopOnce sync.Once
}

// New opens the data folder and wires everything. It listens on nothing yet.
func New(ctx context.Context, o Options) (_ *Server, err error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DrainTimeout == 0 {
		o.DrainTimeout = 10 * time.Second
	}
	s := &Server{o: o, log: o.Log, fatal: make(chan error, 2)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.closeStore())
		}
	}()
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("the data folder cannot be created: %w; choose another one with --data", err)
	}
	keyFile := o.MasterKeyFile
	if keyFile == "" {
		keyFile = filepath.Join(o.DataDir, "master.key")
	}
	key, err := secret.LoadOrCreateMasterKey(keyFile)
	if err != nil {
		return nil, err
	}
	sealer, err := secret.NewSealer(key)
	if err != nil {
		return nil, err
	}
	if s.db, err = store.Open(ctx, store.Options{Path: filepath.Join(o.DataDir, "lockstep.db"), URL: o.DatabaseURL, Sealer: sealer, Log: o.Log}); err != nil {
		return nil, err
	}
	s.metrics = newMetrics()
	s.accounts = account.NewService(s.db.Accounts(), o.Log)
	s.hub = newHub(s.accounts, s.db, s.metrics, o.Log)
	s.apps = newApps(s, o.Log)
	s.reconciliations = newReconciliations()
	s.metrics.watch(s.hub)
	return s, nil
}

// Start listens and serves until [Server.Stop]. The engines of the apps start
// with it.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", s.o.Listen)
	if err != nil {
		return listenError(s.o.Listen, "--listen", err)
	}
	s.listener = l
	s.started = time.Now()
	s.http = &http.Server{
		Handler:           s.routes(),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	if err := s.listenSocket(); err != nil {
		return errors.Join(err, l.Close())
	}
	s.serve(s.http, l)
	s.serve(s.local, s.socket)
	s.apps.start()
	s.log.Info("serving", "address", s.Addr().String(), "data", s.o.DataDir, "version", s.o.Version)
	return nil
}

func (s *Server) serve(h *http.Server, l net.Listener) {
	s.serving.Go(func() {
		if err := h.Serve(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.fatal <- err
		}
	})
}

func (s *Server) listenSocket() error {
	path := s.SocketPath()
	// The data folder is locked by us, so a socket that is there is a leftover.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("the old socket cannot be removed: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("the local socket cannot be opened: %w\nA path of more than about 100 characters is too long for a socket: choose a shorter --data", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	s.socket = l
	s.local = &http.Server{Handler: api.NewHandler(s, s.log), ReadHeaderTimeout: 10 * time.Second}
	return nil
}

// Failed yields the error of a listener that broke.
func (s *Server) Failed() <-chan error { return s.fatal }

// Addr returns the address of the HTTP listener.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// URL returns how clients reach the server, without a path.
func (s *Server) URL() string {
	if s.o.BaseURL != "" {
		return s.o.BaseURL
	}
	return "http://" + s.Addr().String()
}

// TenantURL returns the SCIM endpoint that a directory is given.
func (s *Server) TenantURL() string { return s.URL() + "/scim/v2" }

// SocketPath returns where the local socket is.
func (s *Server) SocketPath() string { return filepath.Join(s.o.DataDir, "lockstep.sock") }

// Stop ends the engines between two requests, lets HTTP requests under way
// finish within the drain time, and closes the store. What was not finished is
// resumed by the next start.
func (s *Server) Stop(ctx context.Context) error {
	var err error
	s.stopOnce.Do(func() {
		ctx, cancel := context.WithTimeout(ctx, s.o.DrainTimeout)
		defer cancel()
		s.apps.stop()
		s.reconciliations.close()
		for _, h := range []*http.Server{s.http, s.local} {
			if h == nil {
				continue
			}
			if e := h.Shutdown(ctx); e != nil {
				err = errors.Join(err, fmt.Errorf("some requests were still under way: %w", e), h.Close())
			}
		}
		s.serving.Wait()
		s.hub.close()
		err = errors.Join(err, s.closeStore())
		s.log.Info("stopped")
	})
	return err
}

func (s *Server) closeStore() error {
	var err error
	if s.accounts != nil {
		s.accounts.Close()
	}
	if s.db != nil {
		err = s.db.Close()
	}
	return err
}

// A PortError means that the address is taken or not ours.
type PortError struct {
	Address, Flag string
	Err           error
}

func (e *PortError) Error() string {
	return fmt.Sprintf("%s cannot be listened on: %v\nAnother program, perhaps another lockstep, uses it. Choose another address with %s (port 0 takes any free one).", e.Address, e.Err, e.Flag)
}

// Unwrap returns the cause.
func (e *PortError) Unwrap() error { return e.Err }

func listenError(address, flag string, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return &PortError{Address: address, Flag: flag, Err: err}
}

// Listen opens a TCP listener for a part beside the server, with the same
// error as the server's own.
func Listen(address, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, listenError(address, flag, err)
	}
	return l, nil
}

func (s *Server) scimService() *service.Service {
	return service.New(service.Options{
		Accounts:       s.hub,
		BaseURL:        s.tenantBase(),
		TrustedProxies: s.o.TrustedProxies,
		Log:            s.log,
		Observe:        s.metrics.observeSCIM,
	})
}

// tenantBase is empty, so that locations follow the request's host, unless the
// administrator said how the server is reached.
func (s *Server) tenantBase() string {
	if s.o.BaseURL == "" {
		return ""
	}
	return s.o.BaseURL + "/scim/v2"
}
