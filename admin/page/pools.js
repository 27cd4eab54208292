// The pools, a table each, and in it the backends with what may be ordered.

import { attribute, hide, make, reconcile, row, table, text } from "./dom.js";
import { many, count, span } from "./format.js";
import { keyOf } from "./model.js";
import { mostOf } from "./trace.js";
import { addTrace, drawRates, rateColumns } from "./rates.js";
import { drawState, makeState, standingOf } from "./state.js";
import { orderBackend } from "./orders.js";

const columns = [
  { name: "Backend", of: "name" },
  { name: "State", of: "state" },
  { name: "Weight", of: "weight", class: "number weight" },
  ...rateColumns,
  { name: "Order", of: "mode" },
];

const modes = ["ready", "drain", "maint"];
const key = (b) => keyOf({ pool: b.pool, backend: b.name });

export class Pools {
  #pools = new Map();

  constructor(at) { this.at = at; }

  draw(model, view) {
    reconcile(this.at, this.#pools, model.pools, (p) => p.name, makePool, (v, p) => drawPool(v, p, model, view));
  }
}

function makePool(p) {
  const { table: t, body } = table("Backends of pool " + p.name, columns);
  const { tr, cells } = row(columns);
  t.append(make("tfoot", { role: "rowgroup" }, tr));
  const about = make("small");
  const h2 = make("h2", {}, "Pool " + p.name + " ", about);
  return { element: make("section", { "aria-label": "Pool " + p.name }, h2, t), body, about, rows: new Map(), sum: { tr, cells, trace: addTrace(cells) } };
}

function drawPool(v, p, model, view) {
  const serving = p.backends.filter((b) => b.place === "serving").length;
  text(v.about, `${p.policy} · ${count(serving)} of ${many(p.backends.length, "backend")} serving`);
  attribute(v.about, "data-tone", serving > 0 ? "good" : "bad");
  const shown = p.backends.filter((b) => [p.name, b.name, b.address, standingOf(b).word, b.status, b.mode].join(" ").toLowerCase().includes(view.find));
  hide(v.element, shown.length === 0 && view.find !== "");
  const most = mostOf(p.backends.map((b) => model.trace(key(b), view.metric)));
  reconcile(v.body, v.rows, shown, (b) => b.name, makeBackend, (r, b) => drawBackend(r, b, model, view, most));
  const all = keyOf({ pool: p.name });
  hide(v.sum.tr, p.backends.length < 2 || view.find !== "");
  text(v.sum.cells.name, "in all");
  drawRates(v.sum, model, all, 0, view, mostOf([model.trace(all, view.metric)]));
}

function makeBackend() {
  const { tr, cells } = row(columns);
  const v = { element: tr, cells, trace: addTrace(cells), name: make("b"), address: make("small"), state: makeState(), now: null };
  cells.name.append(v.name, v.address);
  cells.state.append(v.state.element);
  v.order = make("div", { role: "group", class: "order" });
  v.buttons = modes.map((mode) => {
    const button = make("button", { type: "button" }, mode);
    button.addEventListener("click", () => v.now.mode !== mode && orderBackend(v.now, mode));
    return button;
  });
  v.order.append(...v.buttons);
  v.mode = make("span");
  cells.mode.append(v.order, v.mode);
  return v;
}

function drawBackend(v, b, model, view, most) {
  v.now = { ...b, connections: model.rate(key(b)).connections, token: model.token };
  text(v.name, b.name);
  text(v.address, [b.address === b.name ? "" : b.address, b.backup ? "backup" : ""].filter(Boolean).join(" · "));
  const since = b.since ? span(Math.max((Date.now() - new Date(b.since)) / 1000, 0)) : "";
  const standing = standingOf(b);
  drawState(v.state, { ...standing, since: ["up", "down", "unknown"].includes(standing.word) ? since : "" });
  text(v.cells.weight, b.weight === b.own_weight ? count(b.weight) : `${count(b.own_weight)} → ${count(b.weight)}`);
  drawRates(v, model, key(b), b.max_connections, view, most);
  attribute(v.order, "aria-label", `Order for ${b.pool}/${b.name}`);
  modes.forEach((mode, i) => attribute(v.buttons[i], "aria-pressed", String(b.mode === mode)));
  hide(v.order, model.status.read_only);
  hide(v.mode, !model.status.read_only);
  text(v.mode, b.mode);
}
