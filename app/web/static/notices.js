// Being told in this browser: it subscribes with its push service, and the server learns where that is.

const form = document.getElementById("tell-here");

async function subscribe() {
  const { public_key: applicationServerKey } = await (await fetch("/v1/me/push-key")).json();
  const worker = await navigator.serviceWorker.ready;
  // A subscription of another program, or of older keys, can't be used here.
  await (await worker.pushManager.getSubscription())?.unsubscribe();
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey });
  const response = await fetch("/v1/me/push-subscriptions", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(subscription),
  });
  if (!response.ok) throw new Error(`subscribing: ${response.status}`);
}

if (form && "PushManager" in window && navigator.serviceWorker) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const wrong = form.querySelector("[role=alert]");
    wrong.textContent = "";
    if (await Notification.requestPermission() !== "granted") {
      wrong.textContent = form.dataset.denied;
      return;
    }
    try {
      await subscribe();
      location.assign("/account?done=browser");
    } catch {
      wrong.textContent = form.dataset.failed;
    }
  });
}
