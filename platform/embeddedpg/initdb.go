package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// initialise makes the cluster unless there is one. It is made beside its place and renamed, so that a crash on the way
// leaves nothing that looks like a cluster.
func (p *place) initialise(ctx context.Context, bin binaries) error {
	if p.initialised() {
		return nil
	}
	if entries, err := os.ReadDir(p.data()); err == nil && len(entries) > 0 {
		return unavailable("%s is not a PostgreSQL cluster and not empty, so Fairlead leaves it alone.", p.data()).
			WithHint("Move it away, or choose another folder with FAIRLEAD_STATE.")
	}
	fresh := p.data() + ".new"
	// C.UTF-8 gives case mapping beyond ASCII; not every system library has it.
	var out string
	var err error
	for _, locale := range []string{"C.UTF-8", "C"} {
		if out, err = p.initdb(ctx, bin, fresh, locale); err == nil || !strings.Contains(out, "invalid locale") {
			break
		}
	}
	if err != nil {
		return unavailable("The private database cannot be made: initdb of PostgreSQL %s says: %s (%v).", bin.version, strings.TrimSpace(out), err).
			WithHint("Free the cause it names, or set DATABASE_URL.")
	}
	_ = os.Remove(p.data()) // an empty folder, or nothing
	if err := os.Rename(fresh, p.data()); err != nil {
		return fmt.Errorf("put the new cluster in its place: %w", err)
	}
	return syncDir(p.dir)
}

func (p *place) initdb(ctx context.Context, bin binaries, dir, locale string) (output string, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := errors.Join(os.Mkdir(dir, 0o700), p.account.own(dir)); err != nil {
		return "", err
	}
	secret, err := p.handPassword()
	if err != nil {
		return "", err
	}
	defer os.Remove(secret)
	args := []string{
		"-D", dir, "-U", role, "--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile=" + secret,
		"--encoding=UTF8", "--locale=" + locale,
	}
	if p.unsafe {
		args = append(args, "--no-sync")
	}
	cmd := exec.CommandContext(ctx, bin.path("initdb"), args...)
	cmd.Dir, cmd.Env = "/", cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.account.credential()}
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// handPassword copies the password into a file that the unprivileged user can read, for as long as initdb runs.
func (p *place) handPassword() (path string, err error) {
	secret, err := p.password()
	if err != nil {
		return "", err
	}
	path = p.passwordFile() + ".initdb"
	return path, errors.Join(os.WriteFile(path, []byte(secret+"\n"), 0o600), p.account.own(path))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open folder %s: %w", dir, err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}
