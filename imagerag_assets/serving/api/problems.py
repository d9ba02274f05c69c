"""What went wrong, as problem+json (RFC 9457): every error of the domain has one status and one name here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, Request, Response
from psycopg_pool import PoolClosed
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from imagerag_assets import errors

MEDIA_TYPE = "application/problem+json"
_NAMESPACE = "urn:imagerag:problem:"
_log = logging.getLogger("imagerag.api")


class Invalid(BaseModel):
    """One value of the request that is not as it should be."""

    where: str = Field(description="The value's name, such as limit or where.2")
    message: str = Field(description="What is wrong with it")


class Problem(BaseModel):
    """RFC 9457. Programs tell problems apart by `type`; people read `detail`."""

    type: str = Field(description="urn:imagerag:problem: and a name that stays")
    title: str = Field(description="The HTTP status in words")
    status: int = Field(description="The HTTP status", ge=400, le=599)
    detail: str = Field(description="What happened, and what to do")
    request_id: str = Field(description="As in the header X-Request-ID, and in the server's log")
    errors: list[Invalid] = Field(default=[], description="Every value that is not as it should be")


class ProblemError(Exception):
    """Ends a request with a problem. `name` is the last part of its type."""

    def __init__(
        self, status: int, name: str, detail: str, *, headers: Mapping[str, str] | None = None,
        invalid: Sequence[Invalid] = (),
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status, self.name, self.detail = status, name, detail
        self.headers = dict(headers or {})
        self.invalid = list(invalid)


def invalid_request(error: ValidationError) -> ProblemError:
    """The problem of values that the schema refuses. It quotes none of them."""
    found = [
        Invalid(where=".".join(map(str, one["loc"])) or "body", message=one["msg"])
        for one in error.errors(include_url=False, include_input=False, include_context=False)[:20]
    ]
    told = "; ".join(f"{one.where}: {one.message}" for one in found[:3])
    return ProblemError(422, "invalid-request", f"The request is not as the API wants it: {told}.", invalid=found)


_RETRY = {"Retry-After": "5"}
_PASSING = frozenset({"database", "timeout", "source", "decoder"})
# The first class that an error is of decides.
_KNOWN: tuple[tuple[type[Exception], int, str], ...] = (
    (errors.NoLiveIndexError, 409, "no-live-index"),
    (errors.UnknownImageError, 404, "unknown-image"),
    (errors.AmbiguousImageError, 409, "ambiguous-image"),
    (errors.QueryError, 422, "invalid-query"),
    # What is left of them once the API has looked at names of collections.
    (errors.SettingsError, 409, "settings"),
    (errors.BudgetExhaustedError, 503, "budget-exhausted"),
    (errors.DatabaseError, 503, "database"),
    (errors.TimeLimitError, 503, "timeout"),
    (errors.SourceError, 503, "source"),
    (errors.ModelError, 503, "model"),
    (errors.DecoderError, 503, "decoder"),
    (errors.ImageragError, 503, "unavailable"),
)


def as_problem(error: Exception) -> ProblemError:
    """The problem that an error is; 500 without a word about its inside for one that nobody foresaw."""
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, ValidationError):
        return invalid_request(error)
    if isinstance(error, errors.ServiceError) or getattr(error, "reason", "") == "invalid_answer":
        return ProblemError(503, "answerer", f"The language model gave no answer: {error}", headers=_RETRY)
    if isinstance(error, errors.ItemError):
        # A file that was sent is looked at elsewhere: this is one of a collection.
        return ProblemError(409, "image-unavailable", f"The image's file cannot be used now: {error}")
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | PoolClosed):
        return ProblemError(503, "database", "The database does not answer. Try again.", headers=_RETRY)
    for kind, status, name in _KNOWN:
        if isinstance(error, kind):
            return ProblemError(status, name, str(error), headers=_RETRY if name in _PASSING else None)
    _log.error("Unexpected %s", type(error).__name__, exc_info=error)
    return ProblemError(500, "unexpected", "Something went wrong that should not. The server's log has more.")


def problem_of(error: ProblemError, request_id: str) -> Problem:
    """The body of the answer."""
    return Problem(
        type=_NAMESPACE + error.name, title=HTTPStatus(error.status).phrase, status=error.status, detail=error.detail,
        request_id=request_id, errors=error.invalid,
    )  # fmt: skip


def response_of(error: ProblemError, request_id: str) -> Response:
    """The whole answer."""
    body = problem_of(error, request_id).model_dump_json(exclude_defaults=True)
    return Response(body, error.status, {**error.headers, "Cache-Control": "no-store"}, MEDIA_TYPE)


def request_id_of(scope: Mapping[str, Any]) -> str:
    """What this request is called in logs and problems."""
    return str(scope.get("state", {}).get("request_id", ""))


def add_handlers(app: FastAPI) -> None:
    """Have every error that a route lets out answered as a problem."""

    async def answer(request: Request, error: Exception) -> Response:
        return response_of(as_problem(error), request_id_of(request.scope))

    async def answer_http(request: Request, error: Exception) -> Response:
        # Starlette's own: no such path, no such method, a form that cannot be read.
        found = error if isinstance(error, HTTPException) else HTTPException(500)
        name = HTTPStatus(found.status_code).phrase.lower().replace(" ", "-")
        problem = ProblemError(found.status_code, name, str(found.detail), headers=found.headers)
        return response_of(problem, request_id_of(request.scope))

    for kind in (ProblemError, ValidationError, errors.ImageragError, psycopg.Error, PoolClosed):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(HTTPException, answer_http)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route for OpenAPI, 401 and the like included."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in sorted({400, 401, 403, 429, 500, 503, *statuses})
    }
