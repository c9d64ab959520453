"""An OpenID Connect provider that speaks HTTP on this machine: a real one, which can be made to lie."""

import hmac
import json
import os
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import oidc_provider_mock
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

Claims = dict[str, Any]

_INSECURE = "AUTHLIB_INSECURE_TRANSPORT"


class Issuer:
    """The provider. `lie` changes the claims of the next ID tokens, which are signed anew by `key`.

    `other_subject` is whom it tells about instead when asked for more.
    `published` is the key that it publishes while it lies. `asked` is what came to its token endpoint.
    """

    def __init__(self) -> None:
        self.address = ""
        self.lie: Callable[[Claims], None] | None = None
        self.key = RSAKey.generate_key(2048, {"kid": "lies", "use": "sig"})
        self.published = self.key
        self.algorithm = "RS256"
        self.claimed_issuer: str | None = None
        self.other_subject: str | None = None
        self.asked: list[dict[str, list[str]]] = []
        self._inner = oidc_provider_mock.app()

    def reset(self) -> None:
        """Be honest again."""
        self.lie, self.published, self.algorithm, self.claimed_issuer = None, self.key, "RS256", None
        self.other_subject = None
        self.asked.clear()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """The WSGI application: the provider's own answer, changed where it lies."""
        path = environ["PATH_INFO"]
        if path == "/oauth2/token":
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            self.asked.append(parse_qs(body.decode()))
            environ["wsgi.input"] = BytesIO(body)
        response = Response.from_app(self._inner, environ)
        if path == "/.well-known/openid-configuration" and self.claimed_issuer:
            response.data = json.dumps(json.loads(response.data) | {"issuer": self.claimed_issuer})
        elif self.other_subject and path == "/userinfo":
            response.data = json.dumps(json.loads(response.data) | {"sub": self.other_subject})
        elif self.lie is not None and path == "/jwks":
            response.data = json.dumps({"keys": [self.published.as_dict(private=False)]})
        elif self.lie is not None and path == "/oauth2/token" and response.status_code == 200:
            answer = json.loads(response.data)
            claims = jwt_claims(answer["id_token"])
            self.lie(claims)
            answer["id_token"] = self._signed(claims)
            response.data = json.dumps(answer)
        return response(environ, start_response)

    def _signed(self, claims: Claims) -> str:
        if self.algorithm == "none":
            return f"{_part({'alg': 'none'})}.{_part(claims)}."
        if self.algorithm == "HS256":
            # The public key, which everybody has, taken for a shared secret.
            signed = f"{_part({'alg': 'HS256', 'kid': 'lies'})}.{_part(claims)}"
            mac = hmac.digest(self.key.as_pem(private=False), signed.encode(), "sha256")
            return f"{signed}.{urlsafe_b64encode(mac).decode().rstrip('=')}"
        return jwt.encode({"alg": self.algorithm, "kid": "lies"}, claims, self.key)

    async def knows(self, subject: str, **claims: Any) -> None:
        """Let the provider know a person."""
        async with httpx.AsyncClient(base_url=self.address) as http:
            assert (await http.put(f"/users/{subject}", json=claims)).status_code == 204

    async def authorize(self, url: str, subject: str | None) -> httpx.URL:
        """Sign in at the provider, or decline to, as a person does on its page: where it sends the browser."""
        async with httpx.AsyncClient() as http:
            page = await http.get(url)
            assert page.status_code == 200, page.text
            form = {"action": "deny"} if subject is None else {"sub": subject}
            answer = await http.post(url, data=form)
            assert answer.status_code == 302, answer.text
            return httpx.URL(answer.headers["location"])


def jwt_claims(token: str) -> Claims:
    """What a token says, unchecked."""
    middle = token.split(".")[1]
    claims: Claims = json.loads(urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return claims


def _part(document: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def query(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@contextmanager
def running() -> Iterator[Issuer]:
    """The provider, served on a port of its own."""
    # Authlib's own server would rather speak TLS.
    already = os.environ.get(_INSECURE)
    os.environ[_INSECURE] = "1"
    issuer = Issuer()
    server = make_server("127.0.0.1", 0, issuer, threaded=True)
    issuer.address = f"http://127.0.0.1:{server.port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        # Another one may be running still.
        if already is None:
            del os.environ[_INSECURE]
