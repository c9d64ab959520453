"""Signing in with OpenID Connect: from the redirect there to the session here."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.access import challenges
from app.access.callers import Caller
from app.access.challenges import OVER, Kind, Over
from app.access.invitations import open_invitation
from app.access.oidc import Claims, Metadata, Provider
from app.access.opaque import program_of_token
from app.access.openid_subjects import bind, bound_person
from app.access.people import Person, find_person
from app.access.providers import Client, IdentityProvider, client_of, list_providers, put_provider
from app.access.sign_in import Door, Entered, Visitor
from app.core.problems import Invalid, NotSignedIn, Sentence

NOT_INVITED = (
    "Nobody here is known by this account. The first time, your provider must confirm the e-mail address that you"
    " were invited with, while the invitation holds. Ask your program manager."
)

_BELIEVED_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Leaving:
    """A browser on its way to the provider: where to, and the token for the challenge's cookie."""

    url: str
    challenge: str


class OpenIdDoor:
    """The door for those whom a provider vouches for."""

    def __init__(self, door: Door, *, local: bool) -> None:
        """`local`: issuers may be on this machine and without TLS, for development."""
        self._door = door
        self._local = local
        self._believed: dict[str, tuple[float, Metadata | None]] = {}
        self._redirect_uri = f"{door.site.origin}/v1/sign-in/openid/callback"

    async def choices(self, program: str) -> Sequence[IdentityProvider]:
        """With which providers people may sign in to a program; for a name that is no program's, none."""
        async with self._door.transaction(await self._door.program(program), "sign-in", reads=True) as session:
            return await list_providers(session)

    @property
    def redirect_uri(self) -> str:
        """Where a provider sends browsers back to: what to register with it."""
        return self._redirect_uri

    async def set_up(
        self, caller: Caller, slug: str, *, name: str, issuer: str, client_id: str, client_secret: str | None
    ) -> IdentityProvider:
        """Set a provider up for the caller's program, or another in its place.

        Its discovery document is read first: a wrong issuer is told at once. Raises Invalid, ProviderFault.
        """
        if not self._local and not issuer.startswith("https://"):
            raise Invalid.at("issuer", Sentence("The issuer's address starts with https://."))
        client = Client(slug, issuer, client_id, client_secret)
        await Provider(client, self._redirect_uri, local=self._local).metadata()
        # Only now a transaction: none is held while somebody else's server is asked.
        async with self._door.transaction(caller.program_id, str(caller.id)) as session:
            return await put_provider(
                session,
                self._door.keyring,
                caller.program_id,
                slug,
                name=name,
                issuer=issuer,
                client_id=client_id,
                client_secret=client_secret,
            )

    async def leave(self, program: str, slug: str, return_to: str) -> Leaving:
        """Begin to sign in with a provider of the program. Raises NotFound, ProviderFault.

        State, nonce and verifier stay here, bound to the browser by a cookie: what comes back in another browser is
        nobody's, so nobody can be signed in to an account that isn't theirs.
        """
        program_id = await self._door.program(program)
        provider = await self._provider(program_id, slug)
        metadata = await self._metadata(provider)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        async with self._door.transaction(program_id, "sign-in") as session:
            challenge = await challenges.pose(
                session, program_id, Kind.OPENID,
                state=state, nonce=nonce, verifier=verifier, provider=slug, return_to=return_to,
            )  # fmt: skip
        return Leaving(provider.authorization_url(metadata, state=state, nonce=nonce, verifier=verifier), challenge)

    async def come_back(
        self, visitor: Visitor, *, state: str, code: str | None, issuer: str | None
    ) -> tuple[Entered, str]:
        """Come back from the provider: who is signed in now, and the page they wanted. Raises NotSignedIn."""
        program_id = program_of_token(visitor.challenge or "")
        if visitor.challenge is None or program_id is None:
            raise Over
        async with self._door.transaction(program_id, "sign-in") as session:
            challenge = await challenges.take(session, Kind.OPENID, visitor.challenge)
        asked = challenge.data
        if not secrets.compare_digest(state.encode("utf-8", "surrogatepass"), asked["state"].encode()):
            await self._door.refuse(program_id, "openid", OVER)
        if code is None:
            await self._door.refuse(program_id, "openid", "You did not sign in at the identity provider.")
        provider = await self._provider(program_id, asked["provider"])
        if issuer is not None and issuer != provider.issuer:
            # RFC 9207: the answer is another provider's, mixed up with this one's, and so is the code.
            await self._door.refuse(program_id, "openid", OVER)
        try:
            metadata = await self._metadata(provider)
            claims = await provider.claims(metadata, code, nonce=asked["nonce"], verifier=asked["verifier"])
        except NotSignedIn as refusal:
            await self._door.refuse(program_id, "openid", refusal.detail)
        entered = None
        async with self._door.transaction(program_id, "sign-in") as session:
            person = await self._person(session, claims)
            if person is not None:
                entered = await self._door.enter(session, person, visitor, "openid")
        if entered is None:
            await self._door.refuse(program_id, "openid", NOT_INVITED)
        return entered, asked["return_to"]

    async def _provider(self, program_id: UUID, slug: str) -> Provider:
        async with self._door.transaction(program_id, "sign-in") as session:
            client = await client_of(session, self._door.keyring, slug)
        return Provider(client, self._redirect_uri, local=self._local)

    async def _metadata(self, provider: Provider) -> Metadata:
        """The provider's discovery document, believed for a while: not every click on a link is a call elsewhere."""
        now = time.monotonic()
        until, metadata = self._believed.get(provider.issuer, (now, None))
        if metadata is None or until <= now:
            metadata = await provider.metadata()
            self._believed[provider.issuer] = (now + _BELIEVED_SECONDS, metadata)
        return metadata

    async def _person(self, session: AsyncSession, claims: Claims) -> Person | None:
        """Who this is: by issuer and subject, or the first time by the verified address of an open invitation."""
        person = await bound_person(session, claims.issuer, claims.subject)
        if person is not None or claims.email is None:
            return person
        person = await find_person(session, claims.email)
        if person is None or not await open_invitation(session, person):
            return None
        await self._door.join(session, person)
        return person if await bind(session, person, claims.issuer, claims.subject) else None
