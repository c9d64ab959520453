// An invitation's token stands after # in its link: it goes to the server in a form, and out of the address.

const token = location.hash.slice(1);
if (token) {
  history.replaceState(null, "", location.pathname);
  const form = document.getElementById("invitation");
  form.elements.token.value = token;
  form.requestSubmit();
}
