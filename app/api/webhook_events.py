"""What webhooks send, for the `webhooks` part of the OpenAPI document: a CloudEvent for every type of event."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Body, FastAPI

from app.delivery.vocabulary import KINDS, Payload, WebhookMoved
from app.delivery.webhooks.keeping import TEST
from app.delivery.webhooks.messages import MEDIA_TYPE, CloudEvent

_TEST = "Sent when its keeper asks for a test: `POST /v1/webhooks/{webhook_id}/test`."
_HEADERS = "Signed as Standard Webhooks says, by `webhook-id`, `webhook-timestamp` and `webhook-signature`."
_ANSWERS: dict[int | str, dict[str, str]] = {
    410: {"description": "The webhook is switched off."},
    "default": {"description": "It is tried again, for a day at least."},
}


def describe(app: FastAPI) -> None:
    """Add every type of event to the document."""
    for name, kind in KINDS.items():
        _add(app, name, kind.payload, f"{kind.words} For whoever may {kind.heard_by}. {_HEADERS}")
    _add(app, TEST, WebhookMoved, f"{_TEST} {_HEADERS}")


def _add(app: FastAPI, name: str, payload: type[Payload], words: str) -> None:
    app.webhooks.add_api_route(
        name,
        _sent(payload),
        methods=["POST"],
        name=name,
        summary=name,
        description=words,
        status_code=204,
        response_description="It has arrived, as any answer of 2xx says.",
        responses={**_ANSWERS},
    )


def _sent(payload: type[Payload]) -> Callable[..., None]:
    def sent(body: object) -> None:
        """Only ever described: it is others who are called."""

    sent.__annotations__["body"] = Annotated[CloudEvent.__class_getitem__(payload), Body(media_type=MEDIA_TYPE)]
    return sent
