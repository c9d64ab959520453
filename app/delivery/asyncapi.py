"""The AsyncAPI 3 document: the live stream's messages, and every event of the log with its payload."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.delivery.messages import SENT, Listen
from app.delivery.vocabulary import KINDS

_REF = "#/components/schemas/{model}"

DESCRIPTION = """One path, two ways to listen: `WS /v1/live`, whose first message says what to listen for, and
`GET /v1/live` as server-sent events, whose query string does. A snapshot comes first, then every change, each with
its number in the program's log. `GET /v1/events` pages through the same log; `channels.log` lists what is in it."""


def document() -> dict[str, Any]:
    """The document, from the models that the code sends and the database's triggers write."""
    payloads = {kind.payload.__name__: kind.payload for kind in KINDS.values()}
    models: list[type[BaseModel]] = [Listen, *SENT.values(), *payloads.values()]
    _, schemas = models_json_schema([(model, "validation") for model in models], ref_template=_REF)
    live = {model.__name__: _message(model, name) for name, model in SENT.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Openberth", "version": "0.1.0", "description": DESCRIPTION},
        "defaultContentType": "application/json",
        "channels": {
            "live": {
                "address": "/v1/live",
                "description": "Over WebSocket or server-sent events.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in ("Listen", *live)},
            },
            "log": {
                "address": "/v1/events",
                "description": "The ordered log, paged through over HTTP. Every event by its type.",
                "messages": {type: {"$ref": f"#/components/messages/{type}"} for type in KINDS},
            },
        },
        "operations": {
            "listen": {
                "action": "receive",
                "channel": {"$ref": "#/channels/live"},
                "summary": "Say what to listen for: the first message of a WebSocket, and the only one.",
                "messages": [{"$ref": "#/channels/live/messages/Listen"}],
            },
            "tell": {
                "action": "send",
                "channel": {"$ref": "#/channels/live"},
                "summary": "A snapshot, then changes, with heartbeats between; an end, when there must be one.",
                "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in live],
            },
            "publish": {
                "action": "send",
                "channel": {"$ref": "#/channels/log"},
                "summary": "What happened, in commit order, as far as the reader may see it.",
                "messages": [{"$ref": f"#/channels/log/messages/{type}"} for type in KINDS],
            },
        },
        "components": {
            "messages": {
                "Listen": _message(Listen, "listen"),
                **live,
                **{
                    type: {
                        "name": type,
                        "summary": kind.words,
                        "description": f"Version {kind.version}. For whoever may {kind.heard_by}.",
                        "payload": {"$ref": _REF.format(model=kind.payload.__name__)},
                    }
                    for type, kind in KINDS.items()
                },
            },
            "schemas": schemas["$defs"],
        },
    }


def _message(model: type[BaseModel], name: str) -> dict[str, Any]:
    return {
        "name": name,
        "summary": (model.__doc__ or "").strip(),
        "payload": {"$ref": _REF.format(model=model.__name__)},
    }
