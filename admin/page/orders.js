// What changes the balancer: each is asked about first, in a dialog, which
// stays open until it is done or given up.

import { hide, text } from "./dom.js";
import { many } from "./format.js";

const dialog = document.querySelector("dialog");
const form = dialog.querySelector("form");
const field = dialog.querySelector("input");
const fault = dialog.querySelector(".fault");
const yes = dialog.querySelector("[value=yes]");
const said = document.getElementById("said");

let token = ""; // known to this page only as long as it is open
let asked = null; // the latest

dialog.querySelector("[value=no]").addEventListener("click", () => dialog.close());

// ask opens the dialog. what is the question, effect what follows from a yes,
// word the button, request what is sent, done what is said afterwards.
function ask({ what, effect, word, needsToken, request, done }) {
  asked = { request, done };
  text(document.getElementById("ask-what"), what);
  text(document.getElementById("ask-effect"), effect);
  text(yes, word);
  text(fault, "");
  field.value = token;
  hide(document.getElementById("ask-token"), !needsToken || token !== "");
  yes.disabled = false;
  dialog.showModal();
}

form.addEventListener("submit", async (e) => {
  e.preventDefault();
  const order = asked;
  if (!order || yes.disabled) return;
  yes.disabled = true;
  text(fault, "");
  try {
    const answer = await send({ ...order.request, token: field.value.trim() });
    token = field.value.trim();
    text(said, order.done(answer));
    document.dispatchEvent(new Event("ordered"));
    if (asked === order) dialog.close();
  } catch (no) {
    if (asked !== order) return;
    text(fault, no.message);
    if (no.status === 401) {
      token = "";
      hide(document.getElementById("ask-token"), false);
      field.select();
    }
  } finally {
    yes.disabled = false;
  }
});

async function send({ method, path, body, token }) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = "Bearer " + token;
  return answerOf(await fetch(path, { method, headers, body: body && JSON.stringify(body) }));
}

// answerOf is the answer, or an error that says what is wrong and what to do.
export async function answerOf(response) {
  const answer = await response.json();
  if (response.ok) return answer;
  throw Object.assign(new Error([answer.error, answer.instead].filter(Boolean).join("; ")), { status: response.status });
}

const effects = {
  ready: () => "It gets connections again, as its health allows.",
  drain: (n) => `It gets no new connections. ${n === 0 ? "It has none." : n === 1 ? "The one that it has goes on." : `The ${many(n, "connection")} that it has go on.`}`,
  maint: () => "It is out of service, whatever its health: it gets no new connections. Those that it has go on.",
};

const questions = { ready: "Take back the order for", drain: "Drain", maint: "Put into maintenance:" };

export function orderBackend(b, mode) {
  ask({
    what: `${questions[mode]} ${b.pool}/${b.name}${mode === "maint" ? "" : "?"}`,
    effect: effects[mode](b.connections),
    word: { ready: "Ready", drain: "Drain", maint: "Maintenance" }[mode],
    needsToken: b.token,
    request: { method: "PATCH", path: `v1/pools/${encodeURIComponent(b.pool)}/backends/${encodeURIComponent(b.name)}`, body: { mode } },
    done: (answer) => `${b.pool}/${b.name}: ${answer.mode}. ${answer.warning ?? ""}`,
  });
}

export function killConnection(c, needsToken) {
  ask({
    what: `Kill the connection from ${c.client}?`,
    effect: `It is reset on both sides, the client's and that of ${c.pool}/${c.backend || "(no backend yet)"}.`,
    word: "Kill",
    needsToken,
    request: { method: "DELETE", path: "v1/connections/" + encodeURIComponent(c.id) },
    done: () => `The connection from ${c.client} is killed.`,
  });
}
