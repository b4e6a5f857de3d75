package notify

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// Guard keeps messages out of networks that only this host reaches: whoever may add a channel must not be able to ask
// the services of a private network, or a cloud's metadata, through Fairlead.
type Guard struct {
	// Allow are networks that may be reached although they are private.
	Allow []netip.Prefix
}

// reserved are the networks beyond those that package netip names: of providers, of tests, for translation, and those
// whose addresses hold an IPv4 address.
var reserved = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
	"240.0.0.0/4", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10")

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// Permits returns an error that says what kind of address it is when messages must not go there.
func (g Guard) Permits(addr netip.Addr) error {
	addr = addr.Unmap().WithZone("")
	for _, p := range g.Allow {
		if p.Contains(addr) {
			return nil
		}
	}
	what := ""
	switch {
	case addr.IsLoopback():
		what = "an address of this host"
	case addr.IsPrivate():
		what = "a private address"
	case addr.IsLinkLocalUnicast():
		what = "a link-local address"
	case addr.IsUnspecified(), addr.IsMulticast(), !addr.IsValid():
		what = "no address of a host"
	}
	for _, p := range reserved {
		if what == "" && p.Contains(addr) {
			what = "a reserved address"
		}
	}
	if what == "" {
		return nil
	}
	return fmt.Errorf("%s is %s", addr, what)
}

// Reach asks for the addresses of a host and refuses it when messages must not go to one of them.
func (g Guard) Reach(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, dialLimit)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("its addresses are not known: %w", err)
	}
	for _, addr := range addrs {
		if err := g.Permits(addr); err != nil {
			return err
		}
	}
	return nil
}

// control looks at the address that a connection is really made to, after the name was resolved for the last time.
func (g Guard) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("read the address of the receiver: %w", err)
	}
	if err := g.Permits(to.Addr()); err != nil {
		return fmt.Errorf("refused: %w", err)
	}
	return nil
}
