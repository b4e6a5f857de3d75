package router

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/routing"
)

func TestStream_EachEventPassesAtOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	next := make(chan struct{})
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		flusher := http.NewResponseController(w)
		_ = flusher.Flush() // the head alone passes too
		for i := range 5 {
			<-next
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = flusher.Flush()
		}
	})))
	res, err := http.DefaultTransport.RoundTrip(g.request(t.Context(), http.MethodGet, "/", nil))
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	reader := bufio.NewReader(res.Body)
	for i := range 5 {
		next <- struct{}{} // the instance waits for this: an event that is held back is never read
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("data: %d\n", i), line)
		_, err = reader.ReadString('\n')
		require.NoError(t, err)
	}
}

func TestStream_SlowBodyOfKnownLengthPassesAtOnce(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	next := make(chan struct{})
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "2")
		fmt.Fprint(w, "a")
		_ = http.NewResponseController(w).Flush()
		<-next
		fmt.Fprint(w, "b")
	})))
	res, err := http.DefaultTransport.RoundTrip(g.request(t.Context(), http.MethodGet, "/", nil))
	require.NoError(t, err)
	defer res.Body.Close()
	one := make([]byte, 1)
	_, err = io.ReadFull(res.Body, one)
	require.NoError(t, err)
	close(next)
	rest, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "ab", string(one)+string(rest))
}

func TestStream_ClientThatLeavesAnIdleStreamCancelsWithin100ms(t *testing.T) {
	// Not parallel, and the best of a few: it measures the router, not how busy the machine is.
	g := newRig(t)
	began, ended := make(chan struct{}, 1), make(chan time.Time, 1)
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path == "/head" {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.Copy(io.Discard, req.Body)
		began <- struct{}{}
		<-req.Context().Done()
		ended <- time.Now()
	})))
	for _, path := range []string{"/head", "/silent"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			best := time.Hour
			for try := 0; try < 5 && best >= 100*time.Millisecond; try++ {
				best = min(best, leave(g, method, path, began, ended))
			}
			require.Less(t, best, 100*time.Millisecond, "%s %s", method, path)
		}
	}
	require.Eventually(t, func() bool { return g.inFlight("a") == 0 }, soon, look)
	require.NotContains(t, g.log.String(), `"level":"WARN"`, "a client that leaves is nobody's fault")
}

// leave sends a request, goes away once the instance has it, and returns how long the instance took to see that.
func leave(g *rig, method, path string, began <-chan struct{}, ended <-chan time.Time) time.Duration {
	ctx, cancel := context.WithCancel(g.t.Context())
	defer cancel()
	var body io.Reader
	if method == http.MethodPost {
		body = strings.NewReader("generate, please")
	}
	req := g.request(ctx, method, path, body)
	go func() {
		res, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	}()
	<-began
	left := time.Now()
	cancel()
	return (<-ended).Sub(left)
}

func TestTunnel_WebSocketPassesBothWaysAndCountsAsInFlight(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, at("a", 1, newApp(t, &seen{ids: map[string]int{}}).server))
	conn, err := net.Dial("tcp", g.address)
	require.NoError(t, err)
	defer conn.Close()
	// The first frame comes right behind the request, before the switch is answered.
	fmt.Fprintf(conn, "GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x82\x00\x00\x00\x00hi", host)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	require.NoError(t, err)
	res.Body.Close()
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	require.Equal(t, "websocket", res.Header.Get("Upgrade"))
	frame := make([]byte, 4)
	_, err = io.ReadFull(reader, frame)
	require.NoError(t, err)
	require.Equal(t, "\x81\x02hi", string(frame))
	s := g.snapshot()
	require.Equal(t, int64(1), s.Targets[0].InFlight)
	require.Equal(t, uint64(1), s.Routes[0].Status[1])
	conn.Close()
	require.Eventually(t, func() bool { return g.inFlight("a") == 0 }, soon, look)
}

func TestBody_LargeOnesStreamBothWaysUnchanged(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, req *http.Request) {
		sum := sha256.New()
		_, _ = io.Copy(sum, req.Body)
		w.Header().Set("X-Sum", fmt.Sprintf("%x", sum.Sum(nil)))
		for range 256 {
			_, _ = w.Write(bytes.Repeat([]byte("y"), 32<<10))
		}
	})))
	body := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	for name, reader := range map[string]io.Reader{"with a length": bytes.NewReader(body), "chunked": io.MultiReader(bytes.NewReader(body))} {
		res, text := g.do(g.request(t.Context(), http.MethodPost, "/", reader))
		require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(body)), res.Header.Get("X-Sum"), name)
		require.Len(t, text, 256*32<<10, name)
	}
}

func TestBody_ChunkedRequestIsAnsweredWhileItIsSent(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, req *http.Request) {
		flusher := http.NewResponseController(w)
		_ = flusher.EnableFullDuplex()
		lines := bufio.NewScanner(req.Body)
		for lines.Scan() {
			fmt.Fprintf(w, "%s!\n", lines.Text())
			_ = flusher.Flush()
		}
	})))
	body, sender := io.Pipe()
	go func() { _, _ = io.WriteString(sender, "0\n") }() // the answer's head comes with the first line
	res, err := http.DefaultTransport.RoundTrip(g.request(t.Context(), http.MethodPost, "/", body))
	require.NoError(t, err)
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%d!\n", i), line)
		_, err = fmt.Fprintf(sender, "%d\n", i+1)
		require.NoError(t, err)
	}
	require.NoError(t, sender.Close())
}

func TestBody_OverTheLimitGets413(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	a := backend(t, func(w http.ResponseWriter, req *http.Request) {
		n, err := io.Copy(io.Discard, req.Body)
		if err == nil {
			fmt.Fprint(w, n)
		}
	})
	g.putRoute(1, routing.Route{Slot: "s", Hosts: []string{host}, PathPrefix: "/", MaxBodySize: 1000, Targets: []routing.Target{at("a", 1, a)}})
	for size, want := range map[int]int{1000: http.StatusOK, 1001: http.StatusRequestEntityTooLarge, 100_000: http.StatusRequestEntityTooLarge} {
		body := strings.Repeat("x", size)
		res, _ := g.do(g.request(t.Context(), http.MethodPost, "/", strings.NewReader(body)))
		require.Equal(t, want, res.StatusCode, "%d with a length", size)
		res, _ = g.do(g.request(t.Context(), http.MethodPost, "/", io.MultiReader(strings.NewReader(body))))
		require.Equal(t, want, res.StatusCode, "%d chunked", size)
	}
	require.Eventually(t, func() bool { return g.inFlight("a") == 0 }, soon, look)
}

func TestTimeout_NoFirstByteGets504AndCancels(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	began, gone := make(chan struct{}, 100), make(chan struct{}, 100)
	a := backend(t, func(_ http.ResponseWriter, req *http.Request) {
		began <- struct{}{}
		<-req.Context().Done()
		gone <- struct{}{}
	})
	g.putRoute(1, routing.Route{Slot: "s", Hosts: []string{host}, PathPrefix: "/", Timeout: 100 * time.Millisecond, Targets: []routing.Target{at("a", 1, a)}})
	for sent := uint64(1); ; sent++ { // on a busy machine the time may be over before the instance has the request
		status, _ := g.get("/")
		require.Equal(t, http.StatusGatewayTimeout, status)
		require.Equal(t, sent, g.snapshot().Routes[0].Status[0])
		if len(began) > 0 {
			<-gone
			return
		}
		require.Less(t, sent, uint64(50), "no request reaches the instance")
	}
}

func TestAnswer_ThatBreaksOffIsCutForTheClientToo(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})))
	res, err := http.DefaultTransport.RoundTrip(g.request(t.Context(), http.MethodGet, "/", nil))
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.Error(t, err)
	require.Eventually(t, func() bool { return strings.Contains(g.log.String(), `"level":"WARN"`) }, soon, look)
}
