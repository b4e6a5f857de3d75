package embeddedpg

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead/fairlead/platform"
)

// BinEnv names a folder with postgres and initdb in it, and so overrides the search.
const BinEnv = "FAIRLEAD_POSTGRES_BIN"

// oldestMajor is the oldest release that the schema and the job queue work with.
const oldestMajor = 13

// noBinariesError is the error of a host without usable binaries: Open may fall back.
type noBinariesError struct{ cause *platform.Error }

func (e *noBinariesError) Error() string { return e.cause.Error() }

// Unwrap gives faces the platform error.
func (e *noBinariesError) Unwrap() error { return e.cause }

// binaries is one installed PostgreSQL.
type binaries struct {
	dir     string
	version string // "15.18"
	major   int
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// findBinaries returns the first installation that can run a cluster of that major version; 0 means any.
func findBinaries(ctx context.Context, major int) (binaries, error) {
	if named := os.Getenv(BinEnv); named != "" {
		return namedBinaries(ctx, named, major)
	}
	var others []string
	for _, dir := range candidateDirs() {
		b, err := inspect(ctx, dir)
		if err != nil || b.major < oldestMajor {
			continue
		}
		if major == 0 || b.major == major {
			return b, nil
		}
		others = append(others, b.version)
	}
	if len(others) > 0 {
		return binaries{}, wrongMajor(major, strings.Join(others, ", "))
	}
	return binaries{}, &noBinariesError{unavailable("Fairlead needs PostgreSQL %d or newer to keep its state, and this host has none.", oldestMajor).
		WithHint("Install it (Debian and Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql), or name its folder in %s, or give the address of another server in DATABASE_URL.", BinEnv)}
}

func namedBinaries(ctx context.Context, named string, major int) (binaries, error) {
	if info, err := os.Stat(named); err == nil && !info.IsDir() {
		named = filepath.Dir(named)
	}
	b, err := inspect(ctx, named)
	switch {
	case err != nil:
		return binaries{}, unavailable("%s is %q, and that is not a folder with working postgres and initdb programs: %v.", BinEnv, named, err).
			WithHint("Name the folder that holds them, for example /usr/lib/postgresql/15/bin, or unset it to search.")
	case b.major < oldestMajor:
		return binaries{}, unavailable("%s names PostgreSQL %s, and Fairlead needs %d or newer.", BinEnv, b.version, oldestMajor).
			WithHint("Name a newer one, or give the address of another server in DATABASE_URL.")
	case major != 0 && b.major != major:
		return binaries{}, wrongMajor(major, b.version)
	}
	return b, nil
}

func wrongMajor(major int, found string) error {
	return unavailable("Fairlead's private database was made by PostgreSQL %d, and this host only has %s.", major, found).
		WithHint("Install postgresql-%d again (a newer major version cannot open an older cluster), or move the data with pg_dump and set DATABASE_URL.", major)
}

// candidateDirs lists folders that may hold the binaries, best first.
func candidateDirs() []string {
	var dirs []string
	if found, err := exec.LookPath("postgres"); err == nil {
		dirs = append(dirs, filepath.Dir(found))
		if real, err := filepath.EvalSymlinks(found); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin",           // Debian, Ubuntu
		"/usr/pgsql-*/bin",                    // the project's own RPMs
		"/usr/libexec/postgresql*",            // Alpine
		"/opt/homebrew/opt/postgresql*/bin",   // Homebrew on arm64
		"/usr/local/opt/postgresql*/bin",      // Homebrew on amd64
		"/Applications/Postgres.app/*/*/*bin", // Postgres.app
		"/usr/local/pgsql/bin",                // built from source
		"/usr/bin",
		"/usr/local/bin",
	} {
		matches, err := filepath.Glob(pattern)
		if err != nil {
			continue
		}
		slices.SortStableFunc(matches, func(a, b string) int { return cmp.Compare(numberIn(b), numberIn(a)) })
		dirs = append(dirs, matches...)
	}
	return dirs
}

var digits = regexp.MustCompile(`\d+`)

// numberIn returns the last number in a path such as /usr/lib/postgresql/15/bin.
func numberIn(path string) int {
	all := digits.FindAllString(path, -1)
	if len(all) == 0 {
		return 0
	}
	n, err := strconv.Atoi(all[len(all)-1])
	if err != nil {
		return 0
	}
	return n
}

var versionText = regexp.MustCompile(`\(PostgreSQL\) ((\d+)[^\s]*)`)

// inspect asks the postgres program in dir for its version and sees that initdb is beside it.
func inspect(ctx context.Context, dir string) (binaries, error) {
	b := binaries{dir: dir}
	for _, name := range []string{"postgres", "initdb"} {
		if _, err := exec.LookPath(b.path(name)); err != nil {
			return binaries{}, err
		}
	}
	cmd := exec.CommandContext(ctx, b.path("postgres"), "--version")
	cmd.Env = cleanEnv()
	out, err := cmd.Output()
	if err != nil {
		return binaries{}, fmt.Errorf("ask %s for its version: %w", b.path("postgres"), err)
	}
	m := versionText.FindSubmatch(out)
	if m == nil {
		return binaries{}, fmt.Errorf("%s says %q, which names no version", b.path("postgres"), platform.Truncate(string(out), 80))
	}
	b.version = string(m[1])
	b.major, err = strconv.Atoi(string(m[2]))
	return b, err
}

// cleanEnv keeps PGDATA, PGPORT and the like of the caller away from a cluster that is not his.
func cleanEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "LD_LIBRARY_PATH", "TMPDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
