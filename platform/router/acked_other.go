//go:build !linux

package router

import "net"

// ackedBytes is not known here, so that nothing is proven and only safe requests are sent again.
func ackedBytes(net.Conn) int64 { return -1 }
