package router

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeaders_HopByHopAreRemovedAndForwardedOnesAreOurs(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	got := make(chan *http.Request, 1)
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, req *http.Request) {
		got <- req
		w.Header().Set("Connection", "X-Secret-Hop")
		w.Header().Set("X-Secret-Hop", "1")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Add("X-Two", "a")
		w.Header().Add("X-Two", "b")
		w.Header()["Content-Type"] = nil
		fmt.Fprint(w, "<html>")
	})))
	req := g.request(t.Context(), http.MethodGet, "/a%2fb//c?x=1;y=2&%zz", nil)
	for name, value := range map[string]string{
		"Connection": "X-Hop, keep-alive", "X-Hop": "1", "Keep-Alive": "1", "Proxy-Authorization": "x", "Te": "trailers, deflate",
		"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Host": "evil", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil",
		"X-Forwarded-Port": "1", "Forwarded": "for=6.6.6.6", "X-Real-Ip": "6.6.6.6",
		"Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "X-Request-Id": "mine-1", "X-Kept": "yes",
	} {
		req.Header.Set(name, value)
	}
	res, _ := g.do(req)
	in := <-got
	for _, name := range []string{"X-Hop", "Keep-Alive", "Proxy-Authorization", "Connection", "X-Forwarded-Prefix", "X-Forwarded-Port", "Forwarded", "X-Real-Ip"} {
		require.Empty(t, in.Header.Values(name), name)
	}
	require.Equal(t, []string{"trailers"}, in.Header.Values("Te"))
	require.Equal(t, "127.0.0.1", in.Header.Get("X-Forwarded-For"))
	require.Equal(t, host, in.Header.Get("X-Forwarded-Host"))
	require.Equal(t, "http", in.Header.Get("X-Forwarded-Proto"))
	require.Equal(t, "mine-1", in.Header.Get("X-Request-Id"))
	require.Equal(t, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", in.Header.Get("Traceparent"))
	require.Equal(t, "yes", in.Header.Get("X-Kept"))
	require.Equal(t, host, in.Host)
	require.Equal(t, "/a%2fb//c?x=1;y=2&%zz", in.RequestURI, "the request target is passed as it came")
	require.Empty(t, res.Header.Values("X-Secret-Hop"))
	require.Empty(t, res.Header.Values("Keep-Alive"))
	require.Equal(t, []string{"a", "b"}, res.Header.Values("X-Two"))
	require.Empty(t, res.Header.Values("Content-Type"), "none is made up")
	require.Equal(t, "mine-1", res.Header.Get("X-Request-Id"))
}

func TestHeaders_RequestIDIsMadeWhenMissingOrNonsense(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, req *http.Request) {
		fmt.Fprint(w, req.Header.Get("X-Request-Id"), "|", req.Header.Get("User-Agent"))
	})))
	for _, sent := range []string{"", "has space", strings.Repeat("x", 200)} {
		req := g.request(t.Context(), http.MethodGet, "/", nil)
		req.Header.Set("X-Request-Id", sent)
		req.Header.Set("User-Agent", "")
		res, text := g.do(req)
		id, agent, _ := strings.Cut(text, "|")
		require.Regexp(t, "^[0-9a-f]{32}$", id)
		require.Equal(t, id, res.Header.Get("X-Request-Id"))
		require.Empty(t, agent)
	}
}

func TestHeaders_TrailersAndEarlyHintsPass(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		w.Header().Set("Link", "</style.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Announced")
		fmt.Fprint(w, "body")
		w.Header().Set("X-Announced", req.Trailer.Get("X-Up"))
		w.Header().Set(http.TrailerPrefix+"X-Sudden", "2")
	})))
	text := g.raw("POST / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Up\r\n\r\n1\r\nx\r\n0\r\nX-Up: up\r\n\r\n")
	require.Contains(t, text, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n")
	reader := bufio.NewReader(strings.NewReader(text))
	for {
		res, err := http.ReadResponse(reader, nil)
		require.NoError(t, err)
		_, err = io.ReadAll(res.Body)
		res.Body.Close()
		require.NoError(t, err)
		if res.StatusCode == http.StatusOK {
			require.Equal(t, "up", res.Trailer.Get("X-Announced"))
			require.Equal(t, "2", res.Trailer.Get("X-Sudden"))
			return
		}
	}
}

// TestSmuggling sends what makes two servers disagree on where a request ends. The instance must never see a second one.
func TestSmuggling(t *testing.T) {
	t.Parallel()
	g := newRig(t)
	var smuggled, requests atomic.Int64
	g.put(1, at("a", 1, backend(t, func(_ http.ResponseWriter, req *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, req.Body)
		if strings.HasPrefix(req.URL.Path, "/smuggled") {
			smuggled.Add(1)
		}
	})))
	inner := "GET /smuggled HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	head := "POST / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n"
	for name, text := range map[string]string{
		"CL.TE":                    head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 5+len(inner)) + inner,
		"TE.CL":                    head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x\r\n", len(inner)) + inner + "\r\n0\r\n\r\n",
		"TE.TE two":                head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + inner,
		"TE.TE odd":                head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + inner,
		"TE space before colon":    head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + inner,
		"CL two unequal":           head + "Content-Length: 0\r\nContent-Length: 10\r\n\r\n" + inner,
		"CL list":                  head + "Content-Length: 0, 10\r\n\r\n" + inner,
		"CL plus sign":             head + "Content-Length: +0\r\n\r\n" + inner,
		"CL negative":              head + "Content-Length: -1\r\n\r\n" + inner,
		"obs-fold in TE":           head + "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + inner,
		"bare CR in header":        head + "X: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
		"NUL in header":            head + "X: a\x00b\r\n\r\n" + inner,
		"chunk size too large":     head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n" + inner,
		"chunk size with sign":     head + "Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + inner,
		"two hosts":                head + "Host: other.localhost\r\nContent-Length: 0\r\n\r\n" + inner,
		"no host":                  "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" + inner,
		"header name with a space": head + "Content Length: 5\r\n\r\n" + inner,
		"header too large":         head + "X: " + strings.Repeat("x", 2*maxHeaderBytes) + "\r\n\r\n" + inner,
		"CONNECT":                  "CONNECT " + host + ":443 HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n" + inner,
		"CL removed by Connection": "POST / HTTP/1.1\r\nHost: " + host + "\r\nConnection: close, Content-Length\r\nContent-Length: " + fmt.Sprint(len(inner)) + "\r\n\r\n" + inner,
	} {
		t.Run(name, func(t *testing.T) {
			conn := g.rawLoose(text)
			require.LessOrEqual(t, strings.Count(conn, "HTTP/1.1 "), 1, conn)
		})
	}
	require.Zero(t, smuggled.Load())
}

func TestH2C_IsServedWhenAskedFor(t *testing.T) {
	t.Parallel()
	g := newRigWith(t, Config{H2C: true})
	g.put(1, at("a", 1, backend(t, func(w http.ResponseWriter, req *http.Request) { _, _ = io.Copy(w, req.Body) })))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(g.request(t.Context(), http.MethodPost, "/", strings.NewReader("over two")))
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, 2, res.ProtoMajor)
	require.Equal(t, "over two", string(text))
}
