// Nobody is signed in here any more: what pages kept goes, and a claim that was never sent is not lost without a word.

const outbox = await caches.open("outbox");
for (const request of await outbox.keys()) {
  const { answer, out } = await (await outbox.match(request)).json();
  if (answer === undefined || out) document.getElementById("forgotten").hidden = false;
}
await Promise.all(["outbox", "kept"].map((name) => caches.delete(name)));
