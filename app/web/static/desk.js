// The desk by itself: it is read anew when something changes, rings for a new claim, and lets a step be undone.

import { now, say } from "./page.js";
import { allow, allowed, chime, want, wanted } from "./chime.js";
import { keepSteps } from "./undo.js";

const live = document.getElementById("desk-live");
const desk = () => document.getElementById("desk");

// What one is in the middle of stays as it is when the desk is read anew: what was opened, ticked, told or can be undone.
Idiomorph.defaults.callbacks.beforeNodeMorphed = (old) => !old.matches?.("[data-mine], input[type=checkbox]");
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) => !(name === "open" && element.localName === "details");

// One reading at a time, and another after it if something changed meanwhile. What was read before something that was
// done here answered is older than what that showed, and is thrown away.
let reading = false;
let again = false;
let done = 0;
let begun = 0;

export async function look() {
  again = true;
  if (reading) return;
  reading = true;
  while (again) {
    again = false;
    begun = done;
    await htmx.ajax("GET", "/desk", { source: live, target: "#desk", swap: "morph:outerHTML" }).catch(() => {});
    await new Promise((rest) => setTimeout(rest, 150));
  }
  reading = false;
}

document.addEventListener("htmx:beforeSwap", ({ detail }) => {
  if (detail.target.id !== "desk") return;
  if (detail.requestConfig.verb === "get") {
    if (begun !== done) { detail.shouldSwap = false; again = true; }
  } else {
    done += 1;
    document.getElementById("notices").replaceChildren();
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
  if (!desk()) return;
  shown();
  const card = detail.requestConfig?.path?.endsWith("/adjust") && document.getElementById(detail.elt?.closest?.(".opening")?.id);
  if (card) say(card.dataset.aloud);
});
shown();

// The stream says that something changed. Without it the desk says so: it must not look live when it isn't.
const unheard = document.getElementById("unheard");
let silence = 0;

function connect(after = 0) {
  const source = new EventSource(live.dataset.live);
  const lost = () => { silence ||= setTimeout(() => { unheard.hidden = false; }, 3000); };
  const anew = () => { source.close(); lost(); setTimeout(connect, Math.min(after + 1000, 30000), Math.min(after + 1000, 30000)); };
  source.onopen = () => { clearTimeout(silence); silence = 0; unheard.hidden = true; after = 0; look(); };
  source.onerror = () => (source.readyState === EventSource.CLOSED ? anew() : lost());
  source.addEventListener("parts", look);
  source.addEventListener("end", anew);
  addEventListener("pagehide", () => source.close(), { once: true });
}
connect();
addEventListener("pageshow", ({ persisted }) => { if (persisted) connect(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });

// Sound: on unless it was turned off here, and as soon as the browser allows it.
const sound = document.getElementById("sound");

function tellSound() {
  sound.hidden = false;
  sound.setAttribute("aria-pressed", wanted());
  sound.textContent = wanted() ? (allowed() ? sound.dataset.on : sound.dataset.waits) : sound.dataset.off;
}

for (const touched of ["pointerdown", "keydown"]) {
  addEventListener(touched, async () => { if (wanted() && !allowed()) { await allow(); tellSound(); } });
}
sound.addEventListener("click", async () => {
  const on = !wanted() || sound.textContent === sound.dataset.waits;
  want(on);
  if (on) { await allow(); chime(); }
  tellSound();
});
tellSound();

document.addEventListener("submit", (event) => {
  if (!("hide" in event.target.dataset)) return;
  event.preventDefault();
  delete event.target.closest("[data-mine]").dataset.mine;
  look();
});
keepSteps(live, look);
