// What is known of the balancer, as the events of GET /v1/events tell it:
// a snapshot says how everything is, ticks and transitions what has changed.

const steps = 60; // of five seconds, in a trace
const mostTransitions = 50;
const metrics = ["connections", "opened", "bytes"];
const nothing = { connections: 0, opened: 0, up: 0, down: 0 };

// keyOf names whoever has rates: a listener, a pool, a backend, or the whole.
export function keyOf({ listener = "", pool = "", backend = "" }) {
  return JSON.stringify([listener, pool, backend]);
}

export const whole = keyOf({});

export class Model {
  status = {};
  token = false;
  listeners = [];
  pools = [];
  transitions = []; // the newest first
  #rates = new Map();
  #traces = new Map();

  rate(key) { return this.#rates.get(key) ?? nothing; }

  // trace is what somebody did, one number for each five seconds, the latest last.
  trace(key, metric) { return this.#traces.get(key)?.[metric] ?? []; }

  snapshot(s) {
    this.status = s.status;
    this.token = s.token;
    this.listeners = s.listeners;
    this.pools = s.pools;
    this.transitions = s.transitions;
    this.#rates = new Map(s.rates.map((r) => [keyOf(r), r]));
    this.#traces = new Map(s.traces.map((t) => [keyOf(t), t]));
  }

  tick(t) {
    this.status.ready = t.not_ready === "";
    this.status.not_ready = t.not_ready;
    this.status.read_only = t.read_only;
    this.status.accepted = t.accepted;
    this.token = t.token;
    if (t.handovers) this.status.handovers = t.handovers;
    for (const r of t.rates) this.#rates.set(keyOf(r), r);
    for (const l of t.listeners) replace(this.listeners, l);
    for (const b of t.backends) {
      const pool = this.pools.find((p) => p.name === b.pool);
      if (pool) replace(pool.backends, b);
    }
    if (t.step) this.#step(new Map(t.points.map((p) => [keyOf(p), p])));
  }

  // #step moves every trace on. Who is not named has done nothing.
  #step(points) {
    for (const key of points.keys()) {
      if (!this.#traces.has(key)) this.#traces.set(key, { connections: [], opened: [], bytes: [] });
    }
    for (const [key, trace] of this.#traces) {
      const p = points.get(key) ?? nothing;
      const now = { connections: p.connections, opened: p.opened, bytes: p.up + p.down };
      for (const m of metrics) {
        trace[m].push(now[m]);
        trace[m].splice(0, trace[m].length - steps);
      }
    }
  }

  transition(t) {
    this.transitions.unshift(t);
    this.transitions.length = Math.min(this.transitions.length, mostTransitions);
  }
}

function replace(list, one) {
  const i = list.findIndex((x) => x.name === one.name);
  if (i >= 0) list[i] = one;
}
