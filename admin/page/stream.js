// The stream of events, kept up: a browser comes back by itself from a break,
// but not from a refusal, and it does not notice a silence.

const silence = 5000; // ms; a tick comes each second
const retry = 2000;

// follow calls on.snapshot, on.tick and on.transition with what comes, and
// on.lost when nothing does any more. While the page is hidden it rests.
export function follow(url, on) {
  let source, watchdog, again;

  function open() {
    close();
    source = new EventSource(url);
    for (const name of ["snapshot", "tick", "transition"]) {
      source.addEventListener(name, (e) => {
        heard();
        on[name](JSON.parse(e.data));
      });
    }
    source.onerror = () => {
      const refused = source.readyState === EventSource.CLOSED;
      on.lost(refused);
      if (refused) again = setTimeout(open, retry);
    };
    heard();
  }

  function heard() {
    clearTimeout(watchdog);
    watchdog = setTimeout(() => {
      on.lost(false);
      open();
    }, silence);
  }

  function close() {
    clearTimeout(watchdog);
    clearTimeout(again);
    source?.close();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  open();
}
