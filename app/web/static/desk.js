// The desk by itself: it is read anew when something changes, rings for a new claim, and lets a step be undone.

import { heed, now, say } from "./page.js";
import { allow, allowed, chime, want, wanted } from "./chime.js";
import { keepSteps } from "./undo.js";

const live = document.getElementById("desk-live");
const unheard = document.getElementById("unheard");
const desk = () => document.getElementById("desk");

// What one is in the middle of stays as it is when the desk is read anew: what was opened, ticked, told or can be undone.
Idiomorph.defaults.callbacks.beforeNodeMorphed = (old) => !old.matches?.("[data-mine], input[type=checkbox]");
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) => !(name === "open" && element.localName === "details");

// One reading at a time, and another after it if something changed meanwhile. What was read before something that was
// done here answered is older than what that showed, and is thrown away.
let reading = null;
let again = false;
let done = 0;
let begun = 0;

/** Read the desk anew; resolves when it shows what is so now. */
function look() {
  again = true;
  return reading ??= readings();
}

async function readings() {
  while (again) {
    again = false;
    begun = done;
    // Nobody need be there: an unattended desk signs out as if idle.
    const headers = { "X-Unattended": "true" };
    await htmx.ajax("GET", "/desk", { source: live, target: "#desk", swap: "morph:outerHTML", headers }).catch(() => {});
    if (again) await new Promise((rest) => setTimeout(rest, 150));
  }
  reading = null;
}

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  const read = detail.requestConfig.verb === "get";
  if (detail.xhr.status >= 400 && detail.target.id !== "notices") {
    // Not ours, but of something between us: no part of the desk.
    detail.shouldSwap = false;
    unheard.hidden = false;
  } else if (read && begun !== done) {
    detail.shouldSwap = false;
    again = true;
  } else if (!read) {
    done += 1;
    // What was refused is explained above all, and how things are now is shown beneath.
    if (detail.target.id === "notices") look();
    else document.getElementById("notices").replaceChildren();
  }
});

// Who is new since the desk was shown last.
const coming = () => [...document.querySelectorAll("[data-coming]")];
let known = new Set(coming().map((card) => card.id));
let waking = 0;

function shown() {
  const fresh = coming().filter((card) => !known.has(card.id));
  known = new Set(coming().map((card) => card.id));
  if (fresh.length) {
    fresh.forEach((card) => card.classList.add("arriving"));
    say(fresh.map((card) => card.dataset.coming).join(". "));
    chime();
  }
  // Time alone changes things too: a hold lapses, an attestation runs out.
  clearTimeout(waking);
  const at = Date.parse(desk().dataset.changesAt);
  if (at) waking = setTimeout(look, Math.min(Math.max(at - now() + 200, 1000), 2 ** 31 - 1));
}

document.addEventListener("htmx:afterSettle", ({ detail }) => {
  shown();
  if (detail.target.matches(".meet")) document.getElementById(detail.target.id)?.focus({ preventScroll: true });
  const counter = detail.requestConfig.elt.closest(".counter");
  if (counter) say(counter.closest(".opening").dataset.aloud);
});
shown();

// The stream says that something changed. Without it the desk says so: it must not look live when it isn't.
let source = null;
let silence = 0;
let pause = 0;

function connect() {
  source = new EventSource(live.dataset.live);
  heed(source);
  source.addEventListener("open", () => {
    clearTimeout(silence);
    silence = pause = 0;
    unheard.hidden = true;
    look();
  });
  source.addEventListener("error", () => (source.readyState === EventSource.CLOSED ? anew() : unsure()));
  source.addEventListener("end", anew);
  source.addEventListener("parts", look);
}

function unsure() {
  silence ||= setTimeout(() => { unheard.hidden = false; }, 3000);
}

function anew() {
  source.close();
  unsure();
  pause = Math.min(pause + 1000, 15000);
  setTimeout(connect, pause);
}

connect();
addEventListener("pagehide", () => source.close());
addEventListener("pageshow", ({ persisted }) => { if (persisted) connect(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

// Sound: on unless it was turned off here, and as soon as the browser allows it.
const sound = document.getElementById("sound");

function tellSound() {
  sound.hidden = false;
  sound.setAttribute("aria-pressed", wanted());
  sound.textContent = wanted() ? (allowed() ? sound.dataset.on : sound.dataset.waits) : sound.dataset.off;
}

// Only once the finger is up again: nothing may move under it.
for (const touched of ["click", "keyup"]) {
  addEventListener(touched, async () => { if (wanted() && !allowed()) { await allow(); tellSound(); } });
}
sound.addEventListener("click", async () => {
  const on = !wanted() || !allowed();
  want(on);
  if (on) { await allow(); chime(); }
  tellSound();
});
tellSound();

document.addEventListener("submit", (event) => {
  if (!("hide" in event.target.dataset)) return;
  event.preventDefault();
  const told = event.target.closest("[data-mine]");
  delete told.dataset.mine;
  look().then(() => document.getElementById(told.id)?.querySelector("button")?.focus({ preventScroll: true }));
});
keepSteps(live, look);
