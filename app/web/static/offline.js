// Without a network nothing is pretended: the board says since when it knows nothing new, and a claim is "not sent yet".
//
// The cache `kept` has the board as it was last seen, without a person, and the page that shows it. Signing out clears
// it, and the outbox too (Clear-Site-Data; forget.js where a session ended by itself).

import { at, now, say, setClock } from "./page.js";
import { list, put, send } from "./outbox.js";

const PATIENCE_MS = 20_000; // With one bar of signal an answer may never come.
const AGAIN_MS = 10_000;

const words = document.getElementById("offline")?.dataset ?? {};
const shelf = document.getElementById("kept"); // On the page for when nothing can be reached.
let since = null;
let deaf = false; // The stream is broken, whatever else goes through.

// ---- The board as it was last seen.

async function keep() {
  const shown = document.getElementById("openings");
  if (!shown || shelf || since) return;
  const copy = shown.cloneNode(true);
  for (const part of copy.querySelectorAll("[name=participant], [name=add], .result, [data-gone]")) part.remove();
  const kept = await caches.open("kept");
  const headers = { "X-At": String(now()), "X-Clock": String(now() - Date.now()) };
  await kept.put("/kept/board", new Response(copy.outerHTML, { headers }));
}

/** Keep the page that shows it, in the language and the looks of now. */
async function keepPage() {
  if (document.getElementById("openings") && !shelf) await (await caches.open("kept")).add("/offline");
}

async function showKept() {
  since = Date.now();
  const kept = await caches.match("/kept/board");
  // What this page says the time was is from when it was put away.
  setClock(Number(kept?.headers.get("X-Clock") ?? 0));
  if (!kept) return;
  since = Number(kept.headers.get("X-At"));
  shelf.querySelector("[data-place]").innerHTML = await kept.text();
  for (const card of shelf.querySelectorAll(".opening")) if (Date.parse(card.dataset.until) <= now()) card.remove();
  shelf.hidden = !shelf.querySelector(".opening");
}

// ---- Whether there is a network, as far as the last try knows.

function tell() {
  const place = document.getElementById("offline");
  place.hidden = !since;
  if (since) place.querySelector("p").textContent = words.since.replace("{time}", at(since));
}

function lost() {
  if (since) return;
  since = now();
  tell();
  say(words.lost);
}

async function found() {
  if (!since) return;
  since = null;
  tell();
  say(words.found);
  await send();
  if (shelf) location.replace(location.pathname === "/offline" ? "/board" : location.href);
}

async function retry() {
  if (await send() && !deaf) return found();
  if (!since || deaf) return;
  try {
    await fetch("/manifest.webmanifest", { cache: "no-store" });
  } catch {
    return; // Still nothing.
  }
  await found();
}

addEventListener("offline", lost);
addEventListener("online", retry);
setInterval(retry, AGAIN_MS);
document.addEventListener("htmx:sseError", () => { deaf = true; lost(); });
document.addEventListener("htmx:sseOpen", () => { deaf = false; found(); });
document.addEventListener("htmx:sseMessage", () => { clearTimeout(keep.waits); keep.waits = setTimeout(keep, 1000); });
document.addEventListener("htmx:afterSettle", keep);

// ---- Claims whose answer does not come.

const claims = (form) => form.matches?.("form[data-claim]");

document.addEventListener("htmx:configRequest", ({ target, detail }) => {
  if (claims(target)) detail.timeout = PATIENCE_MS;
});

function unanswered({ target, detail }) {
  lost();
  if (claims(target)) put(target, detail.requestConfig.triggeringEvent?.submitter, navigator.onLine);
}
document.addEventListener("htmx:sendError", unanswered);
document.addEventListener("htmx:timeout", unanswered);

// An error of something in between is no answer. Ours says where on the page it goes.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const form = requestConfig.elt;
  if (!claims(form) || xhr.status < 500 || xhr.getResponseHeader("HX-Retarget")) return;
  event.detail.shouldSwap = false;
  put(form, requestConfig.triggeringEvent?.submitter, true);
});

// On the page for when nothing can be reached a claim waits at once: there is no server to send it to.
shelf?.addEventListener("submit", (event) => {
  event.preventDefault();
  put(event.target, event.submitter, false);
});

if (navigator.serviceWorker && words.worker) navigator.serviceWorker.register(words.worker);
if (shelf) await showKept();
else if (!navigator.onLine) since = now();
tell();
await list();
await retry();
await keep();
await keepPage().catch(() => {}); // It is kept the next time.
