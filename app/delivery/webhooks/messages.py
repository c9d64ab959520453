"""What is sent: a CloudEvent (1.0, structured JSON), signed as Standard Webhooks says."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field

from app.core.rendering import to_json
from app.delivery.log import Entry
from app.delivery.vocabulary import KINDS, VERSION, Payload
from app.delivery.webhooks.filters import lane_of

TYPE_PREFIX = "org.openberth."
"""CloudEvents wants types that nobody else uses for something else."""
MEDIA_TYPE = "application/cloudevents+json"
SECRET_PREFIX = "whsec_"  # noqa: S105 - how a secret begins, and none itself
SECRET_BYTES = 32

Data = TypeVar("Data", bound=Payload)


class CloudEvent(BaseModel, Generic[Data]):
    """The body of a delivery. Events with one `partitionkey` come in the order of their numbers."""

    model_config = ConfigDict(extra="forbid")

    specversion: Literal["1.0"]
    id: Annotated[str, Field(description="Its number in the log, or a test's own id.")]
    source: Annotated[str, Field(description="The program, as urn:uuid: and its id.")]
    type: Annotated[str, Field(description=f"{TYPE_PREFIX} and the event's type.")]
    subject: Annotated[str, Field(description="What it is about: an opening, a claim, …")]
    time: datetime
    datacontenttype: Literal["application/json"]
    partitionkey: Annotated[str, Field(description="The opening that it is about, or else the subject.")]
    dataversion: Annotated[int, Field(description="The version of the payload.")]
    data: Data


def _event(program_id: UUID, id: str, type: str, subject: UUID, lane: UUID, at: datetime, data: Any) -> str:
    kind = KINDS.get(type)
    return to_json(
        {
            "specversion": "1.0",
            "id": id,
            "source": f"urn:uuid:{program_id}",
            "type": TYPE_PREFIX + type,
            "subject": subject,
            "time": at,
            "datacontenttype": "application/json",
            "partitionkey": lane,
            "dataversion": kind.version if kind else VERSION,
            "data": data,
        }
    ).decode()


def event(program_id: UUID, entry: Entry) -> str:
    """The body for an event of the log."""
    return _event(program_id, str(entry.number), entry.type, entry.subject_id, lane_of(entry), entry.at, entry.data)


def trial_event(program_id: UUID, webhook_id: UUID, caller_id: UUID, delivery_id: UUID, at: datetime) -> str:
    """The body of a test."""
    data = {"webhook_id": webhook_id, "caller_id": caller_id}
    return _event(program_id, str(delivery_id), "webhook.test", webhook_id, delivery_id, at, data)


def delivery_id(webhook_id: UUID, number: int) -> UUID:
    """The `webhook-id` of an event for a webhook: the same whenever it is sent, after a replay too."""
    return uuid5(webhook_id, str(number))


def new_secret() -> bytes:
    """A new signing key."""
    return secrets.token_bytes(SECRET_BYTES)


def shown(secret: bytes) -> str:
    """A signing key as its owner is shown it, and as the verifiers take it."""
    return SECRET_PREFIX + base64.b64encode(secret).decode()


def signed(secrets: Sequence[bytes], id: UUID, at: datetime, body: str) -> dict[str, str]:
    """The headers by which a receiver knows that it was us, signed with each of the keys."""
    seconds = int(at.timestamp())
    text = f"{id}.{seconds}.{body}".encode()
    signatures = (base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode() for key in secrets)
    return {
        "webhook-id": str(id),
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
