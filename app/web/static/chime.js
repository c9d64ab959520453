// Two soft notes when somebody claims a place. Browsers allow sound only once somebody has touched the page.

const KEY = "openberth.sound";
let context = null;

/** Whether the person at this desk wants to hear it. */
export const wanted = () => {
  try { return localStorage.getItem(KEY) !== "off"; } catch { return true; }
};

/** Remember whether it is wanted, where the browser lets pages remember. */
export const want = (on) => {
  try { localStorage.setItem(KEY, on ? "on" : "off"); } catch { /* It is asked anew next time. */ }
};

/** Whether the browser lets it be heard. */
export const allowed = () => context?.state === "running";

/** Ask the browser for it, from within a tap or a key. */
export async function allow() {
  context ??= new AudioContext();
  await context.resume();
}

/** Ring, if it may be heard. */
export function chime() {
  if (!wanted() || !allowed()) return;
  [[660, 0], [880, 0.18]].forEach(([pitch, after]) => {
    const start = context.currentTime + after;
    const tone = context.createOscillator();
    const volume = context.createGain();
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, start);
    volume.gain.exponentialRampToValueAtTime(0.25, start + 0.03);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + 0.6);
    tone.connect(volume).connect(context.destination);
    tone.start(start);
    tone.stop(start + 0.65);
  });
}
