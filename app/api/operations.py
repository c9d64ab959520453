"""For whoever runs it: is it alive, is it ready, how is it doing."""

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel
from sqlalchemy import text

from app.api.errors import documented
from app.core.problems import Busy
from app.dependencies import state_of

router = APIRouter(tags=["operations"])


class Alive(BaseModel):
    """It answers."""

    status: str = "ok"


@router.get("/livez")
async def alive() -> Alive:
    """The process answers."""
    return Alive()


@router.get("/readyz", responses=documented(503))
async def ready(request: Request) -> Alive:
    """The database answers, and its schema is there."""
    try:
        async with state_of(request).database.transaction(None, "readyz") as session:
            await session.execute(text("SELECT FROM programs LIMIT 1"))
    except Exception as error:
        raise Busy("The database doesn't answer, or `openberth migrate` hasn't run.") from error
    return Alive()


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics() -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
