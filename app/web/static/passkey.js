// Passkeys: asks this device for one, or to make one, and sends what it answers as a form. The server says the rest.

const ready = window.PublicKeyCredential?.parseRequestOptionsFromJSON;
let asking = new AbortController();

async function options(form, signal) {
  const body = {};
  for (const name of form.dataset.ask.split(" ").filter(Boolean)) body[name] = form.elements[name].value;
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(form.dataset.options, { method: "POST", headers, body: JSON.stringify(body), signal });
  // Signed in too long ago, or out: the page itself knows what comes first.
  if ([401, 403].includes(response.status) && form.dataset.passkey === "create") location.reload();
  if (!response.ok) throw new Error(`${form.dataset.options}: ${response.status}`);
  return (await response.json()).options;
}

/** Ask the device, which lets one question be asked at a time, and send its answer. */
async function answer(form, mediation) {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const json = await options(form, signal);
  const made = form.dataset.passkey === "create"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(json), signal })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(json), mediation, signal });
  form.elements.credential.value = JSON.stringify(made);
  form.submit();
}

/** Have the browser offer passkeys where the e-mail address is typed. Nobody has asked, so nobody is told of a failure. */
async function offer(form) {
  if (document.visibilityState !== "visible" || !(await PublicKeyCredential.isConditionalMediationAvailable?.())) return;
  await answer(form, "conditional").catch((error) => console.debug(error));
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.hidden = !ready;
  const told = form.querySelector("[role=alert]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    told.textContent = "";
    try {
      await answer(form);
    } catch (error) {
      const words = { NotAllowedError: "none", InvalidStateError: "already" }[error.name] ?? "failed";
      if (error.name !== "AbortError") told.textContent = form.dataset[words];
    }
  });
  if (ready && form.dataset.passkey === "get") {
    offer(form);
    // A challenge grows old, and another tab's sign-in takes its place: what is offered is always new.
    document.addEventListener("visibilitychange", () => offer(form));
  }
}
