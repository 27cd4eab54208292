// The page: what the stream tells goes into the model, and from there to the
// parts of the page, each of which draws its own.

import { hide, text } from "./dom.js";
import { follow } from "./stream.js";
import { Model } from "./model.js";
import { clock } from "./format.js";
import { drawHead } from "./head.js";
import { Listeners } from "./listeners.js";
import { Pools } from "./pools.js";
import { Transitions } from "./transitions.js";
import { Connections } from "./connections.js";

const $ = (id) => document.getElementById(id);
const model = new Model();
const listeners = new Listeners($("listeners"));
const pools = new Pools($("pools"));
const transitions = new Transitions($("transitions"));
const connections = new Connections($("connections"), model);
let heard = null; // the time of the latest event

function draw() {
  const view = { metric: $("view").elements.metric.value, find: $("find").value.trim().toLowerCase() };
  drawHead(model, view);
  listeners.draw(model, view);
  pools.draw(model, view);
  transitions.draw(model);
  connections.draw(model);
}

function told(change) {
  return (data) => {
    change(data);
    heard = new Date();
    hide($("lost"), true);
    document.body.classList.remove("stale");
    hide(document.querySelector("main"), false);
    draw();
  };
}

follow("v1/events", {
  snapshot: told((s) => model.snapshot(s)),
  tick: told((t) => model.tick(t)),
  transition: told((t) => {
    model.transition(t);
    text($("said"), `${t.pool}/${t.backend} is ${t.to}: ${t.reason}`);
  }),
  lost(refused) {
    const since = heard ? ` What is shown is of ${clock(heard)}.` : "";
    const why = refused ? "The server takes no viewer now." : "The connection is lost.";
    text($("lost"), `${why}${since} Trying again…`);
    hide($("lost"), false);
    document.body.classList.add("stale");
  },
});

$("view").addEventListener("input", draw);
$("view").addEventListener("submit", (e) => e.preventDefault());
addEventListener("keydown", (e) => {
  if (e.key !== "/" || e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, dialog")) return;
  e.preventDefault();
  $("find").focus();
});
