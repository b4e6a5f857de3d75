package lokitest

import "syscall"

// dieWithParent lets the kernel end the server when the test program is killed, so that none is left behind.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
