// Package prometheustest runs a private Prometheus server for a test: the binary of the distribution, on a loopback port
// that the kernel chooses, with its data in a folder of the test.
package prometheustest

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Server says how the server is to run.
type Server struct {
	Config string // of Prometheus; what it says of storage is added
	Web    string // the web configuration: certificates and users
}

// limit is how long a server may take to listen.
const limit = 30 * time.Second

var listening = regexp.MustCompile(`msg="?Listening on"? address=([0-9.:]+)`)

// ready is said after listening: until then requests are answered 503.
const ready = "Server is ready to receive web requests"

// Start runs a server that takes remote write, an hour late at most, and returns its address as http://host:port once
// it is ready. It ends with the test.
func Start(t *testing.T, s Server) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	require.NoError(t, err, "deploy/needs.sh prometheus installs it")
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(config, []byte(s.Config+"\nstorage: {tsdb: {out_of_order_time_window: 1h}}\n"), 0o600))
	args := []string{
		"--config.file=" + config, "--storage.tsdb.path=" + filepath.Join(dir, "data"), "--web.listen-address=127.0.0.1:0",
		"--web.enable-remote-write-receiver",
	}
	if s.Web != "" {
		web := filepath.Join(dir, "web.yml")
		require.NoError(t, os.WriteFile(web, []byte(s.Web), 0o600))
		args = append(args, "--web.config.file="+web)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...) // ended by the cleanup
	output, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	address, ended := make(chan string, 1), make(chan string, 1)
	go watch(output, address, ended)
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill())
		<-ended
		_ = cmd.Wait()
	})
	select {
	case at := <-address:
		return "http://" + at
	case said := <-ended:
		ended <- said
		require.FailNow(t, "prometheus ended", said)
	case <-time.After(limit):
		require.FailNow(t, "prometheus is not ready")
	}
	return ""
}

// watch finds the address in what the server logs and tells it once the server is ready.
func watch(output io.Reader, address, ended chan<- string) {
	var (
		last, at string
		isReady  bool
	)
	for lines := bufio.NewScanner(output); lines.Scan(); {
		line := lines.Text()
		last = (last + "\n" + line)[max(0, len(last)+1+len(line)-4000):]
		if m := listening.FindStringSubmatch(line); m != nil {
			at = m[1]
		}
		isReady = isReady || strings.Contains(line, ready)
		if isReady && at != "" { // the two lines come in either order
			select {
			case address <- at:
			default:
			}
		}
	}
	ended <- last
}
