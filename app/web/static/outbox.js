// Claims that could not be sent, or whose answer was lost. Each waits in the cache `outbox` under the key by which the
// server knows a repetition, is sent again while its hold could still be true, and then says what it got.

import { at, now } from "./page.js";

const words = document.getElementById("offline")?.dataset ?? {};
const outbox = () => caches.open("outbox");
// Whom it was for is needed for sending alone, and goes once there is an answer.
const written = ({ fields, ...about }) =>
  new Response(JSON.stringify(about.answer === undefined ? { ...about, fields } : about));

/** Have a claim wait: its fields, until when its hold could still be true, and whether it may have arrived (`maybe`).
 * One that waits already, or is held, stays as it is. */
export async function put(form, submitter, maybe) {
  const fields = new URLSearchParams(new FormData(form, submitter));
  const kept = await outbox();
  const name = `/outbox/${fields.get("key")}`;
  const before = await (await kept.match(name))?.json();
  if (!before || (before.answer !== undefined && !before.held)) {
    const minutes = document.querySelector("[data-hold-minutes]")?.dataset.holdMinutes ?? 30;
    const until = now() + minutes * 60_000;
    const about = { action: form.getAttribute("action"), what: form.dataset.what, until, maybe, fields: String(fields) };
    await kept.put(name, written(about));
  }
  await list();
  tell(maybe ? words.silent : words.unsent, "due", "#unsent-title", words.see);
}

function element(name, text, className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function link(to, text) {
  const made = element("a", text, "button");
  made.href = to;
  return made;
}

/** Above all on the page, and aloud. */
function tell(text, kind, to, linked) {
  const notice = element("div", "", `notice ${kind}`);
  notice.append(element("p", text), link(to, linked));
  document.getElementById("notices").replaceChildren(notice);
}

const onward = ({ held, out, maybe, action }) =>
  held || (maybe && !out) ? ["/claims", words.toClaims] : out ? ["/sign-in", words.toSignIn] : [action.replace("/claims", ""), words.toBoard];

const told = ({ maybe, until }) => (maybe ? words.doubt : words.waits).replace("{time}", at(until));

/** Show what has not been sent, and what became of it; where it was claimed, that it waits. */
export async function list() {
  const place = document.getElementById("unsent");
  if (!place) return;
  const kept = await outbox();
  const items = [];
  const waiting = new Map();
  for (const request of await kept.keys()) {
    const about = await (await kept.match(request)).json();
    const waits = about.answer === undefined;
    if (waits) waiting.set(new URLSearchParams(about.fields).get("key"), about.maybe ? words.silent : words.unsent);
    const item = element("li", "", `card ${waits ? "due" : about.held ? "good" : "bad"}`);
    const acts = element("div", "", "row");
    const gone = element("button", waits ? words.cancel : words.dismiss);
    gone.type = "button";
    gone.append(element("span", `: ${about.what}`, "aloud"));
    gone.addEventListener("click", async () => {
      await kept.delete(request);
      await list();
      document.getElementById("main").focus({ preventScroll: true });
    });
    if (!waits) acts.append(link(...onward(about)));
    acts.append(gone);
    item.append(element("h3", about.what), element("p", about.answer ?? told(about)));
    if (about.why) item.append(element("p", about.why));
    item.append(acts);
    items.push(item);
  }
  place.replaceChildren(...items);
  place.parentElement.hidden = items.length === 0;
  for (const form of document.querySelectorAll("form[data-claim]")) {
    form.querySelector(".waiting")?.remove();
    const said = waiting.get(form.elements.key.value);
    if (said) form.append(element("p", said, "tag due waiting"));
  }
}

/** What a claim got, put into `about`. False where that is to be asked again. */
async function ask(about) {
  const response = await fetch(about.action, {
    method: "POST",
    body: new URLSearchParams(about.fields),
    headers: { "HX-Request": "true" },
    signal: AbortSignal.timeout(20_000),
  });
  if (response.status >= 500 || response.status === 429) return false;
  const body = new DOMParser().parseFromString(await response.text(), "text/html");
  about.out = response.headers.has("HX-Redirect");
  about.held = Boolean(body.querySelector("[data-held]"));
  const taken = body.querySelector("[data-refused]");
  about.answer = about.out ? (about.maybe ? words.unknown : words.out) : about.held ? words.held : taken ? words.taken : words.refused;
  about.maybe &&= about.out;
  about.why = about.held || about.out || taken ? "" : body.querySelector("h2")?.textContent;
  return true;
}

/** Send all that waits, each under its own key. Several windows don't do it at once. True if the server has answered. */
export const send = () => navigator.locks.request("outbox", { ifAvailable: true }, async (alone) => {
  let heard = false;
  if (!alone || !(await caches.has("outbox"))) return heard;
  const kept = await outbox();
  for (const request of await kept.keys()) {
    const about = await (await kept.match(request))?.json();
    if (!about || about.answer !== undefined) continue;
    if (now() > about.until) {
      about.answer = about.maybe ? words.unknown : words.late;
    } else {
      try {
        if (!(await ask(about))) break;
      } catch {
        // Still no answer. Where the browser knows of no network, it was not even sent.
        about.maybe ||= navigator.onLine;
        if (await kept.match(request)) await kept.put(request, written(about));
        break;
      }
      heard = true;
    }
    // Whoever took it back meanwhile, or signed out, has it kept no more.
    if (await kept.match(request)) await kept.put(request, written(about));
    await list();
    tell(about.answer, about.held ? "good" : "bad", ...onward(about));
  }
  return heard;
});
