// Package storetest gives tests a real Postgres: one private server for all test processes of a machine, a template
// database per schema, and a clone of it for each test.
//
// It owns the shared server's folder in the system's temporary folder and the databases in it. The server outlives the
// tests, so that the next run begins at once; StopShared (make clean) ends it. It must not know what a test does with its database.
package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/embeddedpg"
	"github.com/fairlead/fairlead/platform/store"
)

// Names of databases: the template of a schema, and one clone per test with the test process's pid in it.
const (
	templatePrefix = "fairlead_template_"
	clonePrefix    = "fairlead_test_"
	// templateLock is the advisory lock that lets one process at a time make templates or drop what others left.
	templateLock int64 = 0x666c74657374
)

// Open returns a store on a database of the test's own, closed and dropped when the test ends.
func Open(t testing.TB) *store.Store {
	t.Helper()
	return OpenURL(t, URL(t))
}

// OpenURL opens a store on a database that URL or Server returned; it is closed when the test ends.
func OpenURL(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{URL: url})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

// URL returns the address of a fresh database with every migration applied, dropped when the test ends.
func URL(t testing.TB) string {
	t.Helper()
	sh, err := shared()
	require.NoError(t, err, "storetest needs a private Postgres: install postgresql-15 or later")
	var random [6]byte
	_, err = rand.Read(random[:])
	require.NoError(t, err)
	name := fmt.Sprintf("%s%d_%s", clonePrefix, os.Getpid(), hex.EncodeToString(random[:]))
	require.NoError(t, sh.exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE "+sh.template+" STRATEGY file_copy"))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := sh.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return withDatabase(sh.url, name)
}

// Server is a Postgres of one test, which may stop it and start it again.
type Server struct {
	t   testing.TB
	dir string
	pg  *embeddedpg.Server
}

// StartServer starts a Postgres for one test alone; it is stopped when the test ends.
func StartServer(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, dir: filepath.Join(t.TempDir(), "postgres")}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Start starts the server, again after Stop.
func (s *Server) Start() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	pg, err := embeddedpg.Open(ctx, embeddedpg.Options{Dir: s.dir, Unsafe: true})
	require.NoError(s.t, err)
	s.pg = pg
}

// Stop stops the server.
func (s *Server) Stop() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(s.t, s.pg.Stop(ctx))
}

// URL is the server's address.
func (s *Server) URL() string { return s.pg.URL() }

// cluster is the server that all tests share.
type cluster struct {
	url      string
	template string
}

var shared = sync.OnceValues(func() (*cluster, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	pg, err := embeddedpg.Open(ctx, embeddedpg.Options{Dir: folder(), Unsafe: true})
	if err != nil {
		return nil, fmt.Errorf("open the shared test server: %w", err)
	}
	hash, err := store.MigrationsHash()
	if err != nil {
		return nil, err
	}
	c := &cluster{url: pg.URL(), template: templatePrefix + hash[:16]}
	return c, c.prepare(ctx)
})

func folder() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("fairlead-storetest-%d", os.Getuid()))
}

// StopShared stops the server that all tests of this user share, and removes its folder. The next test starts it anew.
func StopShared(ctx context.Context) error {
	if _, err := embeddedpg.Stop(ctx, folder()); err != nil {
		return fmt.Errorf("stop the shared test server: %w", err)
	}
	return os.RemoveAll(folder())
}

// prepare makes the template when it is missing, and drops the databases of test processes that are gone.
func (c *cluster) prepare(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return fmt.Errorf("connect to the shared test server: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", templateLock); err != nil {
		return fmt.Errorf("lock the templates: %w", err)
	}
	rows, err := conn.Query(ctx, "SELECT datname FROM pg_database")
	if err != nil {
		return fmt.Errorf("list databases: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list databases: %w", err)
	}
	made := false
	for _, name := range names {
		made = made || name == c.template
		if abandoned(name) {
			if _, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
				return fmt.Errorf("drop an abandoned database: %w", err)
			}
		}
	}
	if made {
		return nil
	}
	return c.makeTemplate(ctx, conn)
}

// makeTemplate migrates a database under another name first, so that a template is always whole.
func (c *cluster) makeTemplate(ctx context.Context, conn *pgx.Conn) error {
	draft := c.template + "_draft"
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + draft + " WITH (FORCE)", "CREATE DATABASE " + draft} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("make the template: %w", err)
		}
	}
	s, err := store.Open(ctx, store.Options{URL: withDatabase(c.url, draft)})
	if err != nil {
		return fmt.Errorf("migrate the template: %w", err)
	}
	s.Close()
	_, err = conn.Exec(ctx, "ALTER DATABASE "+draft+" RENAME TO "+c.template)
	return err
}

func (c *cluster) exec(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, c.url)
	if err != nil {
		return fmt.Errorf("connect to the shared test server: %w", err)
	}
	_, err = conn.Exec(ctx, sql)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// abandoned reports whether name is a test's database and the test's process is gone.
func abandoned(name string) bool {
	rest, ok := strings.CutPrefix(name, clonePrefix)
	if !ok {
		return false
	}
	pid, _, _ := strings.Cut(rest, "_")
	n, err := strconv.Atoi(pid)
	return err != nil || errors.Is(syscall.Kill(n, 0), syscall.ESRCH)
}

func withDatabase(raw, name string) string {
	u, err := url.Parse(raw)
	if err != nil {
		panic("storetest: embeddedpg gave a URL that does not parse: " + err.Error())
	}
	u.Path = "/" + name
	return u.String()
}
