// How something stands: a mark and a word, so that colour is never all.

import { attribute, make, text } from "./dom.js";

export function makeState() {
  const dot = make("span", { class: "dot" }), word = make("span", { class: "word" });
  const since = make("span", { class: "since" }), why = make("small");
  const element = make("div", { class: "standing" }, dot, word, since, why);
  return { element, word, since, why };
}

export function drawState(v, { tone, word, since = "", why = "" }) {
  attribute(v.element, "data-tone", tone);
  text(v.word, word);
  text(v.since, since);
  text(v.why, why);
  attribute(v.why, "title", why);
}

// standingOf is how a backend stands, in a tone, a word and why.
export function standingOf(b) {
  if (b.place === "out" && b.mode !== "ready") return { tone: "wait", word: b.mode, why: b.status === "up" ? "" : "and it is " + b.status };
  const [cause, ...rest] = b.why.split(": ");
  if (b.place === "out" && cause === "ejected") return { tone: "bad", word: "ejected", why: rest.join(": ") };
  if (b.status === "down") return { tone: "bad", word: "down", why: cause === "down" ? rest.join(": ") : b.why };
  if (b.place === "standby") return { tone: "idle", word: "standby", why: b.why };
  if (b.status === "unknown") return { tone: "idle", word: "unknown", why: b.why };
  return { tone: "good", word: b.why === "not checked" ? "not checked" : "up", why: ["up", "not checked"].includes(b.why) ? "" : b.why };
}
