package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// pictures are what is taken.
var pictures = []struct {
	name, scheme  string
	width, height int64
	scale         float64
}{
	{"light", "light", 1280, 1060, 1},
	{"dark", "dark", 1280, 1060, 1},
	{"phone", "light", 390, 844, 1.5},
}

const most = 200 << 10 // bytes of a picture

func takePictures(ctx context.Context, page, into string) error {
	folder, err := os.MkdirTemp("", "sluice-browser")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.UserDataDir(folder), chromedp.NoSandbox)
	ctx, done := chromedp.NewExecAllocator(ctx, options...)
	defer done()
	ctx, done = chromedp.NewContext(ctx)
	defer done()
	ctx, done = context.WithTimeout(ctx, 2*time.Minute)
	defer done()
	if err := os.MkdirAll(into, 0o755); err != nil {
		return err
	}
	for _, p := range pictures {
		scheme := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: p.scheme}}}
		if err := chromedp.Do(ctx, chromedp.EmulateViewport(p.width, p.height, chromedp.EmulateScale(p.scale)), chromedp.Navigate(page)); err != nil {
			return err
		}
		if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, scheme); err != nil {
			return err
		}
		if err := shown(ctx); err != nil {
			return err
		}
		png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
		if err != nil {
			return err
		}
		file := filepath.Join(into, p.name+".png")
		fmt.Printf("%s: %d KiB\n", file, len(png)>>10)
		if len(png) > most {
			return fmt.Errorf("%s: more than %d KiB", file, most>>10)
		}
		if err := os.WriteFile(file, png, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// shown waits until the page has connections, and what each moves now.
func shown(ctx context.Context) error {
	for ctx.Err() == nil {
		there, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`[...document.querySelectorAll("#conns td.now .value")].some((e) => e.textContent !== "" && e.textContent !== "0")`))
		if err != nil || there {
			return err
		}
		pause(ctx, 100*time.Millisecond)
	}
	return ctx.Err()
}
