// The board in the browser: what changes is put in its place, and nothing moves under a thumb.

import { heed, now, say } from "./page.js";

const LINGER_MS = 6000; // How long a card that went keeps its room.
const GUARD_MS = 600; // A press so soon after cards have moved was meant for another.

const news = new Set();
let moved = -Infinity;

const list = () => document.getElementById("openings");
const words = () => list()?.dataset ?? {};
const cardsOf = (id) => document.querySelectorAll(`#main [data-opening="${CSS.escape(id)}"]`);

document.body.dataset.live = "";

// ---- What the stream says.

// There is one stream: whoever asks for something else lets go of it, and does not keep a line of six to the server.
let source;
htmx.createEventSource = (url) => {
  source?.close();
  source = new EventSource(url);
  heed(source);
  return source;
};

document.addEventListener("htmx:sseMessage", ({ target }) => {
  if (!list()) return;
  for (const item of target.children) take(item);
  target.replaceChildren();
});

function take(item) {
  const { id, matched } = item.dataset;
  if (item.hasAttribute("data-again")) return renew();
  if (matched) return tellMatch(matched);
  // A place may be shown twice: in the list, and as an alternative to one that is gone.
  const cards = cardsOf(id);
  if (item.hasAttribute("data-gone")) {
    news.delete(id);
    for (const card of cards) go(card, words().taken);
  } else if (cards.length) {
    for (const card of cards) update(card, item);
  } else if (words().complete === "1" || item.hasAttribute("data-published")) {
    // Where not all that fits is shown, one that is not here may just be further down.
    news.add(id);
  }
  showNews();
}

function update(card, item) {
  if (!card.matches(".opening")) return; // It says what became of a claim: that stays.
  if ("gone" in card.dataset) {
    delete card.dataset.gone;
    card.querySelector(".gone-words")?.remove();
  }
  card.dataset.until = item.dataset.until;
  for (const part of item.querySelectorAll("[data-part]")) {
    const place = card.querySelector(`:scope [data-part="${part.dataset.part}"]`);
    if (place && place.innerHTML.trim() !== part.innerHTML.trim()) place.innerHTML = part.innerHTML;
  }
}

/** A card whose opening went: it says so at once, and makes room when nobody is about to press anything there. */
function go(card, why) {
  if (!card.matches(".opening") || "gone" in card.dataset) return;
  // One that is just being claimed gets its answer from there.
  if (card.querySelector(".htmx-request")) return;
  card.dataset.gone = "";
  const said = document.createElement("p");
  said.className = "tag bad gone-words";
  said.textContent = why;
  card.append(said);
  if (card.contains(document.activeElement)) focus(card.querySelector("[data-name]"));
  say(words().sayTaken.replace("{name}", card.querySelector("[data-name]").textContent));
  setTimeout(makeRoom, LINGER_MS, card);
}

function makeRoom(card) {
  if (!("gone" in card.dataset) || !card.isConnected) return;
  if (card.contains(document.activeElement)) return void setTimeout(makeRoom, LINGER_MS, card);
  card.remove();
  moved = performance.now();
}

function showNews() {
  const button = document.getElementById("news-button");
  const before = button.hidden;
  button.textContent = button.dataset.words.replace("{n}", news.size);
  button.hidden = news.size === 0;
  if (before && !button.hidden) say(words().sayNew);
}

/** Ask for all of it again, as it is now. */
function renew() {
  document.getElementById("filters")?.requestSubmit();
}

function tellMatch(id) {
  const link = document.querySelector(`[data-watch="${CSS.escape(id)}"] a`);
  const notice = document.createElement("div");
  notice.className = "notice good";
  const said = document.createElement("p");
  said.append(words().sayMatched, " ");
  if (link) {
    const to = link.cloneNode(true);
    to.removeAttribute("id");
    said.append(to);
  }
  notice.append(said);
  // The place for notices is said aloud by itself.
  document.getElementById("notices").replaceChildren(notice);
}

// A kind of help that was chosen is seen, however far along its line it is.
const kind = document.querySelector(".kinds input:checked")?.parentElement;
if (kind) kind.closest(".chips").scrollLeft = kind.offsetLeft - kind.closest(".chips").clientWidth / 3;

// ---- Time.

function clock(ms) {
  const all = Math.max(0, Math.ceil(ms / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(all / 3600);
  return `${hours ? `${hours}:${two(Math.floor((all % 3600) / 60))}` : Math.floor(all / 60)}:${two(all % 60)}`;
}

function tick() {
  for (const place of document.querySelectorAll("[data-countdown]")) {
    const left = Date.parse(place.dataset.countdown) - now();
    place.textContent = left > 0 ? clock(left) : place.dataset.lapsed;
  }
  for (const card of document.querySelectorAll("#board .opening:not([data-gone])")) {
    if (Date.parse(card.dataset.until) <= now()) go(card, words().old);
  }
}
setInterval(tick, 1000);
tick();

/** How long ago each place was attested: what stands there was true when it was sent. */
function age() {
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang);
  for (const each of document.querySelectorAll("[data-part=ago] time")) {
    const seconds = (now() - Date.parse(each.dateTime)) / 1000;
    const [unit, size] = [["day", 86_400], ["hour", 3600], ["minute", 60]].find(([, size]) => seconds >= size) ?? [];
    if (unit) each.textContent = list().dataset.attested.replace("%s", words.format(-Math.round(seconds / size), unit));
  }
}
setInterval(age, 30_000);

// ---- Presses and focus.

document.addEventListener("click", (event) => {
  const press = event.detail > 0 && event.target.closest(".opening button");
  if (!press || performance.now() - moved > GUARD_MS) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

function focus(place) {
  if (!place) return;
  place.tabIndex = -1;
  place.focus({ preventScroll: true });
}

document.addEventListener("htmx:afterSwap", ({ detail }) => {
  const by = detail.requestConfig?.elt;
  tick();
  if (by?.matches("form[data-claim]")) {
    // What became of the claim, where it was made.
    const place = document.querySelector("[data-focus]:not([data-told])");
    if (place) {
      place.dataset.told = "";
      focus(place);
      place.closest("li").scrollIntoView({ block: "nearest" });
    }
  } else if (detail.target?.id === "board") {
    for (const id of news) for (const card of cardsOf(id)) card.classList.add("arriving");
    if (news.size) focus(document.getElementById("board-title"));
    news.clear();
  }
});

// ---- Where one is: about a kilometre is enough, and nothing of it is kept.

document.addEventListener("click", ({ target }) => {
  const button = target.closest("#near-me");
  if (!button) return;
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      document.getElementById("near").value = `${coords.latitude.toFixed(2)},${coords.longitude.toFixed(2)}`;
      renew();
    },
    () => {
      const notice = document.createElement("p");
      notice.className = "notice due";
      notice.textContent = button.dataset.fails;
      document.getElementById("notices").replaceChildren(notice);
    },
    { maximumAge: 60_000, timeout: 10_000 },
  );
});
