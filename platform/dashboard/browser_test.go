package dashboard_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/fairlead/fairlead/platform/httpapi/httpapitest"
)

var update = flag.Bool("update", false, "write the screenshots of docs/images anew")

// looks are how people see the pages, and the page of each whose picture the documentation shows.
var looks = []struct {
	name, scheme  string
	width, height int64
	shown         string
}{
	{"desktop-light", "light", 1280, 900, "incident"},
	{"desktop-dark", "dark", 1280, 900, "plan"},
	{"phone-light", "light", 390, 844, "plan"},
	{"phone-dark", "dark", 390, 844, "incident"},
}

// browser starts a real Chromium with one tab.
func browser(t *testing.T) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.WSURLReadTimeout(time.Minute))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox)
	}
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	ctx, stop := context.WithTimeout(ctx, 40*time.Second)
	t.Cleanup(stop)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank")), "a tab is there")
	return ctx
}

// complaints collects what the browser writes to its console: errors of scripts, and what the content policy stopped.
func complaints(t *testing.T, ctx context.Context) func() []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	add := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, text)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type != "debug" {
				add(m.String())
			}
		}
	}()
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

func TestPages_InARealBrowserLightAndDarkWideAndNarrow(t *testing.T) {
	t.Parallel()
	pictures := t.TempDir()
	file := func(page, look, shown string) string {
		folder := pictures
		if *update && page == shown {
			folder = filepath.Join("..", "..", "docs", "images")
		}
		return filepath.Join(folder, page+"-"+look+".png")
	}
	ctx := browser(t)
	said := complaints(t, ctx)
	grounds := map[string]string{}
	for _, look := range looks {
		s := open(t, httpapitest.New())
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
		})
		require.NoError(t, err)
		require.NoError(t, chromedp.Do(ctx,
			chromedp.EmulateViewport(look.width, look.height),
			chromedp.Navigate(s.url+"/ui/incidents/inc_01"),
			chromedp.SendKeys(chromedp.CSS("#token"), httpapitest.AdminToken+"\n"),
			chromedp.WaitVisible(chromedp.CSS(".verdict")),
			chromedp.Click(chromedp.CSS(`a.mark[href="#E2"]`)),
			chromedp.WaitVisible(chromedp.CSS("#E2 pre")), // the link opens what it leads to
		))
		fits(t, ctx, look.name)
		grounds[look.scheme], err = chromedp.Run(ctx, chromedp.Evaluate[string]("getComputedStyle(document.body).backgroundColor"))
		require.NoError(t, err)
		shoot(t, ctx, file("incident", look.name, look.shown))

		require.NoError(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS(`a.row[href="/ui/plans/plan_01"]`)), chromedp.WaitVisible(chromedp.CSS(".decision"))))
		fits(t, ctx, look.name)
		shoot(t, ctx, file("plan", look.name, look.shown))
		require.NoError(t, chromedp.Do(ctx,
			chromedp.SendKeys(chromedp.CSS("#comment"), "looks right"),
			chromedp.Click(chromedp.CSS(`button[value="approve"]`)),
			chromedp.WaitVisible(chromedp.CSS(".decision")), // the sample's plan stays pending: the page is there again
			chromedp.Click(chromedp.CSS(`nav a[href="/ui/audit"]`)),
			chromedp.WaitVisible(chromedp.CSS(".timeline.audit")),
			chromedp.Click(chromedp.CSS(`button[name="verify"]`)),
			chromedp.WaitVisible(chromedp.CSS(".notice.good")),
		))
		fits(t, ctx, look.name)
		require.Len(t, decisions(s.plane), 1, look.name)
		require.NoError(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS(".who button")), chromedp.WaitVisible(chromedp.CSS("#token"))))
	}
	require.NotEqual(t, grounds["light"], grounds["dark"])
	require.Empty(t, said(), "the console stays silent")
}

// A page that waits for a diagnosis shows it by itself once it is there.
func TestIncident_PageRefreshesItselfOnceItIsDiagnosed(t *testing.T) {
	t.Parallel()
	p := httpapitest.New()
	diagnosis := p.Incident.Diagnosis
	p.Incident.Diagnosis = nil
	var calls int
	p.Fail = func(call string) error {
		if call == "GetIncident" {
			if calls++; calls > 1 {
				p.Incident.Diagnosis = diagnosis
			}
		}
		return nil
	}
	s := open(t, p)
	require.NoError(t, chromedp.Do(browser(t),
		chromedp.Navigate(s.url+"/ui/sign-in?next=/ui/incidents/inc_01"),
		chromedp.SendKeys(chromedp.CSS("#token"), httpapitest.ViewerToken+"\n"),
		chromedp.WaitVisible(chromedp.CSS("#waiting")),
		chromedp.WaitVisible(chromedp.CSS(".verdict")),
		chromedp.WaitNotPresent(chromedp.CSS("#waiting")),
	))
}

// fits requires that nothing sticks out at the side.
func fits(t *testing.T, ctx context.Context, look string) {
	t.Helper()
	over, err := chromedp.Run(ctx, chromedp.Evaluate[int]("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
	require.NoError(t, err)
	require.LessOrEqual(t, over, 0, "%s: the page is wider than the window", look)
}

func shoot(t *testing.T, ctx context.Context, file string) {
	t.Helper()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.Greater(t, len(picture), 10_000)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, picture, 0o644))
}
