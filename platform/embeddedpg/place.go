package embeddedpg

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/fairlead/fairlead/platform"
)

// place is the folder of one cluster and the user it runs as.
//
//	lock          held while a process looks for, makes or starts the server
//	password      of the role, for connections over TCP
//	data/         the cluster; made as data.new and renamed, so that a half-made one is never used
//	run/          the unix socket, unless its path would be too long
//	postgres.log  what the server says
type place struct {
	dir     string
	unsafe  bool
	account account
}

// account is the user that PostgreSQL runs as; it refuses to run as root.
type account struct {
	uid, gid int
	drop     bool // this process is root and must become uid
}

func newPlace(dir string, unsafe bool) (*place, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the folder of the private PostgreSQL: %w", err)
	}
	// Links are resolved so that two names of one folder share a lock and a socket.
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real
	}
	p := &place{dir: abs, unsafe: unsafe}
	p.account, err = chooseAccount(p.data())
	return p, err
}

func (p *place) data() string         { return filepath.Join(p.dir, "data") }
func (p *place) lockFile() string     { return filepath.Join(p.dir, "lock") }
func (p *place) passwordFile() string { return filepath.Join(p.dir, "password") }
func (p *place) logFile() string      { return filepath.Join(p.dir, "postgres.log") }
func (p *place) pidFile() string      { return filepath.Join(p.data(), "postmaster.pid") }

// clusterMajor is the major version that made the cluster, 0 when there is none yet.
func (p *place) clusterMajor() int {
	text, err := os.ReadFile(filepath.Join(p.data(), "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return major
}

// chooseAccount picks the user. A cluster that exists decides by its owner: the host may have gained a postgres user
// since it was made.
func chooseAccount(data string) (account, error) {
	self := account{uid: os.Geteuid(), gid: os.Getegid()}
	owner, owned := ownerOf(data)
	if self.uid != 0 {
		if owned && owner.uid != self.uid {
			return account{}, unavailable("The private database in %s belongs to user %d, and this process runs as user %d.", data, owner.uid, self.uid).
				WithHint("Start Fairlead as the same user as before, or choose another folder with FAIRLEAD_STATE.")
		}
		return self, nil
	}
	if owned && owner.uid != 0 {
		owner.drop = true
		return owner, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(found.Uid)
		gid, gidErr := strconv.Atoi(found.Gid)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return account{uid: uid, gid: gid, drop: true}, nil
		}
	}
	return account{}, unavailable("PostgreSQL refuses to run as root, and this host has neither a user postgres nor a user nobody.").
		WithHint("Make one (useradd --system postgres), start Fairlead as an ordinary user, or set DATABASE_URL.")
}

func ownerOf(path string) (account, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return account{}, false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return account{}, false
	}
	return account{uid: int(st.Uid), gid: int(st.Gid)}, true
}

// credential is nil when this process already is the user.
func (a account) credential() *syscall.Credential {
	if !a.drop {
		return nil
	}
	return &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: []uint32{}}
}

func (a account) own(path string) error {
	if !a.drop {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// prepare makes the folders with the right owners and sees that the user can reach them.
func (p *place) prepare() error {
	if err := os.MkdirAll(p.dir, 0o711); err != nil {
		return unavailable("The folder of the private database cannot be made: %v.", err).
			WithHint("Choose a folder that this user may write with FAIRLEAD_STATE, or set DATABASE_URL.")
	}
	if err := p.letThrough(); err != nil {
		return err
	}
	if _, err := os.Stat(p.passwordFile()); errors.Is(err, fs.ErrNotExist) {
		return p.writePassword()
	}
	return nil
}

// letThrough sees that the user can search every folder down to the cluster. Otherwise the server would fail with a
// misleading "permission denied" on its own program.
func (p *place) letThrough() error {
	if !p.account.drop {
		return nil
	}
	for _, dir := range ancestors(p.dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("look at folder %s: %w", dir, err)
		}
		if p.account.maySearch(info) {
			continue
		}
		if !p.mayOpenUp(dir) {
			return unavailable("PostgreSQL runs as user %d, who cannot pass through %s (mode %s) to the private database in %s.", p.account.uid, dir, info.Mode().Perm(), p.dir).
				WithHint("Choose a folder outside it with FAIRLEAD_STATE, for example /var/lib/fairlead, or let users pass with: chmod o+x %s.", dir)
		}
		// Search only: names still cannot be listed, and the files inside keep their own modes.
		if err := os.Chmod(dir, info.Mode().Perm()|0o011); err != nil {
			return fmt.Errorf("let user %d pass through folder %s: %w", p.account.uid, dir, err)
		}
	}
	return nil
}

// mayOpenUp holds for the cluster's own folder, the state folder around it, and folders that mktemp made.
func (p *place) mayOpenUp(dir string) bool {
	if dir == p.dir || dir == filepath.Dir(p.dir) {
		return true
	}
	temp, err := filepath.EvalSymlinks(os.TempDir())
	return err == nil && strings.HasPrefix(dir, temp+string(filepath.Separator))
}

// ancestors lists the folders from the root down to dir itself.
func ancestors(dir string) []string {
	var all []string
	for {
		all = append([]string{dir}, all...)
		up := filepath.Dir(dir)
		if up == dir {
			return all
		}
		dir = up
	}
}

func (a account) maySearch(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	mode := info.Mode().Perm()
	switch {
	case int(st.Uid) == a.uid:
		return mode&0o100 != 0
	case int(st.Gid) == a.gid:
		return mode&0o010 != 0
	}
	return mode&0o001 != 0
}

func (p *place) writePassword() error {
	secret := rand.Text()
	f, err := os.OpenFile(p.passwordFile(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write the private database's password: %w", err)
	}
	_, err = f.WriteString(secret)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write the private database's password: %w", err)
	}
	return nil
}

func (p *place) password() (string, error) {
	text, err := os.ReadFile(p.passwordFile())
	if err != nil {
		return "", fmt.Errorf("read the private database's password: %w", err)
	}
	return string(text), nil
}

// maxSocketPath is the room for a unix socket's path: 104 bytes on macOS, 108 on Linux, both with a final zero.
const maxSocketPath = 103

const socketName = ".s.PGSQL.5432"

// socketDir returns a folder in which a unix socket works, or "" when none does.
func (p *place) socketDir() string {
	for _, dir := range []string{filepath.Join(p.dir, "run"), p.shortSocketDir()} {
		if p.socketWorks(dir) {
			return dir
		}
	}
	return ""
}

// shortSocketDir is the same for every process that opens this place.
func (p *place) shortSocketDir() string {
	sum := sha256.Sum256([]byte(p.dir))
	return filepath.Join("/tmp", "fairlead-pg-"+hex.EncodeToString(sum[:6]))
}

// socketWorks makes the folder and tries a socket in it: some shared file systems refuse them. A folder of another user
// is refused, since that user could put its own socket there.
func (p *place) socketWorks(dir string) bool {
	if len(filepath.Join(dir, socketName)) > maxSocketPath {
		return false
	}
	if err := os.Mkdir(dir, 0o700); err == nil {
		if err := p.account.own(dir); err != nil {
			return false
		}
	}
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm() != 0o700 {
		return false
	}
	if owner, ok := ownerOf(dir); !ok || owner.uid != p.account.uid {
		return false
	}
	probe := filepath.Join(dir, ".probe")
	_ = os.Remove(probe)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: probe, Net: "unix"})
	if err != nil {
		return false
	}
	return l.Close() == nil
}

// initialised reports whether there is a whole cluster.
func (p *place) initialised() bool {
	_, err := os.Stat(filepath.Join(p.data(), "PG_VERSION"))
	return err == nil
}

// tail returns the end of the server's log, for error messages.
func (p *place) tail(from int64) string {
	text, err := os.ReadFile(p.logFile())
	if err != nil || int64(len(text)) < from {
		return ""
	}
	out := strings.TrimSpace(string(text[from:]))
	if len(out) > 600 {
		out = "..." + out[len(out)-600:]
	}
	return platform.Truncate(out, 640)
}
