// Command stop stops the Postgres that tests share, and removes its folder: make clean runs it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/fairlead/fairlead/platform/store/storetest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := storetest.StopShared(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
