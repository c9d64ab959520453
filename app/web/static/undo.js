// Steps that can be taken back for a few seconds. A claim's state never goes back, so until then nothing is sent, and
// nothing is shown as done. Whoever leaves the page means it: what waits is sent at once.

import { say } from "./page.js";

const SECONDS = 5;
const DOUBLE_TAP = 500;
const jobs = new Set();

/** Take over every form with `data-undo`. `look` reads the desk anew. */
export function keepSteps(live, look) {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.dataset.undo) return;
    event.preventDefault();
    begin(form, event.submitter);
  });

  function begin(form, button) {
    const place = form.closest(".steps");
    const job = { place, button, before: [...place.childNodes], action: form.action, begun: Date.now() };
    job.body = new URLSearchParams(new FormData(form, button));
    const undo = document.createElement("button");
    const left = document.createElement("span");
    const bar = document.createElement("progress");
    undo.type = "button";
    undo.className = "undo";
    undo.id = `undo-${place.id}`;
    left.setAttribute("aria-hidden", "true");
    bar.setAttribute("aria-hidden", "true");
    bar.max = SECONDS;
    undo.append(form.dataset.undo, " ", left, bar);
    // A double tap is one: its second half must not take back its first.
    undo.addEventListener("click", () => { if (Date.now() - job.begun > DOUBLE_TAP && !job.sending) takeBack(job); });
    place.dataset.mine = "";
    place.replaceChildren(undo);
    undo.focus({ preventScroll: true });
    say(form.dataset.undo);
    const tick = () => {
      const rest = SECONDS - (Date.now() - job.begun) / 1000;
      bar.value = Math.max(0, rest);
      left.textContent = `(${Math.max(0, Math.ceil(rest))})`;
      if (rest <= 0) send(job);
    };
    job.clock = setInterval(tick, 100);
    tick();
    jobs.add(job);
  }

  function takeBack(job) {
    leave(job);
    job.button.focus({ preventScroll: true });
    look();
  }

  async function send(job) {
    clearInterval(job.clock);
    if (job.sending) return;
    job.sending = true;
    // From an element of its own: one that has a request under way would drop all but the last of those that wait.
    job.source = live.appendChild(document.createElement("i"));
    try {
      await htmx.ajax("POST", job.action, {
        source: job.source, target: "#desk", swap: "morph:outerHTML", values: Object.fromEntries(job.body),
      });
    } catch {
      failed(job);
    }
    job.sending = false;
    job.source.remove();
  }

  // The answer is here, whatever it says: what can be done now is for the desk to show. One that is not ours is none.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const job = [...jobs].find((each) => each.source === detail.requestConfig.elt);
    if (job && detail.shouldSwap) leave(job);
    else if (job) failed(job);
  });

  function leave(job) {
    const watched = job.place.contains(document.activeElement);
    clearInterval(job.clock);
    jobs.delete(job);
    delete job.place.dataset.mine;
    job.place.classList.remove("failed");
    job.place.replaceChildren(...job.before);
    // Not on a button: whoever presses a key once too often must not take the next step.
    if (watched) job.place.closest(".claim")?.focus({ preventScroll: true });
  }

  function failed(job) {
    const words = document.createElement("p");
    const again = document.createElement("button");
    words.textContent = live.dataset.notSent;
    again.type = "button";
    again.className = "main";
    again.textContent = live.dataset.sendAgain;
    again.addEventListener("click", () => send(job));
    job.place.classList.add("failed");
    job.place.replaceChildren(words, again);
    // The claim may be gone from the desk meanwhile. That this was not sent is still to be said.
    if (!job.place.isConnected) document.getElementById("notices").append(job.place);
    say(words.textContent);
  }

  // What is on its way may be cut off with the page, so it is sent too: a step that is told twice is taken once.
  function flush() {
    for (const job of [...jobs]) {
      if (navigator.sendBeacon(job.action, job.body)) leave(job);
    }
  }
  addEventListener("pagehide", flush);
  document.addEventListener("visibilitychange", () => { if (document.hidden) flush(); });
  addEventListener("online", () => { for (const job of [...jobs]) if (job.place.classList.contains("failed")) send(job); });
}
