"""The Batch API of an OpenAI-compatible server: a file of requests goes up, their answers come within a day.

Only the protocol is here (OpenAI's API reference, "Batch" and "Files"): what is asked, what is paid, and what is
remembered of a batch are not. Everything but `create` may be tried again.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imagerag_assets.errors import ImageragError, ItemError, ModelError
from imagerag_assets.models.calls import Tokens
from imagerag_assets.models.describers import Subject
from imagerag_assets.models.describers.endpoint import (
    address,
    endpoint_key,
    open_client,
    read_completion,
    request_body,
    request_messages,
)
from imagerag_assets.models.describers.faults import Fault, explain, explain_status, final_error, one_line, without_key
from imagerag_assets.models.describers.picture import SentPicture
from imagerag_assets.settings import Describer

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_ENDPOINT: Literal["/v1/chat/completions"] = "/v1/chat/completions"
_OURS = "imagerag_batch"
"""Key of our name for a batch in the metadata that the server keeps."""
_TRIES = 3
_FIRST_WAIT_SECONDS = 2.0
_LONGEST_WAIT_SECONDS = 60.0
_FILE_SECONDS = 600.0
"""For 200 megabytes in either direction."""
_ENDED = ("completed", "expired", "cancelled")
_NEVER_RAN = ("batch_expired", "batch_cancelled")
"""Codes of the lines for requests that the server did not come to; they cost nothing."""

Ask = Callable[["AsyncOpenAI"], Awaitable[Any]]


class UnknownBatchError(ModelError):
    """The server knows no batch of that name."""


class UncertainError(ModelError):
    """The server may have made the batch, or not: its answer got lost."""


@dataclass(frozen=True)
class ServerBatch:
    """A batch as its server tells of it. `files` hold the results, of those that failed too."""

    id: str
    state: Literal["working", "failed", "ended"]
    """failed: the file was refused, nothing was asked. ended: completed, expired or cancelled; some may have run."""
    complete: bool
    """Every request was tried."""
    files: tuple[str, ...]
    input_file: str
    created: float
    """Seconds since 1970."""
    ours: str
    code: str
    said: str
    """Why it failed."""


@dataclass(frozen=True)
class Line:
    """What came of one request: a text to read as an answer, or a fault."""

    text: str
    tokens: Tokens
    fault: Fault | None
    ran: bool = True
    """False: the server did not come to it."""


class BatchService:
    """The batches of the settings' server. Raises `ModelError` for whatever keeps it from serving."""

    def __init__(self, settings: Describer) -> None:
        self._settings = settings
        self.where = address(settings)
        key = endpoint_key(settings)
        self._clean = without_key(key)
        self._client = open_client(settings, key)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def upload(self, file: Path) -> str:
        """Put a file of requests there, and give the server's name for it. Nothing is asked by that."""

        async def ask(client: AsyncOpenAI) -> Any:
            return await client.files.with_raw_response.create(file=file, purpose="batch", timeout=_FILE_SECONDS)

        return _text(await self._json("/files", ask, _FILE_SECONDS), "id")

    async def create(self, input_file: str, ours: uuid.UUID) -> ServerBatch:
        """Ask for all requests of the file: from here on they are paid.

        Raises `UncertainError` when nobody can say whether they are.
        """

        async def ask(client: AsyncOpenAI) -> Any:
            return await client.batches.with_raw_response.create(
                input_file_id=input_file,
                endpoint=_ENDPOINT,
                completion_window="24h",
                metadata={_OURS: str(ours)},
            )

        try:
            return _read_batch(
                await self._json("/batches", ask, self._settings.timeout_seconds, once=True), self._clean
            )
        except _LostError as error:
            raise UncertainError(
                f"models.describer: {self.where} did not say whether it took the batch {ours}: {error}. It is looked "
                "for by the next run; until it is sure, its images are asked for by no other."
            ) from None

    async def find(self, input_file: str, ours: uuid.UUID, since: float) -> ServerBatch | None:
        """The batch that was made of that file, if there is one. `since` is when it was asked for, in Unix seconds."""
        after, seen = "", {""}
        while True:
            page = await self._page(after)
            batches = [_read_batch(one, self._clean) for one in page.get("data") or () if isinstance(one, dict)]
            for batch in batches:
                if batch.ours == str(ours) or batch.input_file == input_file:
                    return batch
            # Newest first; the clocks of two machines may differ by hours, not by a day. A server that does not know
            # `after` shows its first page again.
            is_last = not batches or not page.get("has_more") or batches[-1].created < since - 86_400
            if is_last or batches[-1].id in seen:
                return None
            after = batches[-1].id
            seen.add(after)

    async def look(self, server_batch: str) -> ServerBatch:
        """How far a batch is. Raises `UnknownBatchError` where the server does not know it."""

        async def ask(client: AsyncOpenAI) -> Any:
            return await client.batches.with_raw_response.retrieve(server_batch)

        told = await self._json(f"/batches/{server_batch}", ask, self._settings.timeout_seconds)
        return _read_batch(told, self._clean)

    async def cancel(self, server_batch: str) -> None:
        """Have a batch stopped; that takes minutes. Raises `UnknownBatchError` where the server does not know it."""

        async def ask(client: AsyncOpenAI) -> Any:
            return await client.batches.with_raw_response.cancel(server_batch)

        await self._json(f"/batches/{server_batch}", ask, self._settings.timeout_seconds)

    async def results(self, files: Iterable[str]) -> dict[int, Line]:
        """What came of the requests, by their numbers. Lines that cannot be read are left out."""
        found: dict[int, Line] = {}
        for file in files:

            async def ask(client: AsyncOpenAI, file: str = file) -> Any:
                return await client.files.with_raw_response.content(file)

            content: bytes = (await self._ask(f"/files/{file}/content", ask, _FILE_SECONDS)).content
            lines = dict(filter(None, (self._read_line(line) for line in content.splitlines())))
            if content.strip() and not lines:
                raise ModelError(f"models.describer: {self.where}/files/{file}/content holds no results of a batch.")
            found |= lines
        return found

    async def _page(self, after: str) -> Mapping[str, Any]:
        from openai import omit

        async def ask(client: AsyncOpenAI) -> Any:
            return await client.batches.with_raw_response.list(limit=100, after=after or omit)

        return await self._json("/batches", ask, self._settings.timeout_seconds)

    def _read_line(self, line: bytes) -> tuple[int, Line] | None:
        try:
            told = json.loads(line)
            number = int(told["custom_id"])
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        response, error = told.get("response"), told.get("error")
        if not isinstance(response, dict):
            code = _text(error, "code") if isinstance(error, dict) else ""
            fault = Fault("server_error", self._clean(_text(error or {}, "message") or code or "no response"))
            return number, Line("", Tokens(), fault, ran=code not in _NEVER_RAN)
        status = response.get("status_code")
        if status != 200:
            fault = explain_status(status if isinstance(status, int) else 500, response.get("body"), self._clean)
            return number, Line("", Tokens(), fault)
        text, fault_of_text, tokens = read_completion(response.get("body"), self._clean)
        return number, Line(text, tokens, fault_of_text)

    async def _json(self, path: str, ask: Ask, seconds: float, *, once: bool = False) -> Mapping[str, Any]:
        """An answer of the server that is one JSON object."""
        response = await self._ask(path, ask, seconds, once=once)
        try:
            told = json.loads(response.content)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict) or not (told.get("id") or "data" in told):
            if once:
                raise _LostError("its answer is no batch")
            raise ModelError(f"models.describer: {self.where}{path} answers with no JSON of the Batch API.")
        return told

    async def _ask(self, path: str, ask: Ask, seconds: float, *, once: bool = False) -> Any:
        """Try again what is passing trouble. `once`: only what surely was not done."""
        from openai import OpenAIError

        for tries in range(_TRIES):
            try:
                # The client's own time-out is between two bytes, and a server may send one at a time.
                async with asyncio.timeout(seconds):
                    return await ask(self._client)
            except (OpenAIError, TimeoutError, ValueError, RecursionError) as error:
                fault = explain(error, self._clean, self._settings.setting)
            is_passing = isinstance(self._final(fault), ItemError) and fault.outcome != "bad_request"
            if once and is_passing and fault.outcome != "rate_limited":
                raise _LostError(fault.message)
            if not is_passing or tries == _TRIES - 1:
                break
            wait = _FIRST_WAIT_SECONDS * 2**tries if fault.wait_seconds is None else fault.wait_seconds
            await asyncio.sleep(min(wait, _LONGEST_WAIT_SECONDS))
        raise self._error(fault, path)

    def _final(self, fault: Fault) -> ImageragError:
        return final_error(fault, self.where, self._settings.model or "", self._settings.setting)

    def _error(self, fault: Fault, path: str) -> ImageragError:
        if fault.outcome == "unknown_model":
            if path.startswith("/batches/"):
                return UnknownBatchError(
                    f"models.describer: {self.where} does not know the batch {path.rpartition('/')[2]}: "
                    f"{fault.message} Set back the key or the address that it was handed in with; or have it forgotten "
                    "(imagerag batches --forget), and its images are asked for, and paid, again."
                )
            return ModelError(
                f"models.describer: {self.where} has no Batch API at {path}: {fault.message} "
                "Set models.describer.batch to false, or correct base_url."
            )
        error = self._final(fault)
        if not isinstance(error, ItemError):
            return error
        return ModelError(
            f"models.describer: {self.where}{path} fails: {fault.message} Nothing is lost and nothing is asked for "
            "twice: run again later."
        )


class _LostError(Exception):
    """A request that may have been done without an answer."""


def request_line(settings: Describer, number: int, subject: Subject, picture: SentPicture) -> bytes:
    """One request as a line of the input file."""
    body = request_body(settings, request_messages(settings, subject, picture))
    line = {"custom_id": f"{number:05d}", "method": "POST", "url": _ENDPOINT, "body": body}
    return json.dumps(line).encode() + b"\n"


def _read_batch(told: Mapping[str, Any], clean: Callable[[str], str]) -> ServerBatch:
    status = _text(told, "status")
    # Some servers give an empty name where there is no file.
    files = tuple(filter(None, (_text(told, "output_file_id"), _text(told, "error_file_id"))))
    # Complete without any result is not complete yet, and a status that nobody knows is no end.
    is_ended = status in _ENDED and (bool(files) or status != "completed")
    metadata, errors = told.get("metadata"), told.get("errors")
    listed = errors.get("data") if isinstance(errors, dict) else None
    first = listed[0] if isinstance(listed, list) and listed and isinstance(listed[0], dict) else {}
    created = told.get("created_at")
    return ServerBatch(
        _text(told, "id"),
        "ended" if is_ended else "failed" if status == "failed" else "working",
        status == "completed",
        files,
        _text(told, "input_file_id"),
        float(created) if isinstance(created, int | float) else float("inf"),
        _text(metadata, _OURS) if isinstance(metadata, dict) else "",
        clean(_text(first, "code")),
        clean(_text(first, "message")),
    )


def _text(told: Any, name: str) -> str:
    found = told.get(name) if isinstance(told, dict) else None
    return one_line(found) if isinstance(found, str) else ""
