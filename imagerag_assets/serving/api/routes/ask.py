"""POST /ask: server-sent events `token`, then `answer`; or `error`. One JSON document for who accepts only that."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response
from fastapi.sse import EventSourceResponse, format_sse_event

from imagerag_assets.answers import Answer, ask_stream
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets.serving.api.bodies import Body, query_picture, read_json, require_length
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.problems import as_problem, documented, problem_of, request_id_of
from imagerag_assets.serving.api.routes.search import require_collections
from imagerag_assets.serving.api.schemas import AnswerOut, AskRequest, schema_of

_Piece = str | Answer
_EVENTS = (
    "Events: `token` (a JSON string, a piece of the text), then `answer` (the whole answer as JSON, whose text is the "
    "one that counts); or `error` (a problem as JSON)."
)
# As OpenAPI 3.2 describes a stream, and as FastAPI does its own.
_EVENT_SCHEMA = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "event": {"type": "string", "enum": ["token", "answer", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}


def ask_routes(door: Door) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["ask"])
    settings = door.project.settings
    schema = schema_of(AskRequest, question=settings.serving.max_query_characters)

    @router.post(
        "/ask",
        summary="Ask a question that the images answer",
        description=f"Streams unless application/json is what is accepted. {_EVENTS}",
        response_model=AnswerOut,
        responses={
            200: {"content": {"text/event-stream": {"itemSchema": _EVENT_SCHEMA}}},
            **documented(404, 408, 409, 413, 415, 422),
        },
        dependencies=[Depends(door.require("read"))],
        openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}},
    )
    async def post_ask(request: Request) -> Response:
        body = await read_json(request, AskRequest, settings)
        require_length(body.values.question, "question", settings)
        if _wants_json(request.headers.get("accept", "")):
            answer = await door.answer_in_thread(lambda: _last(_stream(door, body)))
            return Response(AnswerOut.model_validate(answer).model_dump_json(), media_type="application/json")
        # What is wrong from the start has a status of its own: the stream begins when there is something to send.
        stream, first = await door.answer_in_thread(lambda: _begun(door, body))
        events = _events(door, stream, first, request_id_of(request.scope))
        return EventSourceResponse(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    return router


def _stream(door: Door, body: Body[AskRequest]) -> Iterator[_Piece]:
    asked, project = body.values, door.project
    collections = require_collections(project, asked.collections)
    where = parse_conditions(asked.where)
    picture = query_picture(body.picture, project.settings) if body.picture is not None else None
    return ask_stream(
        project, asked.question, image=picture, image_id=asked.image_id, collections=collections, where=where,
        limit=asked.limit,
    )  # fmt: skip


def _begun(door: Door, body: Body[AskRequest]) -> tuple[Iterator[_Piece], _Piece]:
    stream = _stream(door, body)
    return stream, next(stream)


def _last(pieces: Iterator[_Piece]) -> _Piece:
    *_, last = pieces
    return last


async def _events(door: Door, stream: Iterator[_Piece], piece: _Piece | None, request_id: str) -> AsyncIterator[bytes]:
    try:
        while piece is not None:
            yield _event(piece)
            piece = await door.answer_in_thread(lambda: next(stream, None))
    # The status is sent: whatever happens now can only be told as an event.
    except Exception as error:  # noqa: BLE001
        problem = problem_of(as_problem(error), request_id)
        yield format_sse_event(data_str=problem.model_dump_json(exclude_defaults=True), event="error")
    finally:
        # Who went away must not be paid for. A piece that is still being waited for cannot be interrupted.
        with anyio.CancelScope(shield=True), suppress(ValueError):
            await anyio.to_thread.run_sync(getattr(stream, "close", lambda: None))


def _event(piece: _Piece) -> bytes:
    if isinstance(piece, str):
        return format_sse_event(data_str=json.dumps(piece, ensure_ascii=False), event="token")
    return format_sse_event(data_str=AnswerOut.model_validate(piece).model_dump_json(), event="answer")


def _wants_json(accept: str) -> bool:
    """Whether JSON is preferred to events by an Accept header (RFC 9110, section 12.5.1); not when they are equal."""
    quality = {"application/json": 0.0, "text/event-stream": 0.0}
    for entry in accept.split(","):
        name, *parameters = (part.strip().lower() for part in entry.split(";"))
        if name in quality:
            given = next((part[2:] for part in parameters if part.startswith("q=")), "1")
            with suppress(ValueError):
                quality[name] = float(given)
    return quality["application/json"] > quality["text/event-stream"]
