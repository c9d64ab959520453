// Claims: what is left of each hold, by the server's clock; and what changed by itself, said aloud.

import { now, say } from "./page.js";

const two = (number) => String(number).padStart(2, "0");

function words(seconds) {
  const hours = Math.floor(seconds / 3600), rest = `${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return hours ? `${hours}:${rest}` : rest;
}

// The card turns by itself, network or not; then the server is asked how things stand.
function runOut(card) {
  card.dataset.state = "lapsed";
  card.querySelector(".going").hidden = true;
  card.querySelector(".gone").hidden = false;
  card.classList.replace("due", "bad");
  htmx.trigger("#news", "lapsed");
}

function tick() {
  for (const each of document.querySelectorAll("[data-left]")) {
    const left = Math.ceil((Date.parse(each.dataset.left) - now()) / 1000);
    const card = each.closest(".claim");
    if (left <= 0) {
      if (card.dataset.state === "held") runOut(card);
    } else {
      each.textContent = left < 86400 ? words(left) : "";
      card.classList.toggle("soon", left < 600);
    }
  }
}

let known = null;

function look() {
  const cards = [...document.querySelectorAll(".claim[data-says]")];
  const news = cards.filter((card) => known && known.get(card.id) !== card.dataset.state);
  if (news.length) say(news.map((card) => card.dataset.says).join(". "));
  known = new Map(cards.map((card) => [card.id, card.dataset.state]));
  tick();
}

// What somebody has opened stays open, whatever else changes.
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) => !(name === "open" && element.tagName === "DETAILS");
document.addEventListener("htmx:afterSettle", look);
// The stream ends when a page should be loaded anew: signed out, or the server restarts.
document.addEventListener("htmx:sseClose", (event) => {
  if (event.detail.type === "message") setTimeout(() => location.reload(), 1000 + 4000 * Math.random());
});
setInterval(tick, 1000);
look();
