package router

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// ackedBytes returns how many bytes of the stream the peer has acknowledged, or -1 when the kernel does not say.
func ackedBytes(conn net.Conn) int64 {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return -1
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return -1
	}
	acked := int64(-1)
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil && info.Bytes_acked > 0 {
			acked = int64(info.Bytes_acked) - 1 // the kernel counts our SYN as one byte
		}
	})
	if err != nil {
		return -1
	}
	return acked
}
