// The columns that listeners, pools and backends have alike.

import { amount, text } from "./dom.js";
import { count, perSecond, speed } from "./format.js";
import { drawTrace, makeTrace } from "./trace.js";

export const rateColumns = [
  { name: "Open", of: "open", class: "number open" },
  { name: "New/s", of: "new", class: "number new" },
  { name: "Up", of: "up", class: "number up" },
  { name: "Down", of: "down", class: "number down" },
  { name: "5 minutes", of: "trace" },
];

// unitOf says a number of a trace.
export const unitOf = {
  bytes: (n) => speed(n).join(" "),
  opened: (n) => perSecond(n) + " new a second",
  connections: (n) => count(n) + " open",
};

// addTrace puts an empty trace into a row.
export function addTrace(cells) {
  const trace = makeTrace();
  cells.trace.append(trace);
  return trace;
}

// drawRates fills those columns; limit is the most that may be open, 0 for none.
export function drawRates({ cells, trace }, model, key, limit, view, most) {
  const r = model.rate(key);
  amount(cells.open, [count(r.connections), limit > 0 ? "/" + count(limit) : ""]);
  text(cells.new, perSecond(r.opened));
  amount(cells.up, speed(r.up));
  amount(cells.down, speed(r.down));
  for (const [cell, n] of [[cells.new, r.opened], [cells.up, r.up], [cells.down, r.down], [cells.open, r.connections]]) {
    cell.classList.toggle("zero", n === 0);
  }
  drawTrace(trace, model.trace(key, view.metric), most, unitOf[view.metric]);
}
