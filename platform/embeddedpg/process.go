package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// pollEvery is how often a starting or stopping server is looked at. A warm start takes about 30 ms.
	pollEvery = 10 * time.Millisecond
	// retryFor bounds how long a start is retried when what a killed server left behind is in the way: until the system
	// has reaped it and its children have seen that it is gone.
	retryFor = 20 * time.Second
	// maxLogBytes is the size at which the server's log is set aside at the next start.
	maxLogBytes = 8 << 20
)

// adopt returns the address of a server that already runs in this place. A server that is still recovering is waited
// for. A pid file whose server is dead is removed, so that the next start is not refused.
func (p *place) adopt(ctx context.Context) (addr address, adopted bool, err error) {
	file, err := p.readPidFile()
	if err != nil || file.pid == 0 {
		return address{}, false, err
	}
	if !p.alive(file.pid) {
		return address{}, false, p.removeStalePidFile()
	}
	addr, err = p.addressOf(file)
	if err != nil {
		return address{}, false, err
	}
	err = untilAnswers(ctx, addr, func() bool { return !p.alive(file.pid) })
	if errors.Is(err, errGone) {
		return address{}, false, p.removeStalePidFile()
	}
	return addr, err == nil, err
}

// start runs a server and returns once it answers.
func (p *place) start(ctx context.Context, bin binaries, log *slog.Logger) (address, error) {
	deadline := time.Now().Add(retryFor)
	for {
		addr, said, err := p.startOnce(ctx, bin)
		if err == nil || ctx.Err() != nil {
			return addr, err
		}
		if !leftovers(said) || time.Now().After(deadline) {
			return address{}, unavailable("The private database does not start: %s.", firstNonEmpty(lastComplaint(said), err.Error())).
				WithHint("The whole log is in %s. Set DATABASE_URL to use another server.", p.logFile())
		}
		log.Info("a killed postgres is still in the way, trying again", "says", lastComplaint(said))
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return address{}, err
		}
		if err := p.removeDeadPidFile(); err != nil {
			return address{}, err
		}
		_ = os.Remove(p.portFile()) // another program may have taken the port meanwhile
	}
}

// startOnce runs the postgres program in a process session of its own, so that neither a signal to this process's group
// nor its death reaches it. What it said since the start is returned with an error.
func (p *place) startOnce(ctx context.Context, bin binaries) (addr address, said string, err error) {
	addr, err = p.newAddress(ctx)
	if err != nil {
		return address{}, "", err
	}
	out, size, err := p.openLog()
	if err != nil {
		return address{}, "", err
	}
	defer out.Close()
	// Not CommandContext: the server must live on when ctx ends.
	cmd := exec.Command(bin.path("postgres"), p.arguments(addr)...) //nolint:noctx // see above
	cmd.Dir, cmd.Env = "/", cleanEnv()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential(), Setsid: true}
	if err := cmd.Start(); err != nil {
		return address{}, "", fmt.Errorf("run %s as user %d: %w", bin.path("postgres"), p.account.uid, err)
	}
	lifetime, exited := context.WithCancelCause(ctx)
	go func() { // ends with the server; reaps it, so that no zombie keeps its pid file alive
		_ = cmd.Wait()
		exited(errGone)
	}()
	err = untilAnswers(lifetime, addr, func() bool { return errors.Is(context.Cause(lifetime), errGone) })
	if err != nil {
		return address{}, p.tail(size), err
	}
	return addr, "", p.rememberPort(addr)
}

// arguments are the settings that differ from PostgreSQL's own defaults.
func (p *place) arguments(a address) []string {
	args := []string{"-D", p.data()}
	settings := []string{
		"unix_socket_directories=" + a.socketDir, "unix_socket_permissions=0700", "port=" + strconv.Itoa(a.port),
		"listen_addresses=" + a.host, "max_connections=200", "timezone=UTC", "log_timezone=UTC",
		"log_destination=stderr", "logging_collector=off", "log_line_prefix=%m [%p] ",
	}
	if p.unsafe {
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	for _, s := range settings {
		args = append(args, "-c", s)
	}
	return args
}

func (p *place) openLog() (f *os.File, size int64, err error) {
	if info, err := os.Stat(p.logFile()); err == nil {
		size = info.Size()
	}
	if size > maxLogBytes {
		if err := os.Rename(p.logFile(), p.logFile()+".1"); err != nil {
			return nil, 0, fmt.Errorf("set the old log of the private PostgreSQL aside: %w", err)
		}
		size = 0
	}
	f, err = os.OpenFile(p.logFile(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open the log of the private PostgreSQL: %w", err)
	}
	return f, size, nil
}

// stop ends the server with SIGINT, PostgreSQL's fast shutdown, and waits until it is gone.
func (p *place) stop(ctx context.Context) error {
	file, err := p.readPidFile()
	if err != nil || file.pid == 0 || !p.alive(file.pid) {
		return err
	}
	if err := syscall.Kill(file.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("stop the private PostgreSQL: %w", err)
	}
	for p.alive(file.pid) {
		if err := pause(ctx, pollEvery); err != nil {
			return fmt.Errorf("wait for the private PostgreSQL to stop: %w", err)
		}
	}
	return nil
}

// pidFile is what postmaster.pid says; see miscadmin.h of PostgreSQL for its lines.
type pidFile struct {
	pid       int // 0 when there is no file
	port      int
	socketDir string
	host      string
}

func (p *place) readPidFile() (pidFile, error) {
	text, err := os.ReadFile(p.pidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return pidFile{}, nil
	}
	if err != nil {
		return pidFile{}, fmt.Errorf("read the pid file of the private PostgreSQL: %w", err)
	}
	lines := strings.Split(string(text), "\n")
	for len(lines) < 6 {
		lines = append(lines, "") // a server that has only just begun has written less
	}
	f := pidFile{socketDir: strings.TrimSpace(lines[4]), host: strings.TrimSpace(lines[5])}
	f.pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	f.port, _ = strconv.Atoi(strings.TrimSpace(lines[3]))
	return f, nil
}

// alive reports whether pid is a server of this place: not a zombie, and not another program that got the number after
// a restart of the machine.
func (p *place) alive(pid int) bool {
	if pid <= 1 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	proc := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(proc + "/stat")
	if err != nil {
		return !procMounted()
	}
	// pid (name) state ...: the name may hold anything, so look behind its end.
	if i := strings.LastIndexByte(string(stat), ')'); i >= 0 && strings.HasPrefix(string(stat[i+1:]), " Z") {
		return false
	}
	cmdline, err := os.ReadFile(proc + "/cmdline")
	return err != nil || strings.Contains(string(cmdline), "\x00"+p.data()+"\x00")
}

func procMounted() bool {
	_, err := os.Stat("/proc/self/stat")
	return err == nil
}

// removeDeadPidFile removes the pid file if its server is dead. PostgreSQL itself still refuses to start while children
// of the dead server hold its shared memory.
func (p *place) removeDeadPidFile() error {
	file, err := p.readPidFile()
	if err != nil || file.pid == 0 || p.alive(file.pid) {
		return err
	}
	return p.removeStalePidFile()
}

func (p *place) removeStalePidFile() error {
	if err := os.Remove(p.pidFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the pid file of a dead PostgreSQL: %w", err)
	}
	return nil
}

// leftovers recognises the complaints that pass once a killed server is really gone.
func leftovers(said string) bool {
	for _, text := range []string{
		"lock file \"postmaster.pid\" already exists", "is still in use", "lock file \"", "Address already in use",
		"could not bind",
	} {
		if strings.Contains(said, text) {
			return true
		}
	}
	return false
}

// lastComplaint is the server's last FATAL line, without time and process number.
func lastComplaint(said string) string {
	lines := strings.Split(said, "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if _, text, ok := strings.Cut(lines[i], "FATAL:"); ok {
			return strings.TrimSuffix(strings.TrimSpace(text), ".")
		}
	}
	return strings.TrimSuffix(strings.TrimSpace(lines[len(lines)-1]), ".")
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func freePort(ctx context.Context) (int, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port for the private PostgreSQL: %w", err)
	}
	defer l.Close()
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("find a free port for the private PostgreSQL: %v is no TCP address", l.Addr())
	}
	return addr.Port, nil
}
