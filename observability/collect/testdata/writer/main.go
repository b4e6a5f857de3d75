// Command writer prints numbered lines at a steady rate, and a last line without an end. With "serve" and an address it
// exposes metrics of its own instead.
package main

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	if os.Args[1] == "serve" {
		serve(os.Args[2])
		return
	}
	total, _ := strconv.Atoi(os.Args[1])
	perTick, _ := strconv.Atoi(os.Args[2]) // every 10 ms
	ticker := time.NewTicker(10 * time.Millisecond)
	for i := 0; i < total; {
		for range perTick {
			out := os.Stdout
			if i%3 == 0 {
				out = os.Stderr
			}
			fmt.Fprintf(out, "number %d\n", i)
			i++
		}
		<-ticker.C
	}
	fmt.Fprint(os.Stdout, "the end without a line end")
}

func serve(address string) {
	served := 0
	http.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		served++
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "# TYPE served_total counter\nserved_total{project=\"bank\"} %d\n", served)
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(address, nil))
	os.Exit(1)
}
