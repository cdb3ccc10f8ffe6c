// Command scimload puts load on a SCIM 2.0 service provider and measures it.
//
// It sends the same bytes to every server, so that servers can be compared. The
// figures of one machine, and of one machine at two times, differ too much to
// be compared with each other; the suite therefore measures a bare JSON server
// beside the one in question and gives each figure as a ratio to it.
//
//	scimload -serve-echo 127.0.0.1:9999
//	scimload -url URL -token T -w seed -users 100000 -state s.json
//	scimload -url URL -token T -w seed-group -members 10000 -state s.json
//	scimload -url URL -token T -w suite -echo http://127.0.0.1:9999 -state s.json
//	scimload -url URL -token T -w filter -d 10s -c 8 -state s.json
//
// What counts as an answer is strict: the look-up must find the right person, a
// page must have all its people, and after members were added and removed the
// group must hold exactly those it was given.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"
)

// options are the flags.
type options struct {
	url, token, echo string
	work             string
	duration, limit  time.Duration
	timeout          time.Duration
	workers          int
	users, members   int
	chunk, count     int
	rounds           int
	state, prefix    string
	pid, files       string
	contentType      string
	rfc              bool
	remote, json     bool
}

func main() {
	var o options
	var echoAddr string
	flag.StringVar(&o.url, "url", os.Getenv("BASE_URL"), "SCIM base URL, such as http://127.0.0.1:8470/scim/v2 (or BASE_URL)")
	flag.StringVar(&o.token, "token", os.Getenv("TOKEN"), "bearer token (or TOKEN)")
	flag.StringVar(&o.work, "w", "", "seed, seed-group, create, filter, get, patch-active, page, walk, group-member, mixed, or suite: all that have a target")
	flag.DurationVar(&o.duration, "d", 5*time.Second, "how long a timed workload runs")
	flag.IntVar(&o.workers, "c", 8, "workers, each with a connection of its own")
	flag.IntVar(&o.users, "users", 1000, "seed: how many users there should be")
	flag.IntVar(&o.members, "members", 10000, "seed-group: how many members the group gets")
	flag.IntVar(&o.chunk, "chunk", 1000, "seed-group: members in one request")
	flag.IntVar(&o.count, "count", 100, "page, walk: users on a page")
	flag.IntVar(&o.rounds, "rounds", 3, "suite: how often everything is measured; medians are shown")
	flag.DurationVar(&o.limit, "max", 10*time.Minute, "seed, seed-group: give up after this time")
	flag.DurationVar(&o.timeout, "timeout", time.Minute, "time limit of one request")
	flag.StringVar(&o.state, "state", "scimload-state.json", "file that seeding writes and the other workloads read")
	flag.StringVar(&o.prefix, "prefix", "u", "seed: what user names begin with")
	flag.StringVar(&o.pid, "pid", "", "the server's process id, for its memory and CPU time (Linux)")
	flag.StringVar(&o.files, "files", "", "suite: pattern of the server's database files, for their size")
	flag.StringVar(&o.contentType, "ctype", "application/scim+json", "content type of requests")
	flag.BoolVar(&o.rfc, "rfc", false, "send PATCH as RFC 7644 has it instead of as Entra ID sends it")
	flag.StringVar(&o.echo, "echo", "", "suite: URL of the bare server to compare with")
	flag.StringVar(&echoAddr, "serve-echo", "", "be that bare server, at this address")
	flag.BoolVar(&o.remote, "allow-remote", false, "allow a server that is not on this machine")
	flag.BoolVar(&o.json, "json", false, "suite: print JSON instead of a table")
	flag.Parse()
	if echoAddr != "" {
		fail(http.ListenAndServe(echoAddr, echo()))
	}
	if err := o.check(); err != nil {
		fmt.Fprintln(os.Stderr, "scimload:", err)
		os.Exit(2)
	}
	if o.work == "suite" {
		fail(suite(o))
	}
	r, err := run(o)
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	if e := enc.Encode(r); err == nil {
		err = e
	}
	fail(err)
}

func (o *options) check() error {
	if o.url == "" || o.work == "" {
		return errors.New("-url (or BASE_URL) and -w are needed; see -help")
	}
	if o.workers < 1 || o.count < 1 || o.chunk < 1 || o.rounds < 1 {
		return errors.New("-c, -count, -chunk and -rounds must be at least 1")
	}
	for _, target := range []string{o.url, o.echo} {
		u, err := url.Parse(target)
		if err != nil {
			return err
		}
		if target != "" && !o.remote && !loopback(u.Hostname()) {
			return fmt.Errorf("%s is not on this machine; -allow-remote sends the load there all the same", u.Host)
		}
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// fail ends the program, with 1 when there is an error.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "scimload:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
