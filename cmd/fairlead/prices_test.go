package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform"
)

func TestPriceFile_IsReadAgainWhenItChangesAndAWrongOneKeepsTheLastGoodPrices(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "prices.yaml")
	file := &priceFile{path: path}
	prices, err := file.Prices()
	require.NoError(t, err)
	require.Nil(t, prices)
	at := time.Now()
	write := func(text string) {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		at = at.Add(time.Second)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	hour := platform.Usage{CPUSeconds: platform.MicroOf(3600)}
	write("currency: EUR\nprices: {cpu_hour: 1}\n")
	prices, err = file.Prices()
	require.NoError(t, err)
	require.Equal(t, "1", prices.Cost("shop", hour).String())
	write("currency: EUR\nprices: {cpu_hour: 2}\n")
	prices, err = file.Prices()
	require.NoError(t, err)
	require.Equal(t, "2", prices.Cost("shop", hour).String())
	write("currency: EUR\nprices: {cpu_hours: 3}\n")
	for range 2 {
		prices, err = file.Prices()
		require.ErrorContains(t, err, "line 2: prices.cpu_hours is unknown")
		require.Equal(t, "2", prices.Cost("shop", hour).String())
	}
	require.NoError(t, os.Remove(path))
	prices, err = file.Prices()
	require.NoError(t, err)
	require.Nil(t, prices)
	named := &priceFile{path: path, required: true}
	_, err = named.Prices()
	require.ErrorContains(t, err, "cannot be read")
}
