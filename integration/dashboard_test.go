package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"sluice/internal/testnet"
)

// markup is a name that a page which takes names for markup would run.
const markup = "<img/src=x/onerror=throw(1)>"

// JavaScript of the tests.
const (
	rowOf   = `[...document.querySelectorAll("#pools tbody tr")].find((r) => r.querySelector(".name b").textContent === %q)`
	stateOf = rowOf + `?.querySelector(".state .word").textContent === %q`
	connOf  = `[...document.querySelectorAll("#conns tbody tr")].find((r) => r.querySelector(".client").textContent === %q)`
	isAsked = `document.querySelector("dialog").open`
)

// dashboard is a balancer of three backends, the last of which has a wicked
// name, and where its page is.
func dashboard(t *testing.T) (p *Process, peer *testnet.Peer, page string, write func(more string) string) {
	t.Helper()
	peer = testnet.Start(t, "tcp4", testnet.Echo)
	setup := Setup{
		Backends: []string{
			fmt.Sprintf(`{ name = "b1", address = %q }`, peer.Address),
			fmt.Sprintf(`{ name = "b2", address = %q }`, testnet.Start(t, "tcp4", testnet.Echo).Address),
			fmt.Sprintf(`{ name = %q, address = %q }`, markup, testnet.Start(t, "tcp4", testnet.Echo).Address),
		},
		Health: "interval = \"50ms\"\nfall = 1\nrise = 1",
		Pool:   `policy = "first"`,
	}
	write = func(more string) string { return setup.TOML() + "[admin]\nbind = \"127.0.0.1:0\"\n" + more }
	p = Sluice(t, write(""))
	var line struct{ Admin []string }
	testnet.Must(t, "started", json.Unmarshal([]byte(p.ready.Raw), &line))
	return p, peer, line.Admin[0], write
}

// TestDashboard looks at a balancer, and changes it, through a browser. It is
// one test of one browser, since starting one takes a second.
func TestDashboard(t *testing.T) {
	b := Chromium(t)
	p, peer, at, write := dashboard(t)
	door := startDoor(t, at)
	b.Like(1280, 900, "light")
	b.Open("http://" + door.address + "/")
	for _, name := range []string{"b1", "b2", markup} {
		b.Sees(name+" up", fmt.Sprintf(stateOf, name, "up"))
	}

	// A backend goes down.
	peer.Stop()
	b.Sees("b1 down", fmt.Sprintf(stateOf, "b1", "down"))
	b.Sees("the transition", `document.querySelector("#transitions li b").textContent === "web/b1" && document.querySelector("#transitions li .word").textContent === "down"`)
	b.Sees("that it is said to who cannot see", `document.querySelector("[aria-live]").textContent.startsWith("web/b1 is down: ")`)

	// Another is drained, by keyboard alone, and not before it is confirmed.
	modeOf := func(name string) (mode string) {
		var got struct{ Mode string }
		fetch(t, "http://"+at+"/v1/pools/web/backends/"+strings.ReplaceAll(name, "/", "%2F"), &got)
		return got.Mode
	}
	choose := func(name, mode string) {
		t.Helper()
		b.Sees("the row of "+name, fmt.Sprintf(`(`+rowOf+`.querySelector(".order button:nth-child(%d)").focus(), document.activeElement.textContent === %q)`,
			name, map[string]int{"ready": 1, "drain": 2, "maint": 3}[mode], mode))
		b.Press(kb.Enter)
		b.Sees("the question", isAsked)
	}
	choose("b2", "drain")
	b.Press(kb.Escape)
	b.Sees("no question", "!"+isAsked)
	if got := modeOf("b2"); got != "ready" {
		t.Errorf("b2 is %s though nothing was confirmed", got)
	}
	choose("b2", "drain")
	b.Press(kb.Tab)
	b.Press(kb.Enter)
	b.Sees("b2 drained", fmt.Sprintf(stateOf, "b2", "drain"))
	if got := modeOf("b2"); got != "drain" {
		t.Errorf("b2 is %s, want drain", got)
	}
	b.Sees("the focus where it was", `document.activeElement.textContent === "drain"`)
	choose("b2", "ready")
	b.Click("dialog [type=submit]")
	b.Sees("b2 up", fmt.Sprintf(stateOf, "b2", "up"))
	choose(markup, "maint")
	b.Click("dialog [type=submit]")
	b.Sees("maintenance", fmt.Sprintf(stateOf, markup, "maint"))

	// A connection is killed.
	c := testnet.Dial(t, p.Front("web"))
	b.Do("find it", chromedp.SendKeys(chromedp.CSS("[name=client]"), "127.0.0.0/8"))
	b.Sees("the connection", fmt.Sprintf(connOf+" !== undefined", c.LocalAddr()))
	b.Sees("its button", fmt.Sprintf(`(`+connOf+`?.querySelector("button").click(), `+isAsked+`)`, c.LocalAddr()))
	b.Click("dialog [type=submit]")
	if _, err := c.Read(make([]byte, 1)); !testnet.IsReset(err) {
		t.Errorf("the client sees %v, want a reset", err)
	}
	b.Sees("it is gone", fmt.Sprintf(connOf+" === undefined", c.LocalAddr()))

	looks(t, b)

	// The way to the server breaks, and is there again.
	door.shut()
	b.Sees("that it is lost", `!document.getElementById("lost").hidden && document.getElementById("lost").textContent.startsWith("The connection is lost. What is shown is of ")`)
	door.open()
	b.Sees("that it is back", `document.getElementById("lost").hidden`)

	// Changes need a token.
	token := filepath.Join(testnet.Dir(t), "token")
	testnet.Must(t, "token", os.WriteFile(token, []byte("0123456789abcdef\n"), 0o600))
	reload(t, p, write(fmt.Sprintf("token_file = %q\n", token)))
	b.Sees("that a token is asked for", fmt.Sprintf(`(document.querySelector("dialog").close(), `+rowOf+`.querySelector(".order button:nth-child(2)").click(), !document.getElementById("ask-token").hidden)`, "b2"))
	b.Do("a wrong one", chromedp.SendKeys(chromedp.CSS("dialog input"), "fedcba9876543210"+kb.Enter))
	b.Sees("that it is wrong", `document.querySelector("dialog .fault").textContent.startsWith("this is not the token")`)
	b.Do("the right one", chromedp.KeyEvent("0123456789abcdef"+kb.Enter))
	b.Sees("b2 drained", fmt.Sprintf(stateOf, "b2", "drain"))

	// Nothing may be changed.
	reload(t, p, write("read_only = true\n"))
	b.Sees("no button", `[...document.querySelectorAll("table button")].every((x) => x.checkVisibility() === false)`)
}

// looks checks what an eye would at two sizes and in two schemes.
func looks(t *testing.T, b *Browser) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{1280, 390, 320} {
			b.Like(width, 800, scheme)
			b.Sees("the window", fmt.Sprintf("innerWidth === %d", width))
			if over := reckon[int](b, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
				wide := reckon[[]string](b, `[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth).map((e) => e.tagName + "#" + e.id + "." + e.className)`)
				t.Errorf("%s, %d wide: the page is %d wider, by %v", scheme, width, over, wide)
			}
			// Contrast of text (WCAG 2.2, 1.4.3) of each kind against the page.
			for _, of := range []string{"h1", "#about", "td.name b", "td.name small", "td.number", "th", "[data-tone=bad] > .word", "[data-tone=wait] > .word"} {
				if got := reckon[float64](b, fmt.Sprintf(contrast, of)); got < 4.5 {
					t.Errorf("%s, %d wide: the contrast of %s is %.1f", scheme, width, of, got)
				}
			}
		}
		light := reckon[float64](b, `(() => { const [r, g, b] = getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g); return (r*1 + g*1 + b*1) / 765 })()`)
		if (scheme == "light") != (light > 0.5) {
			t.Errorf("%s: the page's brightness is %.2f", scheme, light)
		}
	}
	b.Like(1280, 900, "light")
}

const contrast = `(() => {
	const luminance = (colour) => {
		const [r, g, b] = colour.match(/[\d.]+/g).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const text = luminance(getComputedStyle(document.querySelector(%q)).color), page = luminance(getComputedStyle(document.body).backgroundColor);
	return (Math.max(text, page) + 0.05) / (Math.min(text, page) + 0.05);
})()`

func reload(t *testing.T, p *Process, toml string) {
	t.Helper()
	if taken, lines := p.Reload(toml); !taken {
		t.Fatalf("the reload was refused: %v", lines)
	}
}

func fetch(t *testing.T, url string, into any) {
	t.Helper()
	to := &http.Transport{DisableKeepAlives: true}
	r, err := (&http.Client{Transport: to, Timeout: patience}).Get(url)
	testnet.Must(t, url, err)
	defer r.Body.Close()
	testnet.Must(t, url, json.NewDecoder(r.Body).Decode(into))
}
