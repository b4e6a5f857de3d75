package store

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzEncode_NeverHoldsNULAndKeepsTheRest(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x00", `\u0000`, `\\u0000`, "a\x00\\\x00", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := encode(map[string]string{"text": text})
		require.NoError(t, err)
		var back map[string]string
		require.NoError(t, json.Unmarshal([]byte(doc), &back))
		require.Equal(t, Clean(text), back["text"])
		require.NotContains(t, back["text"], "\x00")
	})
}

func FuzzReadCursor_OnlyItsOwn(f *testing.F) {
	f.Add(cursor{List: "deploys", Scope: "shop", After: 3}.String())
	f.Add("bm9wZQ")
	f.Fuzz(func(t *testing.T, text string) {
		after, err := readCursor(text, "deploys", "shop")
		if err == nil && after <= 0 {
			t.Fatalf("%q gives %d", text, after)
		}
		if _, err := readCursor(text, "plans", "shop"); err == nil && strings.Contains(text, "deploys") {
			t.Fatalf("%q fits two lists", text)
		}
	})
}
