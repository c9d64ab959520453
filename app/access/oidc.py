"""OpenID Connect as a relying party: discovery, the authorization code with PKCE, and the checks of an ID token.

What is said over HTTP goes through the guarded client of `core/outbound.py`. The protocol's own parts are Authlib's
and joserfc's; not Authlib's HTTP client, which is another library than ours on newer Pythons and could not be guarded
by the same transport.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from app.access.providers import Client
from app.core.outbound import Unreachable, outbound_client
from app.core.problems import NotSignedIn, Problem, Sentence

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA")
"""Signatures by a key that the provider alone has: `none` and those by a shared secret are no proof of who spoke."""
_LEEWAY_SECONDS = 60
_REFUSED = "The identity provider's answer can't be trusted, so it did not sign you in. Start again."


def check_issuer(url: str) -> str:
    """The address, if an issuer may have it. Raises ValueError."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise ValueError(Sentence("give the issuer's address, such as https://accounts.example.org")) from None
    if parsed.scheme not in {"https", "http"} or not parsed.host or parsed.query or parsed.fragment or parsed.userinfo:
        raise ValueError(Sentence("give the issuer's address, such as https://accounts.example.org"))
    return url


class ProviderFault(Problem):
    """502: the identity provider could not be reached, or answered otherwise than OpenID Connect says."""

    status = 502
    slug = "identity-provider"
    title = "The identity provider doesn't answer as it should"


@dataclass(frozen=True, slots=True)
class Metadata:
    """What of a provider's discovery document is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    auth_methods: tuple[str, ...]
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Claims:
    """Who the provider says came. `email` is None unless the provider says that it has verified it."""

    issuer: str
    subject: str
    email: str | None


class Provider:
    """One provider, for as long as one step of one sign-in takes."""

    def __init__(self, client: Client, redirect_uri: str, *, local: bool) -> None:
        """`local`: the issuer may be on this machine and without TLS, for development."""
        self.issuer = client.issuer
        self._client = client
        self._redirect_uri = redirect_uri
        self._local = local

    async def metadata(self) -> Metadata:
        """The discovery document. Raises ProviderFault, also where it is about another issuer than it came from."""
        document = await self._json("GET", get_well_known_url(self._client.issuer, external=True))
        if document.get("issuer") != self._client.issuer:
            raise ProviderFault(f"The discovery document is not about {self._client.issuer}.")
        offered = document.get("id_token_signing_alg_values_supported") or ["RS256"]
        try:
            found = Metadata(
                issuer=self._client.issuer,
                authorization_endpoint=str(document["authorization_endpoint"]),
                token_endpoint=str(document["token_endpoint"]),
                jwks_uri=str(document["jwks_uri"]),
                userinfo_endpoint=document.get("userinfo_endpoint"),
                # Where a provider doesn't say, it takes this one (OpenID Connect Discovery 1.0 §3).
                auth_methods=tuple(document.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]),
                algorithms=tuple(each for each in _ALGORITHMS if each in offered),
            )
        except (KeyError, TypeError) as error:
            raise ProviderFault("The discovery document lacks what signing in needs.") from error
        if not found.algorithms:
            raise ProviderFault("The provider signs in no way that can be checked here.")
        if not self._local and not found.authorization_endpoint.startswith("https://"):
            raise ProviderFault("The provider asks people to sign in without TLS.")
        return found

    def authorization_url(self, metadata: Metadata, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to sign in."""
        client = OAuth2Client(
            None, self._client.client_id, redirect_uri=self._redirect_uri, scope="openid email",
            code_challenge_method="S256",
        )  # fmt: skip
        url, _ = client.create_authorization_url(
            metadata.authorization_endpoint, state=state, code_verifier=verifier, nonce=nonce
        )
        return str(url)

    async def claims(self, metadata: Metadata, code: str, *, nonce: str, verifier: str) -> Claims:
        """Exchange the code, and check everything about the ID token that came for it.

        Raises NotSignedIn for a token that fails any check, ProviderFault where none came.
        """
        tokens = await self._exchange(metadata, code, verifier)
        id_token, access_token = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(id_token, str):
            raise ProviderFault("The provider gave no ID token.")
        keys = await self._json("GET", metadata.jwks_uri)
        try:
            token = jwt.decode(
                id_token,
                KeySet.import_key_set(keys),  # type: ignore[arg-type]
                registry=JWSRegistry(algorithms=list(metadata.algorithms), strict_check_header=False),
            )
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": metadata.issuer},
                    "aud": {"essential": True, "value": self._client.client_id},
                },
                {"nonce": nonce, "client_id": self._client.client_id, "access_token": access_token},
            )
            claims.validate(leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotSignedIn(_REFUSED) from error
        about = dict(token.claims)
        if "email" not in about and metadata.userinfo_endpoint and isinstance(access_token, str):
            told = await self._json(
                "GET", metadata.userinfo_endpoint, headers={"Authorization": f"Bearer {access_token}"}
            )
            if told.get("sub") != about["sub"]:
                raise NotSignedIn(_REFUSED)
            about |= {name: told.get(name) for name in ("email", "email_verified")}
        email = about.get("email")
        verified = about.get("email_verified") is True and isinstance(email, str)
        return Claims(metadata.issuer, about["sub"], email if verified else None)

    async def _exchange(self, metadata: Metadata, code: str, verifier: str) -> dict[str, Any]:
        """The tokens for the code. Raises NotSignedIn when the provider takes the code for none of its own."""
        body = urlencode(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._redirect_uri,
                "code_verifier": verifier,
            }
        )
        method = "none"
        if self._client.client_secret is not None:
            basic = "client_secret_basic" in metadata.auth_methods
            method = "client_secret_basic" if basic else "client_secret_post"
        auth = ClientAuth(self._client.client_id, self._client.client_secret, method)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url, headers, body = auth.prepare("POST", metadata.token_endpoint, headers, body)  # type: ignore[no-untyped-call]
        try:
            return await self._json("POST", url, headers=headers, content=body)
        except ProviderFault as fault:
            if fault.extra.get("answered") in {400, 401}:
                raise NotSignedIn(_REFUSED) from fault
            raise

    async def _json(self, method: str, url: str, **request: Any) -> dict[str, Any]:
        """A JSON object from the provider. Raises ProviderFault."""
        try:
            async with outbound_client(local=self._local) as http:
                response = await http.request(method, url, **request)
            if response.status_code != 200:
                raise ProviderFault(
                    f"The identity provider answered {response.status_code}.", answered=response.status_code
                )
            document = response.json()
        except Unreachable as error:
            raise ProviderFault(f"The identity provider can't be called: {error}") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderFault("The identity provider can't be reached. Try again shortly.") from error
        except ValueError as error:
            raise ProviderFault("The identity provider's answer is not JSON.") from error
        if not isinstance(document, dict):
            raise ProviderFault("The identity provider's answer is no JSON object.")
        return document
