// The live connections: a page of them, asked for anew every two seconds while
// somebody looks, filtered and sorted by the server.

import { amount, attribute, hide, make, reconcile, row, table, text } from "./dom.js";
import { bytes, count, span, speed } from "./format.js";
import { answerOf, killConnection } from "./orders.js";

const every = 2000; // ms
const page = 25, most = 500;

const columns = [
  { name: "Client", of: "client" },
  { name: "Listener", of: "listener" },
  { name: "Backend", of: "backend" },
  { name: "Phase", of: "phase" },
  { name: "Age", of: "age", class: "number age" },
  { name: "Idle", of: "idle", class: "number idle" },
  { name: "Up", of: "up", class: "number up" },
  { name: "Down", of: "down", class: "number down" },
  { name: "Now", of: "now", class: "number now" },
  { name: "Kill", of: "kill" },
];

export class Connections {
  #rows = new Map();
  #before = new Map(); // bytes of each, as of the last answer
  #at = 0; // the time of it
  #limit = page;
  #turn = 0;
  #names = "";

  constructor(section, model) {
    this.model = model;
    this.form = section.querySelector("form");
    this.about = section.querySelector("h2 small");
    this.fault = section.querySelector(".fault");
    this.more = section.querySelector("#more");
    const { table: t, body } = table("Connections", columns);
    this.body = body;
    section.querySelector("#conns").append(t);
    this.form.addEventListener("input", () => this.#ask());
    this.form.addEventListener("submit", (e) => e.preventDefault());
    this.more.addEventListener("click", () => {
      this.#limit = Math.min(this.#limit * 2, most);
      this.#ask();
    });
    document.addEventListener("ordered", () => this.#ask());
    setInterval(() => !document.hidden && this.model.pools.length > 0 && this.#ask(), every);
  }

  // draw keeps the names to choose from.
  draw(model) {
    const names = JSON.stringify([model.listeners.map((l) => l.name), model.pools.map((p) => p.name)]);
    if (names === this.#names) return;
    this.#names = names;
    choices(this.form.elements.listener, model.listeners);
    choices(this.form.elements.pool, model.pools);
    this.#ask();
  }

  async #ask() {
    const turn = ++this.#turn;
    const query = new URLSearchParams({ limit: this.#limit });
    for (const [key, value] of new FormData(this.form)) if (value.trim()) query.set(key, value.trim());
    try {
      const answer = await answerOf(await fetch("v1/connections?" + query));
      if (turn === this.#turn) this.#show(answer);
    } catch (no) {
      if (turn === this.#turn && no.status) text(this.fault, no.message);
    }
  }

  #show(answer) {
    const over = (performance.now() - this.#at) / 1000;
    this.#at = performance.now();
    const moved = new Map(answer.connections.map((c) => [c.id, c.bytes_up + c.bytes_down]));
    text(this.fault, "");
    text(this.about, answer.matching > answer.connections.length ? `${count(answer.connections.length)} of ${count(answer.matching)}` : count(answer.matching));
    reconcile(this.body, this.#rows, answer.connections, (c) => c.id, (c) => this.#makeRow(c), (v, c) => {
      const was = this.#before.get(c.id);
      drawRow(v, c, was === undefined ? null : (moved.get(c.id) - was) / over);
      hide(v.kill, this.model.status.read_only);
    });
    this.#before = moved;
    hide(this.more, answer.matching <= answer.connections.length || this.#limit >= most);
  }

  #makeRow(c) {
    const { tr, cells } = row(columns);
    const kill = make("button", { type: "button", class: "kill", "aria-label": "Kill the connection from " + c.client }, "Kill");
    const v = { element: tr, cells, kill, now: c };
    kill.addEventListener("click", () => killConnection(v.now, this.model.token));
    cells.kill.append(kill);
    return v;
  }
}

function drawRow(v, c, rate) {
  v.now = c;
  text(v.cells.client, c.client);
  text(v.cells.listener, c.listener);
  text(v.cells.backend, `${c.pool}/${c.backend || "–"}`);
  text(v.cells.phase, c.phase + (c.relay === "copy" ? ", copied" : "") + (c.retries > 0 ? `, ${c.retries} retried` : ""));
  text(v.cells.age, span(c.age_seconds));
  text(v.cells.idle, span(c.idle_seconds));
  amount(v.cells.up, bytes(c.bytes_up));
  amount(v.cells.down, bytes(c.bytes_down));
  if (rate === null) amount(v.cells.now, ["", ""]);
  else amount(v.cells.now, speed(rate));
  v.cells.now.classList.toggle("zero", !rate);
}

function choices(select, all) {
  const chosen = select.value;
  select.replaceChildren(select.firstElementChild, ...all.map((x) => {
    const option = make("option");
    text(option, x.name);
    attribute(option, "value", x.name);
    return option;
  }));
  select.value = all.some((x) => x.name === chosen) ? chosen : "";
}
