// The latest transitions, the newest first.

import { attribute, hide, make, reconcile, text } from "./dom.js";
import { clock, span } from "./format.js";

const tones = { up: "good", down: "bad", unknown: "idle" };

export class Transitions {
  #items = new Map();

  constructor(at) {
    this.list = at.querySelector("ol");
    this.none = make("p", { class: "none" }, "None since the process began.");
    at.append(this.none);
  }

  draw(model) {
    hide(this.none, model.transitions.length > 0);
    reconcile(this.list, this.#items, model.transitions, (t) => t.time + t.pool + "/" + t.backend + t.to, makeItem, () => {});
  }
}

function makeItem(t) {
  const item = make("li", { "data-tone": tones[t.to] ?? "idle" });
  const time = make("time", { datetime: t.time });
  text(time, clock(t.time));
  const name = make("b"), became = make("span", { class: "word" }), why = make("small");
  text(name, `${t.pool}/${t.backend}`);
  text(became, t.to);
  const after = t.from !== "unknown" ? ` · was ${t.from} for ${span(t.after_seconds)}` : "";
  text(why, t.reason + after);
  attribute(why, "title", why.textContent);
  item.append(time, make("span", { class: "dot" }), name, became, why);
  return { element: item };
}
