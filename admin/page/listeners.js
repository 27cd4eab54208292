// The listeners, one a row.

import { attribute, make, reconcile, row, table, text } from "./dom.js";
import { keyOf } from "./model.js";
import { mostOf } from "./trace.js";
import { addTrace, drawRates, rateColumns } from "./rates.js";
import { makeState, drawState } from "./state.js";

const columns = [
  { name: "Listener", of: "name" },
  { name: "State", of: "state" },
  { name: "Relay", of: "weight" },
  ...rateColumns,
  { name: "Pool", of: "mode" },
];

const key = (l) => keyOf({ listener: l.name });

export class Listeners {
  #rows = new Map();

  constructor(at) {
    const { table: t, body } = table("Listeners", columns);
    at.append(t);
    this.body = body;
  }

  draw(model, view) {
    const most = mostOf(model.listeners.map((l) => model.trace(key(l), view.metric)));
    const shown = model.listeners.filter((l) => [l.name, l.pool, ...l.bound].join(" ").toLowerCase().includes(view.find));
    reconcile(this.body, this.#rows, shown, (l) => l.name, makeRow, (v, l) => {
      text(v.name, l.name);
      text(v.bound, l.bound.join("\n"));
      drawState(v.state, l.paused ? { tone: "wait", word: "paused", why: "its limit is reached: clients wait" } : { tone: "good", word: "accepts", why: "" });
      text(v.cells.weight, l.relay);
      text(v.cells.mode, l.pool ? "→ " + l.pool : "by its routes");
      drawRates(v, model, key(l), l.max_connections, view, most);
    });
    attribute(this.body.parentElement, "data-rows", String(shown.length));
  }
}

function makeRow() {
  const { tr, cells } = row(columns);
  const v = { element: tr, cells, trace: addTrace(cells), name: make("b"), bound: make("small"), state: makeState() };
  cells.name.append(v.name, v.bound);
  cells.state.append(v.state.element);
  return v;
}
