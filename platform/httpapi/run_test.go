package httpapi_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/httpapi"
	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

func TestRun_EndsAlthoughItsContextEndedBeforeItServed(t *testing.T) {
	t.Parallel()
	for range 50 {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		api := httpapi.New(httpapi.Options{Plane: httpapitest.New(), Logger: slog.New(slog.DiscardHandler)})
		done := make(chan error, 1)
		go func() { done <- api.Run(ctx) }()
		select {
		case err := <-done:
			require.NoError(t, err)
		case <-time.After(20 * time.Second):
			require.Fail(t, "Run did not end")
		}
	}
}
