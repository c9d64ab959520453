// An invitation's token stands after # in its link: it goes to the server in a form, and out of the address.

function send() {
  const token = location.hash.slice(1);
  if (!token) return;
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("invitation");
  form.elements.token.value = token;
  form.requestSubmit();
}

send();
// The link may be opened where this page is already.
addEventListener("hashchange", send);
