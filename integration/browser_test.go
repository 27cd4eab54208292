package integration

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"sluice/internal/testnet"
)

// Browser is a window of a headless Chromium.
type Browser struct {
	tb  testing.TB
	ctx context.Context

	mu     sync.Mutex
	faults []string // what pages did wrong: exceptions, and what their policy forbids
}

// Chromium starts a browser, which ends with the test. A fault of a page fails
// the test.
func Chromium(tb testing.TB) *Browser {
	tb.Helper()
	path := testnet.Need(tb, "chromium")[0]
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.UserDataDir(testnet.Dir(tb)))
	if os.Getuid() == 0 {
		options = append(options, chromedp.NoSandbox) // it refuses to have one as root
	}
	all, done := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(all)
	b := &Browser{tb: tb, ctx: ctx}
	testnet.Must(tb, "start the browser", chromedp.Listen(ctx, b.heed))
	tb.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			tb.Errorf("the browser's end: %v", err)
		}
		done()
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, f := range b.faults {
			tb.Errorf("the page: %s", f)
		}
	})
	return b
}

// heed notes what a page does wrong. An answer that says no is none of it.
func (b *Browser) heed(event any) {
	var fault string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		fault = fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception.Description)
	case *log.EventEntryAdded:
		if e.Entry.Level != "error" || e.Entry.Source == "network" {
			return
		}
		fault = e.Entry.Text
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, fault)
}

// Do does what a user does.
func (b *Browser) Do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	testnet.Must(b.tb, what, chromedp.Do(ctx, steps...))
}

// Open shows a page.
func (b *Browser) Open(url string) { b.tb.Helper(); b.Do("open "+url, chromedp.Navigate(url)) }

// Click clicks what a selector finds.
func (b *Browser) Click(selector string) {
	b.tb.Helper()
	b.Do("click "+selector, chromedp.Click(chromedp.CSS(selector)))
}

// Press presses a key.
func (b *Browser) Press(key string) { b.tb.Helper(); b.Do("press a key", chromedp.KeyEvent(key)) }

// Sees waits until an expression of JavaScript is true.
func (b *Browser) Sees(what, expression string) {
	b.tb.Helper()
	if !testnet.Until(patience, func() bool { return reckon[bool](b, expression) }) {
		b.tb.Fatalf("not to be seen within %v: %s; the page:\n%s", patience, what, reckon[string](b, "document.body.innerText"))
	}
}

// Like makes the window of a size, in a light or dark scheme.
func (b *Browser) Like(width, height int, scheme string) {
	b.tb.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	testnet.Must(b.tb, "the scheme", err)
	b.Do("the size", chromedp.EmulateViewport(int64(width), int64(height)))
}

// reckon is what an expression of JavaScript comes to.
func reckon[T any](b *Browser, expression string) T {
	b.tb.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression))
	testnet.Must(b.tb, expression, err)
	return got
}
