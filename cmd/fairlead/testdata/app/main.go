// Command app is a service that does what its argument says, for the tests of what users see when things are wrong:
//
//	elsewhere  listens on 9000 and 9001, whatever PORT says
//	leak       writes the secret of LEAK, or of the file named next, in every form, and ends with code 3
//	expose     answers on PORT, /metrics among it
//	babble     writes a line of 1 MiB, one that is not UTF-8 and a last one, then stays
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch os.Args[1] {
	case "elsewhere":
		for _, address := range []string{"0.0.0.0:9000", "127.0.0.1:9001"} {
			listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", address)
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			defer listener.Close()
		}
	case "expose":
		http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, `app_ready{project="other"} 1`) })
		http.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
		go func() { fmt.Fprintln(os.Stderr, http.ListenAndServe(":"+os.Getenv("PORT"), nil)) }()
	case "leak":
		leak(os.Getenv("LEAK"))
		os.Exit(3)
	case "leak-file":
		raw, err := os.ReadFile(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		leak(string(raw))
		return
	case "babble":
		line := append([]byte("begin-of-long "), bytes.Repeat([]byte("x"), 1<<20)...)
		_, _ = os.Stdout.Write(append(line, " end-of-long\n"...))
		_, _ = os.Stdout.Write([]byte("caf\xe9 au lait \xff\xfe needle-in-bytes\n"))
		_, _ = os.Stdout.Write([]byte("last-word\n"))
	}
	<-ctx.Done()
}

// leak writes what careless programs write about a credential, to both streams.
func leak(secret string) {
	body, _ := json.Marshal(map[string]string{"level": "error", "msg": "refused with key " + secret, "key": secret})
	fmt.Println("plain", secret)
	fmt.Println(string(body))
	fmt.Printf("payload=%s\n", strconv.Quote(string(body)))
	fmt.Println("GET /?key=" + url.QueryEscape(secret))
	fmt.Println("Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("app:"+secret)))
	fmt.Fprintln(os.Stderr, "panic: cannot connect with", secret)
	fmt.Println("leaked-everything")
}
