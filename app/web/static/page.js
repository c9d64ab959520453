// What every page does in the browser: the server's clock, words said aloud, focus that is never lost.

let offset = Date.parse(document.body.dataset.now) - Date.now();

/** How many milliseconds the server is ahead, for a page that was not made just now. */
export const setClock = (ahead) => { offset = ahead; };

/** The moment by the server's clock, in milliseconds: a phone's own may be wrong. */
export const now = () => Date.now() + offset;

/** A moment as a time of day, with its day unless that is today. */
export function at(moment) {
  const day = new Date(moment).toDateString() === new Date().toDateString() ? {} : { weekday: "short" };
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { ...day, hour: "numeric", minute: "2-digit" });
  return format.format(moment);
}

/** Have a page whose stream ends because nobody is signed in any more loaded anew: signing in comes next. */
export function heed(source) {
  source.addEventListener("end", ({ data }) => { if (data === "unauthorized") location.reload(); });
}

const aloud = document.getElementById("aloud");
let latest = 0;

/** Have a screen reader say this, at most once in four seconds: what comes sooner replaces what waits. */
export function say(words) {
  clearTimeout(say.waits);
  say.waits = setTimeout(() => {
    latest = Date.now();
    aloud.textContent = words;
  }, Math.max(0, latest + 4000 - Date.now()));
}

// A swap may take away what had the focus. It goes to the same thing if that is there again, else to the page.
let held = null;
document.addEventListener("htmx:beforeSwap", () => { held = document.activeElement?.id || null; });
document.addEventListener("htmx:afterSettle", () => {
  if (document.activeElement !== document.body) return;
  (held && document.getElementById(held) || document.getElementById("main")).focus({ preventScroll: true });
});
