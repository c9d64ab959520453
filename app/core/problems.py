"""Errors as RFC 9457 problem details: each a class that carries its status, its type and its sentence."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "https://openberth.org/problems/"


class Sentence(str):
    """What a person is told, in English. Whoever speaks another language says `english`, filled with `values`, in that.

    `make words` gathers for the translators what is written as the first argument, wherever a sentence is made.
    """

    english: str
    values: Mapping[str, object]

    def __new__(cls, english: str, **values: object) -> "Sentence":
        """The English sentence with `%(name)s` filled in."""
        made = super().__new__(cls, english % values if values else english)
        made.english = english
        made.values = values
        return made


class Problem(Exception):
    """Something the caller can act on.

    `detail` is a sentence for a person; `errors` names the fields at fault, each `{"field", "message"}`;
    `extra` are further members of the problem document.
    """

    status: ClassVar[int] = 400
    slug: ClassVar[str] = "bad-request"
    title: ClassVar[str] = "The request can't be understood"

    def __init__(
        self,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.extra = extra

    def document(self) -> dict[str, Any]:
        """The problem document, ready to be rendered as `application/problem+json`."""
        document: dict[str, Any] = {
            "type": TYPE_BASE + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            document["errors"] = self.errors
        return document | self.extra


class BadRequest(Problem):
    """400: a header or parameter is missing or malformed."""


class IdempotencyKeyRequired(Problem):
    """400: this call must be safe to retry, so it needs an `Idempotency-Key`."""

    slug = "idempotency-key-required"
    title = "An Idempotency-Key is required"


class Unauthorized(Problem):
    """401: no key, or one that is unknown, expired or revoked."""

    status = 401
    slug = "unauthorized"
    title = "A valid key is required"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, headers={"WWW-Authenticate": 'Bearer realm="openberth"'})


class NotSignedIn(Problem):
    """401: what was given to sign in with is not right. The same words whatever was wrong with it."""

    status = 401
    slug = "not-signed-in"
    title = "That did not sign you in"


class Forbidden(Problem):
    """403: the caller's role may not do this."""

    status = 403
    slug = "forbidden"
    title = "Your role may not do this"


class NamesNobody(Forbidden):
    """403: the caller's organization serves survivors of domestic violence, so nothing may join a person to it."""

    slug = "names-nobody"
    title = "Your organization knows nobody by name or code"


class CrossSite(Problem):
    """403: the request has a session's cookie but was not made by a page of ours."""

    status = 403
    slug = "cross-site"
    title = "This request came from another site"


class NotFound(Problem):
    """404: no such thing in this program, or none that this caller may see."""

    status = 404
    slug = "not-found"
    title = "There is no such thing here"


class Conflict(Problem):
    """409: the thing's present state doesn't allow it."""

    status = 409
    slug = "conflict"
    title = "The present state doesn't allow this"


class BelowTaken(Conflict):
    """409: the count would drop below the units that are already taken."""

    slug = "below-taken"
    title = "More units than that are taken"


class WrongState(Conflict):
    """409: the claim has moved on; its present state is in `state`."""

    slug = "wrong-state"
    title = "The claim's state doesn't allow this"


class NoOpening(Conflict):
    """409: what was asked for can't be claimed now; `alternatives` can."""

    slug = "no-opening"
    title = "No place is held: this can't be claimed now"


class TooManyHolds(Conflict):
    """409: the worker already has as many active holds as the program allows."""

    slug = "too-many-holds"
    title = "You hold as many places as your program allows"


class NotKept(Conflict):
    """409: this call was done, and its answer held what is shown once; `location` is what it made."""

    slug = "answer-not-kept"
    title = "This was done, and its answer is not kept"


class Shredded(Problem):
    """410: the key that this was sealed with has been destroyed."""

    status = 410
    slug = "shredded"
    title = "This has been made unreadable for good"


class Gone(Problem):
    """410: the log no longer goes back that far, or has never come to that number."""

    status = 410
    slug = "log-gone"
    title = "The log does not go on from there: take a snapshot"


class PreconditionFailed(Problem):
    """412: the thing has changed since the `ETag` in `If-Match`."""

    status = 412
    slug = "precondition-failed"
    title = "It has changed meanwhile"


class TooLarge(Problem):
    """413: the body is longer than any request of ours needs."""

    status = 413
    slug = "too-large"
    title = "The body is too large"


class Invalid(Problem):
    """422: the body or a parameter is well formed but can't be accepted; `errors` names the fields."""

    status = 422
    slug = "invalid"
    title = "The request can't be accepted"

    @classmethod
    def at(cls, field: str, message: str) -> "Invalid":
        """A refusal of one field, whose message is the detail too."""
        return cls(message, errors=[{"field": field, "message": message}])


class KeyReused(Problem):
    """422: this `Idempotency-Key` was used before, for another request."""

    status = 422
    slug = "idempotency-key-reused"
    title = "This Idempotency-Key belongs to another request"


class PreconditionRequired(Problem):
    """428: the call needs an `If-Match` header."""

    status = 428
    slug = "precondition-required"
    title = "An If-Match header is required"


class TooManyRequests(Problem):
    """429: more requests than the caller or the address may make; try again after `Retry-After` seconds."""

    status = 429
    slug = "too-many-requests"
    title = "Too many requests"

    def __init__(self, detail: str, *, retry_after: int) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class TooManyTries(TooManyRequests):
    """429: too many failures from here; try again after `Retry-After` seconds."""

    slug = "too-many-tries"
    title = "Too many tries"

    def __init__(self, seconds: int) -> None:
        super().__init__(f"That failed too often from where you are. Try again in {seconds} s.", retry_after=seconds)


class Busy(Problem):
    """503: more is waiting than can be answered soon; try again after `Retry-After` seconds."""

    status = 503
    slug = "busy"
    title = "Too busy to answer now"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


class NoMasterKey(Problem):
    """503: this server lacks the master key for what names a person. Codes and claims need none."""

    status = 503
    slug = "no-master-key"
    title = "This server can't keep what names a person"
