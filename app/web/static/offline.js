// Without a network nothing is pretended: the board says since when it knows nothing new, and a claim is "not sent yet".
//
// Two caches: `kept` has the board as it was last seen, without a person; `outbox` has claims that could not be sent,
// under the key by which the server knows a repetition. Signing out clears both (Clear-Site-Data).

import { now, say } from "./page.js";

const words = document.getElementById("offline")?.dataset ?? {};
const board = () => document.getElementById("openings");
const outbox = () => caches.open("outbox");
let since = navigator.onLine ? null : now();

if ("serviceWorker" in navigator && words.worker) navigator.serviceWorker.register(words.worker);

// ---- The board as it was last seen.

/** Keep what the board shows, but for whom it is. */
async function keep() {
  const shown = board();
  if (!shown || since) return;
  const copy = shown.cloneNode(true);
  for (const field of copy.querySelectorAll("[name=participant]")) field.remove();
  const kept = await caches.open("kept");
  await kept.put("/kept/board", new Response(copy.innerHTML, { headers: { "X-At": String(now()) } }));
}

/** On the page for when nothing can be reached: show what was kept, and since when. */
async function showKept() {
  const place = document.getElementById("kept");
  if (!place) return;
  const kept = await (await caches.open("kept")).match("/kept/board");
  if (!kept) return;
  since = Number(kept.headers.get("X-At"));
  const list = document.createElement("ul");
  list.id = "openings";
  list.className = "grid";
  list.innerHTML = await kept.text();
  place.replaceChildren(list);
  place.hidden = false;
  tell();
}

// ---- Whether there is a network, as far as the last try knows.

function at(moment) {
  return new Intl.DateTimeFormat(document.documentElement.lang, { hour: "numeric", minute: "2-digit" }).format(moment);
}

function tell() {
  const place = document.getElementById("offline");
  if (!place) return;
  place.hidden = !since;
  if (since) place.querySelector("[data-since]").textContent = words.since.replace("{time}", at(since));
}

function lost() {
  if (since) return;
  since = now();
  tell();
  say(words.lost);
}

function found() {
  if (!since) return;
  since = null;
  tell();
  say(words.found);
  send();
}

addEventListener("offline", lost);
addEventListener("online", send);
document.addEventListener("htmx:sseError", lost);
document.addEventListener("htmx:sseOpen", found);
document.addEventListener("htmx:sseMessage", () => { clearTimeout(keep.waits); keep.waits = setTimeout(keep, 1000); });
document.addEventListener("htmx:afterSettle", keep);

// ---- Claims that could not be sent.

/** Put a claim into the outbox: its fields, when it was made, and until when its hold could still be true. */
async function put(form, submitter) {
  const fields = new URLSearchParams(new FormData(form, submitter));
  const made = now();
  const until = made + Number(form.dataset.holdMinutes || 30) * 60_000;
  const about = { action: form.getAttribute("action"), what: form.dataset.what ?? "", made, until, fields: fields.toString() };
  await (await outbox()).put(`/outbox/${fields.get("key")}`, new Response(JSON.stringify(about)));
  await list();
  say(words.unsent);
}

/** Show what has not been sent, and what became of it. */
async function list() {
  const place = document.getElementById("unsent");
  if (!place) return;
  const kept = await outbox();
  const items = [];
  for (const request of await kept.keys()) {
    const about = await (await kept.match(request)).json();
    const item = document.createElement("li");
    item.className = `card ${about.answer === undefined ? "due" : about.held ? "good" : "bad"}`;
    const title = document.createElement("h3");
    title.textContent = about.what;
    const state = document.createElement("p");
    state.textContent = about.answer ?? words.waits.replace("{time}", at(about.until));
    const gone = document.createElement("button");
    gone.textContent = about.answer === undefined ? words.cancel : words.dismiss;
    gone.addEventListener("click", async () => { await kept.delete(request); await list(); });
    item.append(title, state, gone);
    items.push(item);
  }
  place.replaceChildren(...items);
  place.parentElement.hidden = items.length === 0;
}

let sending = false;

/** Try everything in the outbox again, each under its own key, and keep which of the two answers it got. */
async function send() {
  if (sending) return;
  sending = true;
  try {
    const kept = await outbox();
    for (const request of await kept.keys()) {
      const about = await (await kept.match(request)).json();
      if (about.answer !== undefined) continue;
      if (now() > about.until) {
        about.answer = words.late;
      } else {
        const response = await fetch(about.action, {
          method: "POST",
          body: new URLSearchParams(about.fields),
          headers: { "HX-Request": "true", Accept: "text/html" },
        });
        if (response.status >= 500 || response.status === 429) break;
        about.held = response.status < 300;
        about.answer = about.held ? words.held : response.status === 409 ? words.taken : words.refused;
        if (since) { since = null; tell(); }
      }
      await kept.put(request, new Response(JSON.stringify(about)));
      await list();
      say(about.answer);
    }
  } catch {
    // Still no network: the outbox is as it was.
  } finally {
    sending = false;
  }
}

document.addEventListener("htmx:sendError", (event) => {
  lost();
  const form = event.detail.elt.closest?.("form[data-claim]");
  if (form) put(form, event.detail.requestConfig?.triggeringEvent?.submitter);
});

// On the page for when nothing can be reached there is no server to send a form to: it goes to the outbox at once.
document.addEventListener("submit", (event) => {
  if (!document.getElementById("kept") || !event.target.matches("form[data-claim]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  put(event.target, event.submitter);
}, true);

setInterval(send, 15_000);
showKept();
tell();
list();
send();
keep();
