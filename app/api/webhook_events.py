"""What webhooks send, for the `webhooks` part of the OpenAPI document: a CloudEvent for every type of event."""

from collections.abc import Callable

from fastapi import FastAPI

from app.delivery.vocabulary import KINDS, Payload, WebhookMoved
from app.delivery.webhooks.keeping import TEST
from app.delivery.webhooks.messages import CloudEvent

_TEST = "Sent when its keeper asks for a test: `POST /v1/webhooks/{webhook_id}/test`."
_HEADERS = (
    "Signed as Standard Webhooks says, by `webhook-id`, `webhook-timestamp` and `webhook-signature`. Any answer of 2xx"
    " says that it has arrived; 410 switches the webhook off."
)


def describe(app: FastAPI) -> None:
    """Add every type of event to the document."""
    for name, kind in KINDS.items():
        _add(app, name, kind.payload, f"{kind.words} For whoever may {kind.heard_by}. {_HEADERS}")
    _add(app, TEST, WebhookMoved, f"{_TEST} {_HEADERS}")


def _add(app: FastAPI, name: str, payload: type[Payload], words: str) -> None:
    app.webhooks.add_api_route(name, _sent(payload), methods=["POST"], name=name, summary=name, description=words)


def _sent(payload: type[Payload]) -> Callable[..., None]:
    def sent(body: object) -> None:
        """Only ever described: it is others who are called."""

    sent.__annotations__["body"] = CloudEvent.__class_getitem__(payload)
    return sent
