"""A vision model behind an OpenAI-compatible URL as one that answers questions: its words as they come.

What is asked and what an answer must be is not known here. What a call may cost is the ledger's, how fast to call the
pace's, and both are shared by all questions of the process.
"""

from __future__ import annotations

import asyncio
import json
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

from imagerag_assets.models.budget import Ledger
from imagerag_assets.models.calls import Call, Outcome, Tokens
from imagerag_assets.models.describers.endpoint import (
    TRIES,
    Messages,
    address,
    back_off,
    endpoint_key,
    open_client,
    read_completion,
)
from imagerag_assets.models.describers.faults import Fault, explain, final_error, without_key
from imagerag_assets.models.describers.pace import LONGEST_WAIT_SECONDS, Pace
from imagerag_assets.models.describers.presets import PRESETS
from imagerag_assets.models.prices import cost_usd
from imagerag_assets.settings import Answerer

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_ENDINGS: tuple[Outcome, ...] = ("refused", "empty", "cut_off")
"""Faults that end an answer and are not the endpoint's."""

Put = Callable[[str | Call], None]


@dataclass
class _Heard:
    """What has come of one answer so far."""

    text: str = ""
    refusal: str = ""
    reason: str | None = None
    tokens: Tokens = field(default_factory=Tokens)


class Chat:
    """Asks one server, for any number of threads at once. The calls run on a loop that the process shares."""

    def __init__(self, settings: Answerer, ledger: Ledger) -> None:
        self._settings = settings
        self._preset = PRESETS[settings.preset]
        self._key = endpoint_key(settings)
        self._clean = without_key(self._key)
        self._ledger = ledger
        self._pace = Pace(settings.concurrency, settings.requests_per_minute)
        self._client: AsyncOpenAI | None = None

    def stream(
        self, messages: Messages, collection: str, bound: Decimal, on_call: Callable[[Call], None]
    ) -> Generator[str, None, Fault | None]:
        """The answer's words as they come; its value is a fault of the answer: `refused`, `empty` or `cut_off`.

        `on_call` is told of every request, in the caller's thread, also of one that the caller gives up. Raises
        `ModelError` when the server can serve nobody, `ServiceError` when it gave no whole answer after several tries,
        and `BudgetExhaustedError`.
        """
        outbox: queue.SimpleQueue[str | Call | None] = queue.SimpleQueue()
        tasks: list[asyncio.Task[Fault | None]] = []

        def start() -> None:
            tasks.append(_loop().create_task(self._converse(messages, collection, bound, outbox.put)))
            tasks[0].add_done_callback(lambda _: outbox.put(None))

        _loop().call_soon_threadsafe(start)
        ended = False
        try:
            while (item := outbox.get()) is not None:
                if isinstance(item, Call):
                    on_call(item)
                else:
                    yield item
            ended = True
            return tasks[0].result()
        finally:
            if not ended:
                _loop().call_soon_threadsafe(lambda: tasks[0].cancel())
                # What may have been paid for is told, whoever left.
                while (item := outbox.get()) is not None:
                    if isinstance(item, Call):
                        on_call(item)

    async def _converse(self, messages: Messages, collection: str, bound: Decimal, put: Put) -> Fault | None:
        """Ask, and again what is the server's passing trouble as long as nothing of an answer was shown."""
        tries: Counter[Outcome] = Counter()
        for attempt in count(1):
            heard, fault = await self._ask(messages, collection, bound, attempt, put)
            if fault is None or fault.outcome in _ENDINGS:
                return fault
            tries[fault.outcome] += 1
            if heard.text or tries[fault.outcome] >= TRIES.get(fault.outcome, 0):
                raise final_error(fault, address(self._settings), self._settings.model or "", self._settings.setting)
            await asyncio.sleep(0 if fault.outcome == "rate_limited" else back_off(tries[fault.outcome]))
        return None

    async def _ask(
        self, messages: Messages, collection: str, bound: Decimal, attempt: int, put: Put
    ) -> tuple[_Heard, Fault | None]:
        """One request, within the budget and the pace."""
        async with self._ledger.reserve(collection, bound) as reservation, self._pace.slot() as started:
            before = time.monotonic()
            heard = _Heard()
            found: Fault | None = Fault("broken", "the question was given up")
            try:
                found = _fault_of(heard, await self._listen(messages, heard, put))
            finally:
                # A cancelled call may have been paid for, too.
                cost = self._cost(heard.tokens, found)
                reservation.cost = cost if cost is not None or self._preset.price_provider else Decimal()
                latency = round((time.monotonic() - before) * 1000, 1)
                outcome: Outcome = found.outcome if found else "ok"
                model = self._settings.model or ""
                put(Call(self._settings.preset, model, attempt, outcome, heard.tokens, cost, latency))
            if found and (found.outcome == "rate_limited" or found.wait_seconds is not None):
                wait = back_off(attempt) if found.wait_seconds is None else found.wait_seconds
                self._pace.slow_down(started, min(wait, LONGEST_WAIT_SECONDS))
        return heard, found

    async def _listen(self, messages: Messages, heard: _Heard, put: Put) -> Fault | None:
        """Take the words in and hand them on. What was wrong with the way, None when all came."""
        from httpx import HTTPError, TimeoutException
        from openai import OpenAIError

        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                response = await self._open().chat.completions.with_raw_response.create(**self._request(messages))
                kind = response.headers.get("content-type", "")
                if "json" in kind:
                    # A server that does not stream.
                    return self._take_whole(json.loads(await response.http_response.aread()), heard, put)
                if "event-stream" not in kind:
                    return Fault("not_the_protocol", "it streams no events; the address probably lacks its path, /v1")
                async for chunk in response.parse():
                    self._take(chunk, heard, put)
        except (OpenAIError, TimeoutError, ValueError, RecursionError) as error:
            return explain(error, self._clean, self._settings.setting)
        except TimeoutException:
            return Fault("timeout", "no answer in time")
        except HTTPError as error:
            # The SDK lets through what happens between two events.
            return Fault("broken", self._clean(f"the connection was cut: {error}"))
        self._pace.succeeded(response.headers, heard.tokens.sent or 0)
        return None if heard.reason else Fault("broken", "the stream ended before the answer did")

    def _take(self, chunk: Any, heard: _Heard, put: Put) -> None:
        """One event. Servers differ in what they leave out, and the SDK checks nothing."""
        if (usage := getattr(chunk, "usage", None)) is not None:
            details = getattr(usage, "prompt_tokens_details", None)
            numbers = (usage.prompt_tokens, usage.completion_tokens, getattr(details, "cached_tokens", None))
            heard.tokens = Tokens(*(number if isinstance(number, int) and number >= 0 else None for number in numbers))
        for choice in (getattr(chunk, "choices", None) or [])[:1]:
            heard.reason = getattr(choice, "finish_reason", None) or heard.reason
            delta = getattr(choice, "delta", None)
            heard.refusal += self._clean(str(getattr(delta, "refusal", None) or ""))
            if isinstance(words := getattr(delta, "content", None), str) and words:
                heard.text += words
                put(words)

    def _take_whole(self, body: Any, heard: _Heard, put: Put) -> Fault | None:
        heard.text, fault, heard.tokens = read_completion(body, self._clean)
        heard.reason = "stop"
        if heard.text:
            put(heard.text)
        return fault

    def _request(self, messages: Messages) -> dict[str, Any]:
        request: dict[str, Any] = {
            "model": self._settings.model,
            "messages": messages,
            self._preset.token_limit: self._settings.max_output_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self._preset.temperature is not None:
            request["temperature"] = self._preset.temperature
        return request

    def _open(self) -> AsyncOpenAI:
        self._client = self._client or open_client(self._settings, self._key)
        return self._client

    def _cost(self, tokens: Tokens, fault: Fault | None) -> Decimal | None:
        if tokens.sent is not None and tokens.received is not None:
            model = self._settings.model or ""
            return cost_usd(self._preset.price_provider, model, tokens.sent, tokens.received, tokens.cached or 0)
        return Decimal() if fault and fault.is_free else None


def _fault_of(heard: _Heard, fault: Fault | None) -> Fault | None:
    """What is wrong with an answer that came, or the way that it came."""
    if fault is not None:
        return fault
    if heard.refusal or heard.reason == "content_filter":
        return Fault("refused", heard.refusal[:500] or "the content filter stopped the answer.")
    if not heard.text.strip():
        return Fault("empty", "it is empty")
    return Fault("cut_off", "it was cut off") if heard.reason == "length" else None


@lru_cache(maxsize=1)
def _loop() -> asyncio.AbstractEventLoop:
    """The loop of all questions, on a thread that ends with the process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="questions", daemon=True).start()
    return loop
