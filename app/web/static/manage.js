// Copies what is shown once. Without a script it is copied by hand.
import { say } from "./page.js";

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const shown = document.getElementById(button.dataset.copy);
    shown.select();
    await navigator.clipboard.writeText(shown.value);
    say(button.textContent = button.dataset.done);
  });
}
