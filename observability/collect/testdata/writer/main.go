// Command writer prints numbered lines at a steady rate, and a last line without an end.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
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
