package embeddedpg

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

// helperEnv makes the test binary open the server in that folder, say so, and wait to be killed.
const helperEnv = "EMBEDDEDPG_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		s, err := Open(context.Background(), Options{Dir: dir, Unsafe: true})
		fmt.Println(urlOf(s), err)
		select {}
	}
	os.Exit(m.Run())
}

func urlOf(s *Server) string {
	if s == nil {
		return ""
	}
	return s.URL()
}

func open(t *testing.T, dir string) *Server {
	t.Helper()
	s, err := Open(t.Context(), Options{Dir: dir, Unsafe: true})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		require.NoError(t, s.Stop(ctx))
	})
	return s
}

func query(t *testing.T, s *Server, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	var out string
	require.NoError(t, conn.QueryRow(t.Context(), sql).Scan(&out))
	return out
}

func exec1(t *testing.T, s *Server, sql string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.URL())
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), sql)
	require.NoError(t, err)
}

func pidOf(t *testing.T, s *Server) int {
	t.Helper()
	f, err := s.place.readPidFile()
	require.NoError(t, err)
	require.NotZero(t, f.pid)
	return f.pid
}

func TestOpen_ColdStartAnswersAndKeepsItsDataAcrossAStop(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	began := time.Now()
	s := open(t, dir)
	t.Logf("cold start took %s", time.Since(began))
	require.False(t, s.Adopted())
	require.Equal(t, "fairlead", query(t, s, "SELECT current_database()"))
	require.Equal(t, "UTF8", query(t, s, "SHOW server_encoding"))
	exec1(t, s, "CREATE TABLE kept AS SELECT 'yes' AS v")

	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, s.Stop(t.Context()), "stopping twice is no error")
	_, err := pgx.Connect(t.Context(), s.URL())
	require.Error(t, err)

	began = time.Now()
	again := open(t, dir)
	t.Logf("warm start took %s", time.Since(began))
	require.False(t, again.Adopted())
	require.Equal(t, s.URL(), again.URL())
	require.Equal(t, "yes", query(t, again, "SELECT v FROM kept"))
}

func TestOpen_SettingsAreDurableUnlessUnsafe(t *testing.T) {
	t.Parallel()
	p := &place{dir: "/d"}
	require.NotContains(t, strings.Join(p.arguments(address{}), " "), "fsync")
	p.unsafe = true
	require.Contains(t, strings.Join(p.arguments(address{}), " "), "fsync=off")
}

func TestOpen_AdoptsARunningServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	first := open(t, dir)
	require.NoError(t, first.Close())
	second := open(t, dir)
	require.True(t, second.Adopted())
	require.Equal(t, first.URL(), second.URL())
	require.Equal(t, pidOf(t, first), pidOf(t, second))
}

func TestOpen_ManyAtOnceShareOneServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	var wg sync.WaitGroup
	servers, errs := make([]*Server, 4), make([]error, 4)
	for i := range servers {
		wg.Go(func() { servers[i], errs[i] = Open(t.Context(), Options{Dir: dir, Unsafe: true}) })
	}
	wg.Wait()
	started := 0
	for i, s := range servers {
		require.NoError(t, errs[i])
		require.Equal(t, servers[0].URL(), s.URL())
		if !s.Adopted() {
			started++
		}
	}
	require.Equal(t, 1, started)
	open(t, dir)
}

func TestOpen_RecoversAfterKillOfThePostmaster(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	s := open(t, dir)
	exec1(t, s, "CREATE TABLE kept AS SELECT 'yes' AS v")
	old := pidOf(t, s)
	require.NoError(t, syscall.Kill(old, syscall.SIGKILL))

	began := time.Now()
	again := open(t, dir)
	t.Logf("recovery took %s", time.Since(began))
	require.False(t, again.Adopted())
	require.NotEqual(t, old, pidOf(t, again))
	require.Equal(t, "yes", query(t, again, "SELECT v FROM kept"))
}

func TestOpen_ServerOutlivesAKilledOwnerAndBothMayBeKilled(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), helperEnv+"="+dir)
	out, err := owner.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, owner.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(line, " <nil>\n"), line)
	require.NoError(t, owner.Process.Kill())
	require.Error(t, owner.Wait())

	s := open(t, dir)
	require.True(t, s.Adopted(), "the server survives its owner")

	// The server is now a child of the system's first process, which may be slow to reap it.
	require.NoError(t, syscall.Kill(pidOf(t, s), syscall.SIGKILL))
	again := open(t, dir)
	require.False(t, again.Adopted())
	require.Equal(t, "1", query(t, again, "SELECT '1'"))
}

func TestOpen_StalePidFileOfAnotherProgramIsNotBelieved(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	s := open(t, dir)
	require.NoError(t, s.Stop(t.Context()))
	stale := fmt.Sprintf("%d\n%s\n1\n5432\n%s\n\n\nready   \n", os.Getpid(), s.place.data(), filepath.Join(dir, "run"))
	require.NoError(t, os.WriteFile(s.place.pidFile(), []byte(stale), 0o600))
	again := open(t, dir)
	require.False(t, again.Adopted())
}

func TestOpen_HalfMadeClusterIsMadeAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data.new", "base"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data.new", "PG_VERSION"), []byte("15\n"), 0o600))
	s := open(t, dir)
	require.Equal(t, "1", query(t, s, "SELECT '1'"))
	require.NoDirExists(t, filepath.Join(dir, "data.new"))
}

func TestOpen_NeverRunsAsRootAndPassesAPrivateStateFolder(t *testing.T) {
	t.Parallel()
	state := filepath.Join(t.TempDir(), "state")
	require.NoError(t, os.Mkdir(state, 0o700))
	s := open(t, filepath.Join(state, "postgres"))
	info, err := os.Stat(fmt.Sprintf("/proc/%d", pidOf(t, s)))
	require.NoError(t, err)
	st, ok := info.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	require.NotZero(t, st.Uid, "PostgreSQL refuses to run as root")
	require.EqualValues(t, s.place.account.uid, st.Uid)
	data, err := os.Stat(s.place.data())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), data.Mode().Perm())
	state2, err := os.Stat(state)
	require.NoError(t, err)
	require.Zero(t, state2.Mode().Perm()&0o044, "the state folder still cannot be listed")
}

func TestOpen_LongPathsGetAShortSocket(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 20), "postgres")
	s := open(t, dir)
	t.Cleanup(func() { os.RemoveAll(s.addr.socketDir) })
	require.True(t, strings.HasPrefix(s.addr.socketDir, "/tmp/fairlead-pg-"), s.addr.socketDir)
	require.Equal(t, "1", query(t, s, "SELECT '1'"))
	require.True(t, open(t, dir).Adopted())
}

func TestOpen_WithoutSocketsListensOnTheLoopbackWithAPassword(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	home, err := newPlace(dir, true)
	require.NoError(t, err)
	require.NoError(t, home.prepare())
	// A file in the place of each socket folder makes sockets impossible.
	require.NoError(t, os.WriteFile(filepath.Join(home.dir, "run"), nil, 0o600))
	short := home.shortSocketDir()
	require.NoError(t, os.WriteFile(short, nil, 0o600))
	t.Cleanup(func() { os.Remove(short) })

	s := open(t, dir)
	require.Contains(t, s.URL(), "@127.0.0.1:")
	require.Equal(t, "1", query(t, s, "SELECT '1'"))
	_, err = pgx.Connect(t.Context(), strings.Replace(s.URL(), s.addr.password, "wrong", 1))
	require.ErrorContains(t, err, "password authentication failed")
	require.True(t, open(t, dir).Adopted())

	require.NoError(t, s.Stop(t.Context()))
	again := open(t, dir)
	require.Equal(t, s.URL(), again.URL(), "the port is kept")

	require.NoError(t, again.Stop(t.Context()))
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", again.addr.port))
	require.NoError(t, err)
	defer taken.Close()
	require.NotEqual(t, again.URL(), open(t, dir).URL(), "a port that was taken meanwhile is given up")
}

func TestWatch_StartsADeadServerAgain(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	s := open(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Watch(ctx) }()
	old := pidOf(t, s)
	require.NoError(t, syscall.Kill(old, syscall.SIGKILL))
	require.Eventually(t, func() bool {
		f, err := s.place.readPidFile()
		return err == nil && f.pid != 0 && f.pid != old && answers(t.Context(), s.addressNow()) == nil
	}, 20*time.Second, 20*time.Millisecond)
	cancel()
	require.NoError(t, <-done)
}

func TestWatch_EndsWhenTheServerIsStopped(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "postgres"))
	done := make(chan error, 1)
	go func() { done <- s.Watch(t.Context()) }()
	require.NoError(t, s.Stop(t.Context()))
	require.NoError(t, <-done)
	require.False(t, s.running())
}

func TestOpen_WithoutBinariesNamesWhatToInstallOrFallsBack(t *testing.T) {
	t.Setenv(BinEnv, filepath.Join(t.TempDir(), "nothing"))
	_, err := Open(t.Context(), Options{Dir: t.TempDir()})
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, BinEnv)

	missing := error(&noBinariesError{unavailable("none")})
	var perr *platform.Error
	require.ErrorAs(t, missing, &perr)
}

func TestFallBack_IsUsedAndLeftAlone(t *testing.T) {
	t.Parallel()
	s := &Server{}
	require.NoError(t, s.fallBack(t.Context(), func(context.Context) (string, error) { return "postgres://elsewhere", nil }))
	require.Equal(t, "postgres://elsewhere", s.URL())
	require.NoError(t, s.Stop(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.Watch(ctx))
	require.ErrorContains(t, s.fallBack(t.Context(), func(context.Context) (string, error) { return "", errors.New("no engine") }), "no engine")
}

func TestOpen_ForeignFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "thesis.txt"), []byte("mine"), 0o600))
	_, err := Open(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "not a PostgreSQL cluster")
	require.FileExists(t, filepath.Join(dir, "data", "thesis.txt"))
}

func TestOpen_ClusterOfAnotherMajorVersionIsRefused(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "postgres")
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600))
	_, err := Open(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "made by PostgreSQL 9")
}

func TestLetThrough_RefusesToOpenFoldersThatAreNotOurs(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	far, err := os.MkdirTemp("/tmp", "fairlead-closed-")
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(far) })
	dir := filepath.Join(far, "state", "postgres")
	require.NoError(t, os.MkdirAll(dir, 0o700))
	p := &place{dir: dir, account: account{uid: 65534, gid: 65534, drop: true}}
	err = p.letThrough()
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	require.ErrorContains(t, err, "chmod o+x "+far)
	info, err := os.Stat(far)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestLock_GivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = lock(ctx, path)
	require.Equal(t, platform.CodeUnavailable, platform.CodeOf(err))
	unlock()
	again, err := lock(t.Context(), path)
	require.NoError(t, err)
	again()
}

func TestLastComplaint_IsTheFatalLine(t *testing.T) {
	t.Parallel()
	said := "2026-01-01 LOG:  starting\n2026-01-01 [7] FATAL:  lock file \"postmaster.pid\" already exists\n2026-01-01 [7] HINT:  Is another postmaster running?"
	require.Equal(t, `lock file "postmaster.pid" already exists`, lastComplaint(said))
	require.True(t, leftovers(said))
	require.False(t, leftovers("FATAL:  invalid value for parameter"))
}
