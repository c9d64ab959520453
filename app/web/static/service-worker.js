// Between pages and network. Files are at hand; a page that can't be reached is answered by the one that says so.
// What the pages themselves keep (see offline.js) is in caches of other names, and goes with signing out.

const FILES_KEPT = `files ${VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const kept = await caches.open(FILES_KEPT);
    await kept.addAll([...FILES, "/offline"]);
    await self.skipWaiting();
  })());
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith("files ") && name !== FILES_KEPT) await caches.delete(name);
    }
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/static/")) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)));
  } else if (request.mode === "navigate") {
    event.respondWith(fetch(request).catch(async () => (await away()) ?? Response.error()));
  }
});

// As it was kept last, in the language and the looks of then; else as it was installed.
async function away() {
  const kept = (await caches.has("kept")) && (await (await caches.open("kept")).match("/offline"));
  return kept || caches.match("/offline");
}

self.addEventListener("push", (event) => {
  const { title, body, url, tag, lang } = event.data.json();
  event.waitUntil(self.registration.showNotification(title, { body, tag, lang, icon: ICON, data: { url } }));
});

// The page that it is about, in a window that is there or in a new one. Another site's it can't be.
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const url = new URL(event.notification.data.url, location.origin);
  if (url.origin !== location.origin) return;
  event.waitUntil((async () => {
    await self.clients.claim(); // A page that was there before this worker may not have been its own yet.
    const [open] = await self.clients.matchAll({ type: "window" });
    if (!open) return self.clients.openWindow(url.href);
    await open.focus().catch(() => {});
    return open.navigate(url.href);
  })());
});
