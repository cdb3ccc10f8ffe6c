package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"
)

// A session is one bound connection and what its server says of itself.
type session struct {
	*ldapv3.Conn
	*server
	raw  net.Conn
	stop func() bool // no longer ends the connection with the context
}

func (s *session) close() {
	s.stop()
	_ = s.raw.Close()
	_ = s.Conn.Close()
}

// connect dials, encrypts, binds and asks the server what it is. The session
// ends with ctx. No answer takes longer than the time-out; watching sets that
// to none.
func (s *Source) connect(ctx context.Context) (*session, error) {
	conn, raw, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	ses := &session{Conn: conn, raw: raw, stop: context.AfterFunc(ctx, func() { _ = raw.Close() })}
	conn.SetTimeout(s.timeout)
	if err := s.bind(ctx, conn); err != nil {
		ses.close()
		return nil, err
	}
	if ses.server, err = s.meet(ctx, conn); err != nil {
		ses.close()
		return nil, err
	}
	return ses, nil
}

func (s *Source) dial(ctx context.Context) (*ldapv3.Conn, net.Conn, error) {
	config, err := s.tlsConfig()
	if err != nil {
		return nil, nil, err
	}
	setup, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	network, address := "tcp", s.address.Host
	if s.address.Scheme == "ldapi" {
		network, address = "unix", s.address.Path
	}
	var dialer net.Dialer
	raw, err := dialer.DialContext(setup, network, address)
	if err != nil {
		return nil, nil, s.fail(ctx, StepConnect, err)
	}
	raw = &timedConn{raw, s.timeout}
	if s.address.Scheme == "ldaps" {
		encrypted := tls.Client(raw, config)
		if err := encrypted.HandshakeContext(setup); err != nil {
			_ = raw.Close()
			return nil, nil, s.fail(ctx, StepTLS, err)
		}
		raw = encrypted
	}
	conn := ldapv3.NewConn(raw, s.address.Scheme == "ldaps")
	conn.Start()
	if s.config.StartTLS {
		conn.SetTimeout(s.timeout)
		stop := context.AfterFunc(setup, func() { _ = raw.Close() })
		// The library keeps no more of the cause than its text.
		var cause error
		config.VerifyConnection = func(state tls.ConnectionState) error {
			cause = verify(state, config)
			return cause
		}
		config.InsecureSkipVerify = true // verify does it
		err := conn.StartTLS(config)
		stop()
		if err != nil {
			_ = raw.Close()
			_ = conn.Close()
			if setup.Err() != nil && ctx.Err() == nil {
				err = setup.Err()
			}
			if cause != nil {
				err = cause
			}
			return nil, nil, s.fail(ctx, StepTLS, err)
		}
	}
	return conn, raw, nil
}

// verify does what crypto/tls does by itself, and keeps the error's type.
func verify(state tls.ConnectionState, config *tls.Config) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server showed no certificate")
	}
	o := x509.VerifyOptions{Roots: config.RootCAs, DNSName: config.ServerName, Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(o)
	return err
}

func (s *Source) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{ServerName: s.address.Hostname(), MinVersion: tls.VersionTLS12}
	if s.config.CAFile == "" {
		return config, nil
	}
	pem, err := os.ReadFile(s.config.CAFile)
	if err != nil {
		return nil, &Error{Server: s.label(), Step: StepTLS, Err: err, Advice: "caFile must be a file that this program may read"}
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, &Error{Server: s.label(), Step: StepTLS, Err: fmt.Errorf("%s has no certificate in it", s.config.CAFile),
			Advice: "caFile must hold certificates in PEM, between BEGIN CERTIFICATE and END CERTIFICATE"}
	}
	return config, nil
}

func (s *Source) bind(ctx context.Context, conn *ldapv3.Conn) error {
	if s.config.BindDN == "" {
		return nil
	}
	return s.fail(ctx, StepBind, conn.Bind(s.config.BindDN, s.secret.Reveal()))
}

// A timedConn gives up writing to a peer that has stopped reading. Reading has
// its own time-outs.
type timedConn struct {
	net.Conn
	timeout time.Duration
}

func (c *timedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
