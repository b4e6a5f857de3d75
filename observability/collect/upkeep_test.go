package collect_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/observability/collect"
)

func TestUpkeep_BeginsAtOnceAndGoesOnAfterAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var at []time.Duration
		begun := time.Now()
		u := collect.Upkeep{Name: "test", Every: time.Minute, Do: func(context.Context) error {
			if at = append(at, time.Since(begun)); len(at) == 3 {
				cancel()
			}
			return errors.New("no")
		}}
		require.NoError(t, u.Run(ctx))
		require.Equal(t, []time.Duration{0, time.Minute, 2 * time.Minute}, at)
	})
}
