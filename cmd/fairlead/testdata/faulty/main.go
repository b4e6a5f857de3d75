// Command faulty is a small service that is well, and that the tests of diagnosis break by a commit each.
package main

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
)

var weights = []int{3, 5, 7}

// scores are sent to whoever waits for them.
var scores = make(chan int)

func main() {
	http.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	http.HandleFunc("GET /predict", predict)
	log.Println("listening on port", os.Getenv("PORT"))
	log.Fatal(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}

func predict(w http.ResponseWriter, r *http.Request) {
	log.Println("predict", r.URL.RawQuery)
	go score(batchSize())
	fmt.Fprintln(w, "score", <-scores)
}

func batchSize() int {
	text := os.Getenv("BATCH_SIZE")
	if text == "" {
		return 1
	}
	size, err := strconv.Atoi(text)
	if err != nil {
		log.Fatalf("fatal: BATCH_SIZE is not a number: %v", err)
	}
	return size
}

func score(batch int) {
	sum := 0
	for _, weight := range weights {
		sum += weight * batch
	}
	scores <- sum
}
