package routing

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead/fairlead/platform"
)

// Limits of a table. They bound what one mistake can cost the router; no real installation comes near them.
const (
	MaxRoutes          = 100_000
	MaxHostsPerRoute   = 1_000
	MaxTargetsPerRoute = 1_000
	MaxHostLength      = 253
	MaxPrefixLength    = 1_024
	MaxIDLength        = 256
	MaxDrain           = time.Hour
	MaxTimeout         = 24 * time.Hour
	// MaxTableBytes bounds an encoded table.
	MaxTableBytes = 64 << 20
)

// Validate returns an invalid error that names the route and field at fault, or nil. A table is refused whole: a router
// never serves part of one. No two routes may own the same host and path prefix, and an instance has one slot, release
// and address wherever it appears.
func (t Table) Validate() error {
	if t.Version == 0 {
		return invalid("version", "The table has no version.", "Number tables from 1 up.")
	}
	if len(t.Routes) > MaxRoutes {
		return invalid("routes", fmt.Sprintf("The table has %d routes.", len(t.Routes)), fmt.Sprintf("At most %d are allowed.", MaxRoutes))
	}
	c := checker{owners: map[hostPrefix]string{}, instances: map[string]placed{}}
	for i := range t.Routes {
		if err := c.route(i, &t.Routes[i]); err != nil {
			return err
		}
	}
	return nil
}

// NormalPrefix returns the form in which path prefixes are compared: "/" for all paths, otherwise without a slash at
// the end. "" means "/".
func NormalPrefix(prefix string) string {
	prefix = strings.TrimRight(prefix, "/")
	if prefix == "" {
		return "/"
	}
	return prefix
}

type hostPrefix struct{ host, prefix string }

type placed struct {
	slot    string
	release int
	address string
}

// checker remembers what the routes before this one own.
type checker struct {
	owners    map[hostPrefix]string
	instances map[string]placed
}

func (c *checker) route(i int, r *Route) error {
	at := func(field string) string { return fmt.Sprintf("routes[%d].%s", i, field) }
	owner := r.owner()
	switch {
	case r.Slot == "" || len(r.Slot) > MaxIDLength:
		return invalid(at("slot"), fmt.Sprintf("Route %s has a slot id of %d bytes.", owner, len(r.Slot)), fmt.Sprintf("Give 1 to %d bytes.", MaxIDLength))
	case len(r.Hosts) == 0 || len(r.Hosts) > MaxHostsPerRoute:
		return invalid(at("hosts"), fmt.Sprintf("Route %s has %d hosts.", owner, len(r.Hosts)), fmt.Sprintf("Give 1 to %d.", MaxHostsPerRoute))
	case len(r.Targets) > MaxTargetsPerRoute:
		return invalid(at("targets"), fmt.Sprintf("Route %s has %d targets.", owner, len(r.Targets)), fmt.Sprintf("At most %d are allowed.", MaxTargetsPerRoute))
	case r.DrainFor < 0 || r.DrainFor > MaxDrain:
		return invalid(at("drain_ns"), fmt.Sprintf("Route %s drains for %v.", owner, r.DrainFor), fmt.Sprintf("Give 0 to %v.", MaxDrain))
	case r.Timeout < 0 || r.Timeout > MaxTimeout:
		return invalid(at("timeout_ns"), fmt.Sprintf("Route %s has a timeout of %v.", owner, r.Timeout), fmt.Sprintf("Give 0 to %v.", MaxTimeout))
	case r.MaxBodySize < 0:
		return invalid(at("max_body_bytes"), fmt.Sprintf("Route %s has a negative body limit.", owner), "Give 0 for no limit.")
	}
	if err := checkPrefix(at("path_prefix"), owner, r.PathPrefix); err != nil {
		return err
	}
	for j, host := range r.Hosts {
		if err := c.host(fmt.Sprintf("%s[%d]", at("hosts"), j), owner, host, NormalPrefix(r.PathPrefix)); err != nil {
			return err
		}
	}
	seen := make(map[string]bool, len(r.Targets))
	for j, target := range r.Targets {
		field := fmt.Sprintf("%s[%d]", at("targets"), j)
		if seen[target.Instance] {
			return invalid(field, fmt.Sprintf("Route %s names instance %q twice.", owner, target.Instance), "Name each instance once.")
		}
		seen[target.Instance] = true
		if err := c.target(field, owner, r.Slot, target); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) host(field, owner, host, prefix string) error {
	if reason := badHost(host); reason != "" {
		return invalid(field, fmt.Sprintf("Route %s has the host %q: %s.", owner, platform.Truncate(host, 80), reason),
			"Use a lower-case DNS name without a port.")
	}
	key := hostPrefix{host, prefix}
	if other, taken := c.owners[key]; taken {
		return invalid(field, fmt.Sprintf("Both %s and %s claim the host %q with the path prefix %q.", other, owner, host, prefix),
			"Give one of them another host or path.")
	}
	c.owners[key] = owner
	return nil
}

func (c *checker) target(field, owner, slot string, t Target) error {
	if t.Instance == "" || len(t.Instance) > MaxIDLength {
		return invalid(field+".instance", fmt.Sprintf("Route %s has a target with an instance id of %d bytes.", owner, len(t.Instance)),
			fmt.Sprintf("Give 1 to %d bytes.", MaxIDLength))
	}
	if reason := badAddress(t.Address); reason != "" {
		return invalid(field+".address", fmt.Sprintf("Instance %s of route %s has the address %q: %s.", t.Instance, owner, platform.Truncate(t.Address, 80), reason),
			"Use host:port with a port from 1 to 65535.")
	}
	now := placed{slot, t.Release, t.Address}
	if before, ok := c.instances[t.Instance]; ok && before != now {
		return invalid(field, fmt.Sprintf("Instance %s of route %s appears elsewhere in the table with another slot, release or address.", t.Instance, owner),
			"An instance has one of each.")
	}
	c.instances[t.Instance] = now
	return nil
}

// owner is how messages call the route.
func (r *Route) owner() string {
	if r.Name != "" {
		return platform.Truncate(r.Name, 200)
	}
	return platform.Truncate(r.Slot, 200)
}

func checkPrefix(field, owner, prefix string) error {
	bad := prefix != "" && prefix[0] != '/' || len(prefix) > MaxPrefixLength
	for i := 0; i < len(prefix) && !bad; i++ {
		bad = prefix[i] <= ' ' || prefix[i] == 0x7f || prefix[i] == '?' || prefix[i] == '#'
	}
	if !bad {
		return nil
	}
	return invalid(field, fmt.Sprintf("Route %s has the path prefix %q.", owner, platform.Truncate(prefix, 80)),
		fmt.Sprintf("Begin with /, without spaces, ? and #, in at most %d bytes.", MaxPrefixLength))
}

// badHost says what is wrong with a host name, "" for nothing. Underscores are allowed: browsers send them.
func badHost(host string) string {
	if host == "" || len(host) > MaxHostLength {
		return fmt.Sprintf("it must have 1 to %d bytes", MaxHostLength)
	}
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return "each part between dots must have 1 to 63 characters"
		}
		if label[0] == '-' || label[len(label)-1] == '-' {
			return "no part may begin or end with a hyphen"
		}
		for i := 0; i < len(label); i++ {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return fmt.Sprintf("the character %q is not allowed", rune(c))
			}
		}
	}
	return ""
}

// badAddress says what is wrong with host:port, "" for nothing.
func badAddress(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "it is not host:port"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
		return "the port is not a number from 1 to 65535"
	}
	if net.ParseIP(host) != nil {
		return ""
	}
	return badHost(strings.ToLower(host))
}

func invalid(field, message, hint string) error {
	return &platform.Error{Code: platform.CodeInvalid, Message: message, Hint: hint, Field: field}
}
