// A consent: drawing a signature, going to what is wrong, printing.

const pad = document.querySelector(".draw");
if (pad) {
  const picture = pad.querySelector("svg"), path = pad.querySelector("path");
  const field = document.querySelector("[name=drawing]");
  const MOST = 50000; // The server takes 60,000 signs.
  pad.hidden = false;

  const at = (event) => {
    const box = picture.getBoundingClientRect();
    return `${Math.round((event.clientX - box.left) / box.width * 600)} ${Math.round((event.clientY - box.top) / box.height * 200)}`;
  };
  const draw = (words) => {
    if (field.value.length > MOST) return;
    field.value += words;
    path.setAttribute("d", field.value);
  };
  picture.addEventListener("pointerdown", (event) => {
    picture.setPointerCapture(event.pointerId);
    // A dot is a line to where it is.
    draw(`M${at(event)}L${at(event)}`);
  });
  picture.addEventListener("pointermove", (event) => {
    if (picture.hasPointerCapture(event.pointerId)) draw(`L${at(event)}`);
  });
  pad.querySelector("button").addEventListener("click", () => {
    field.value = "";
    path.setAttribute("d", "");
  });
}

document.getElementById("summary")?.focus();

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
