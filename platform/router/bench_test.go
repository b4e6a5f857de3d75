package router

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fairlead/fairlead/platform/routing"
)

// BenchmarkProxy is one request of 1 KB through the router over real connections, over 1,000 hosts; direct is the same
// without the router, so that the difference is the router's own.
func BenchmarkProxy(b *testing.B) {
	answer := strings.Repeat("x", 1024)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(w, answer)
	}))
	defer origin.Close()
	r := New(Config{})
	table := routing.Table{Version: 1}
	for i := range 1000 {
		table.Routes = append(table.Routes, routing.Route{
			Slot: fmt.Sprint(i), Hosts: []string{fmt.Sprintf("h%d.localhost", i)}, PathPrefix: "/",
			Targets: []routing.Target{{Instance: fmt.Sprint(i), Release: 1, Address: origin.Listener.Addr().String()}},
		})
	}
	r.swap(table)
	front, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := r.server(context.Background())
	go func() { _ = server.Serve(front) }()
	defer server.Close()
	for name, address := range map[string]string{"direct": origin.Listener.Addr().String(), "router": front.Addr().String()} {
		b.Run(name+"/GET", func(b *testing.B) { hammer(b, address, http.MethodGet, "") })
		b.Run(name+"/POST", func(b *testing.B) { hammer(b, address, http.MethodPost, answer) })
	}
}

func hammer(b *testing.B, address, method, body string) {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	defer client.CloseIdleConnections()
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), method, "http://"+address+"/", strings.NewReader(body))
			if err != nil {
				b.Error(err)
				return
			}
			req.Host = "h500.localhost"
			res, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusOK {
				b.Errorf("status %d", res.StatusCode)
			}
		}
	})
}

// BenchmarkAcquire is the part of a request that the table costs.
func BenchmarkAcquire(b *testing.B) {
	r := New(Config{})
	r.swap(routing.Table{Version: 1, Routes: []routing.Route{{Slot: "s", Hosts: []string{host}, PathPrefix: "/", Targets: []routing.Target{
		{Instance: "a", Release: 1, Address: "127.0.0.1:1"}, {Instance: "b", Release: 1, Address: "127.0.0.1:2"},
	}}}})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			held, err := r.acquire(normalHost(host+":7780"), "/x", nil)
			if err != nil {
				b.Error(err)
				return
			}
			held.release()
		}
	})
}
