// The head of the page: what the process is, and what it does in all.

import { amount, attribute, hide, text } from "./dom.js";
import { many, count, perSecond, span, speed } from "./format.js";
import { makeTrace, drawTrace, mostOf } from "./trace.js";
import { whole } from "./model.js";
import { unitOf } from "./rates.js";

const $ = (id) => document.getElementById(id);
const trace = makeTrace();
$("total-trace").append(trace);

export function drawHead(model, view) {
  const s = model.status;
  const up = (Date.now() - new Date(s.started)) / 1000;
  const parts = [s.version, "up " + span(Math.max(up, 10)), many(s.workers, "worker"), "pid " + s.pid];
  if (s.handovers.length > 0) parts.push(many(s.handovers.length, "handover"));
  text($("about"), parts.join(" · "));

  const out = model.pools.filter((p) => !p.backends.some((b) => b.place === "serving")).length;
  const [tone, word] = !s.ready ? ["bad", s.not_ready] : out > 0 ? ["bad", many(out, "pool") + " without a backend"] : ["good", "ready"];
  attribute($("ready"), "data-tone", tone);
  text($("ready").querySelector(".word"), s.read_only ? word + " · read-only" : word);
  text(document.querySelector("title"), (tone === "good" ? "" : word + " · ") + "sluice");

  const r = model.rate(whole);
  amount($("total-open"), [count(r.connections), "of " + count(s.max_connections)]);
  amount($("total-new"), [perSecond(r.opened), "/s"]);
  amount($("total-up"), speed(r.up));
  amount($("total-down"), speed(r.down));
  const numbers = model.trace(whole, view.metric);
  drawTrace(trace, numbers, mostOf([numbers]), unitOf[view.metric]);
  hide($("total-trace"), false);
}
