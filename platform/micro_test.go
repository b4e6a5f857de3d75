package platform_test

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestMicro_IsWrittenAndReadExactly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]platform.Micro{"0": 0, "12.5": 12_500_000, "-0.000001": -1, "999999999999": 999_999_999_999_000_000, "0.1": 100_000} {
		got, err := platform.ParseMicro(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, text, got.String())
		raw, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, `"`+text+`"`, string(raw))
	}
	for _, text := range []string{"", ".", "1.", ".5", "1e3", "0x1", "1.0000001", "1000000000000", "+1", "--1", "1,5", "NaN"} {
		_, err := platform.ParseMicro(text)
		require.Equal(t, platform.CodeInvalid, platform.CodeOf(err), text)
	}
	require.Equal(t, platform.Micro(math.MaxInt64), platform.MicroOf(math.Inf(1)))
	require.Zero(t, platform.MicroOf(math.NaN()))
	require.Equal(t, "1.24", platform.Micro(1_235_000).Fixed(2), "halfway goes to the even one")
	require.Equal(t, "1.24", platform.Micro(1_245_000).Fixed(2))
	require.Equal(t, "-0.05", platform.Micro(-50_000).Fixed(2))
	require.Equal(t, "2", platform.Micro(1_500_000).Fixed(0))
	require.Equal(t, platform.Micro(2), platform.Micro(3).TimesOver(1, 2))
}

func TestSize_IsReadWithItsUnit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"5GB": 5_000_000_000, "1.5mb": 1_500_000, "0": 0, "12B": 12} {
		got, err := platform.ParseSize("size", text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "5", "GB", "-1GB", "5Gi", "1e3MB", "99999999TB"} {
		_, err := platform.ParseSize("size", text)
		require.ErrorContains(t, err, "is not a size", text)
	}
	require.Equal(t, "1.5MB", platform.FormatSize(1_500_000))
	require.Equal(t, "5GB", platform.FormatSize(5_000_000_000))
	require.Equal(t, "0B", platform.FormatSize(0))
}
