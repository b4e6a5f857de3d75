package servicemap

import (
	"cmp"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/fairlead/fairlead/observability"
)

// peer is what a client's span says of whom it called.
type peer struct {
	service string // peer.service
	address string // host, with the port where one is named
	system  string // of a database or a queue
	target  string // the database or the queue
}

// peerOf reads the names of today's conventions and of those before.
func peerOf(s *observability.Span) peer {
	first := func(keys ...string) string {
		for _, key := range keys {
			if v := s.Attributes[key]; v != "" {
				return v
			}
		}
		return ""
	}
	p := peer{
		service: first("peer.service", "service.peer.name"),
		address: first("server.address", "net.peer.name", "network.peer.address", "net.sock.peer.addr", "net.peer.ip"),
		system:  first("db.system.name", "db.system", "messaging.system"),
		target:  first("db.namespace", "db.name", "messaging.destination.name", "messaging.destination"),
	}
	if p.address == "" {
		if u, err := url.Parse(first("url.full", "http.url")); err == nil {
			p.address = u.Host
		}
	}
	if port := first("server.port", "net.peer.port", "network.peer.port", "net.sock.peer.port"); port != "" && p.address != "" && portless(p.address) {
		p.address = net.JoinHostPort(strings.Trim(p.address, "[]"), port)
	}
	return p
}

func portless(address string) bool {
	_, _, err := net.SplitHostPort(address)
	return err != nil
}

// names finds services by what others call them.
type names struct{ known map[string]string }

func newNames(services []Service) *names {
	n := &names{known: map[string]string{}}
	for _, s := range services {
		for _, host := range s.Hosts {
			n.known[strings.ToLower(host)] = s.Name
		}
		for _, address := range s.Addresses {
			// A port alone tells nobody apart on a loopback address.
			if host := hostOf(address); net.ParseIP(host) != nil && !net.ParseIP(host).IsLoopback() {
				n.known[host] = s.Name
			} else {
				n.known[strings.ToLower(address)] = s.Name
			}
		}
	}
	for _, s := range services {
		n.known[strings.ToLower(s.Name)] = s.Name
	}
	return n
}

// hostOf is an address without its port, in lower case.
func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(address, "[]"), "."))
}

// of returns the node that a peer is, and whether it is a service of the environment.
func (n *names) of(p peer) (name string, known bool) {
	for _, candidate := range []string{strings.ToLower(p.service), strings.ToLower(p.address), hostOf(p.address)} {
		if found := n.known[candidate]; found != "" {
			return found, true
		}
	}
	name = cmp.Or(p.service, p.address)
	if name == "" && p.system != "" {
		name = strings.TrimSuffix(p.system+" "+p.target, " ")
	}
	return name, false
}

var (
	// authority is host and port of a URL, after the user where there is one.
	authority = regexp.MustCompile(`[a-zA-Z][a-zA-Z0-9+.-]*://(?:[^\s/]*@)?([^\s/?#"']+)`)
	// assigned is the host of a libpq text.
	assigned = regexp.MustCompile(`(?:^|\s)host(?:addr)?\s*=\s*'?([^\s']+)`)
	// hostPort is a name with a port, and nothing else.
	hostPort = regexp.MustCompile(`^([a-zA-Z][a-zA-Z0-9.-]*):\d{1,5}$`)
	// hostKey is the name of a variable whose value may be a host alone.
	hostKey = regexp.MustCompile(`(?i)(?:^|_)(?:host|hostname|hosts|addr|address|server|servers|url|uri|endpoint|endpoints|upstream|brokers?|dsn)$`)
)

// in returns the services that a variable's value names, in order. Only the names leave it: the value may be secret.
func (n *names) in(key, value string) []string {
	var found []string
	add := func(text string) {
		// Clusters are written as lists, also within a URL.
		for part := range strings.SplitSeq(text, ",") {
			if name := n.known[hostOf(strings.TrimSpace(part))]; name != "" && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	for _, m := range authority.FindAllStringSubmatch(value, 20) {
		add(m[1])
	}
	for _, m := range assigned.FindAllStringSubmatch(value, 20) {
		add(m[1])
	}
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if hostPort.MatchString(part) || hostKey.MatchString(key) {
			add(part)
		}
	}
	return found
}
