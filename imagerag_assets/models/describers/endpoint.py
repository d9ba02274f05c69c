"""A vision model behind an OpenAI-compatible URL: many images at once, each answer given as it comes.

What a call costs and whether it may be made is the ledger's; how fast, the pace's; what the answer must be, the
schema's. Nothing is written here.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any, Generic

from imagerag_assets.errors import ImageragError, ItemError, ModelError
from imagerag_assets.models.budget import CollectionExhaustedError, Ledger
from imagerag_assets.models.calls import Call, Outcome, Tokens
from imagerag_assets.models.describers import A, Reply, Subject, Task
from imagerag_assets.models.describers.faults import Fault, explain, explain_status, final_error, without_key
from imagerag_assets.models.describers.pace import LONGEST_WAIT_SECONDS, Pace
from imagerag_assets.models.describers.picture import SentPicture, prepare
from imagerag_assets.models.describers.presets import PRESETS
from imagerag_assets.models.describers.prompt import DESCRIBE, repair_message
from imagerag_assets.models.describers.schema import InvalidAnswerError
from imagerag_assets.models.prices import cost_usd, image_tokens, text_tokens
from imagerag_assets.settings import Describer

if TYPE_CHECKING:
    from openai import AsyncOpenAI

TRIES: Mapping[Outcome, int] = {"rate_limited": 8, "server_error": 4, "timeout": 3, "broken": 4}
"""How often one request is sent before it counts as the image's failure. A rate limit only means later."""
_REPAIRABLE = ("invalid", "empty", "cut_off")
_FIRST_WAIT_SECONDS = 0.5
_CONNECT_SECONDS = 10.0
_MOST_TOKENS = 100_000_000
"""Of one call; a server that counts more does not count."""
_LONGEST_TEXT = 200_000

Messages = list[dict[str, Any]]
Put = Callable[[Reply[A]], Awaitable[None]]


@dataclass(frozen=True)
class _Answered(Generic[A]):
    """One response: its text, what that says, or what was wrong with it."""

    call: Call
    text: str = ""
    description: A | None = None
    fault: Fault | None = None


class EndpointDescriber(Generic[A]):
    """Describes, or judges, through an OpenAI-compatible server. One per run: the pace and the connections are kept."""

    def __init__(self, settings: Describer, ledger: Ledger, task: Task[A]) -> None:
        self._settings = settings
        self._task = task
        self._preset = PRESETS[settings.preset]
        self._model = settings.model or ""
        self._where = address(settings)
        self._key = endpoint_key(settings)
        self._clean = without_key(self._key)
        self._ledger = ledger
        self._pace = Pace(settings.concurrency, settings.requests_per_minute)
        self._client: AsyncOpenAI | None = None
        self._ending: ImageragError | None = None

    async def replies(self, subjects: Sequence[Subject]) -> AsyncIterator[Reply[A]]:
        """Every call and every settled image, as they come.

        Raises `ModelError` when the server can serve nobody (key, credit, model, address), and `BudgetExhaustedError`;
        both after the calls in flight have come back. Images of a collection whose own budget is reached are left out.
        """
        outbox: asyncio.Queue[tuple[Reply[A], asyncio.Event]] = asyncio.Queue()

        async def put(reply: Reply[A]) -> None:
            """Hand a reply over and wait until it is dealt with: what is not committed still takes a place."""
            taken = asyncio.Event()
            await outbox.put((reply, taken))
            await taken.wait()

        waiting = iter(subjects)
        workers = asyncio.gather(
            *(self._work(waiting, put) for _ in range(min(self._settings.concurrency, len(subjects))))
        )
        while not (workers.done() and outbox.empty()):
            coming = asyncio.ensure_future(outbox.get())
            await asyncio.wait((coming, workers), return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                reply, taken = coming.result()
                yield reply
                taken.set()
            else:
                coming.cancel()
        workers.result()
        if self._ending is not None:
            raise self._ending

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def _work(self, waiting: Iterator[Subject], put: Put[A]) -> None:
        """One of the many that take the next image until none is left or the run has to end."""
        for subject in waiting:
            if self._ending is not None:
                return
            if self._ledger.is_reached(subject.collection):
                continue
            try:
                await self._describe(subject, put)
            except CollectionExhaustedError:
                continue
            except ImageragError as error:
                self._ending = self._ending or error

    async def _describe(self, subject: Subject, put: Put[A]) -> None:
        try:
            picture = await asyncio.to_thread(lambda: prepare(subject.load(), self._settings.sent_side))
        except ImageragError as error:
            if not isinstance(error, ItemError):
                raise
            await put(Reply(subject, error=error))
        # Whatever one image does to a decoder is recorded with its class and shown by a check.
        except Exception as error:  # noqa: BLE001
            await put(Reply(subject, error=error))
        else:
            await self._converse(subject, picture, put)

    async def _converse(self, subject: Subject, picture: SentPicture, put: Put[A]) -> None:
        """Ask; try again what is the server's passing trouble; ask once for an answer to be put right."""
        messages = request_messages(self._settings, subject, picture, self._task)
        bound = most_it_costs(self._settings, subject, picture, self._task)
        tries: Counter[Outcome] = Counter()
        repairing = False
        for attempt in count(1):
            answered = self._checked(await self._ask(messages, subject.collection, bound, attempt), repairing)
            call, fault = answered.call, answered.fault
            if fault is None:
                await put(Reply(subject, call, answered.description))
                return
            tries[call.outcome] += 1
            if tries[call.outcome] < TRIES.get(call.outcome, 0):
                await put(Reply(subject, call))
                # After a rate limit the pace makes all wait.
                await asyncio.sleep(0 if call.outcome == "rate_limited" else back_off(tries[call.outcome]))
            elif call.outcome in _REPAIRABLE and not repairing:
                await put(Reply(subject, call))
                repairing = True
                messages = [*messages, *_repair(answered.text, fault)]
            else:
                error = final_error(fault, self._where, self._model, self._settings.setting)
                if not isinstance(error, ItemError):
                    # First of all: nobody starts another call while this one is written down.
                    self._ending = self._ending or error
                await put(Reply(subject, call, error=error if isinstance(error, ItemError) else None))
                return
            if self._ending is not None:
                return

    async def _ask(self, messages: Messages, collection: str, bound: Decimal, attempt: int) -> _Answered[A]:
        """One request, within the budget and the pace."""
        async with self._ledger.reserve(collection, bound) as reservation, self._pace.slot() as started:
            before = time.monotonic()
            text, fault, tokens = await self._send(messages)
            latency = round((time.monotonic() - before) * 1000, 1)
            cost = self._cost(tokens, fault)
            reservation.cost = cost if cost is not None or self._preset.price_provider else Decimal()
            if fault and (fault.outcome == "rate_limited" or fault.wait_seconds is not None):
                wait = back_off(attempt) if fault.wait_seconds is None else fault.wait_seconds
                self._pace.slow_down(started, min(wait, LONGEST_WAIT_SECONDS))
            outcome: Outcome = fault.outcome if fault else "ok"
            call = Call(self._settings.preset, self._model, attempt, outcome, tokens, cost, latency)
        return _Answered(call, text, fault=fault)

    def _checked(self, answered: _Answered[A], repairing: bool) -> _Answered[A]:
        """The answer with its description, or with what its text lacks."""
        if answered.fault is not None:
            return answered
        try:
            description = self._task.parse(answered.text)
        except InvalidAnswerError as error:
            call = replace(answered.call, outcome="invalid")
            return replace(answered, call=call, fault=Fault("invalid", str(error)))
        outcome: Outcome = "repaired" if repairing else "ok"
        return replace(answered, call=replace(answered.call, outcome=outcome), description=description)

    async def _send(self, messages: Messages) -> tuple[str, Fault | None, Tokens]:
        from openai import OpenAIError

        try:
            # The client's own time-out is between two bytes, and a server may send one at a time.
            async with asyncio.timeout(self._settings.timeout_seconds):
                body = request_body(self._settings, messages, self._task)
                response = await self._open().chat.completions.with_raw_response.create(**body)
            if not _may_be_json(response):
                message = "it answers with no JSON; the address probably lacks its path, such as /v1"
                return "", Fault("not_the_protocol", message), Tokens()
            read = read_completion(json.loads(response.content), self._clean)
        except (OpenAIError, TimeoutError, ValueError, RecursionError) as error:
            return "", explain(error, self._clean, self._settings.setting), Tokens()
        self._pace.succeeded(response.headers, read[2].sent or 0)
        return read

    def _open(self) -> AsyncOpenAI:
        if self._client is None:
            self._client = open_client(self._settings, self._key)
        return self._client

    def _cost(self, tokens: Tokens, fault: Fault | None) -> Decimal | None:
        if tokens.sent is not None and tokens.received is not None:
            cached = tokens.cached or 0
            return cost_usd(self._preset.price_provider, self._model, tokens.sent, tokens.received, cached)
        return Decimal() if fault and fault.is_free else None


def open_client(settings: Describer, key: str | None) -> AsyncOpenAI:
    """A client of the settings' server. Nothing is sent yet."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient, Timeout

    timeout = Timeout(settings.timeout_seconds, connect=min(settings.timeout_seconds, _CONNECT_SECONDS))
    return AsyncOpenAI(
        # The SDK insists on a key; servers that need none ignore it.
        api_key=key or "none",
        base_url=address(settings),
        timeout=timeout,
        # Where a redirect leads, nobody agreed to send images.
        http_client=DefaultAsyncHttpxClient(timeout=timeout, follow_redirects=False),
        # Retries are ours: each is a row, is paced, and is paid from the budget.
        max_retries=0,
    )


def address(settings: Describer) -> str:
    """Where the settings' server is."""
    return settings.base_url or PRESETS[settings.preset].base_url or ""


def request_messages(
    settings: Describer, subject: Subject, picture: SentPicture, task: Task[Any] = DESCRIBE
) -> Messages:
    """What the model is told: the instructions, what is known of the image as data, and the image."""
    image: dict[str, Any] = {"url": picture.url}
    if PRESETS[settings.preset].image_detail:
        image["detail"] = settings.detail
    content = [
        {"type": "text", "text": task.message(subject)},
        {"type": "image_url", "image_url": image},
    ]
    return [{"role": "system", "content": task.instructions()}, {"role": "user", "content": content}]


def request_body(settings: Describer, messages: Messages, task: Task[Any] = DESCRIBE) -> dict[str, Any]:
    """The body of a chat completion, with what the preset takes."""
    preset = PRESETS[settings.preset]
    request: dict[str, Any] = {
        "model": settings.model,
        "messages": messages,
        preset.token_limit: settings.max_output_tokens,
    }
    if preset.temperature is not None:
        request["temperature"] = preset.temperature
    if preset.json_schema:
        schema = {"name": task.name, "strict": True, "schema": task.schema}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    return request


def most_it_costs(
    settings: Describer, subject: Subject, picture: SentPicture, task: Task[Any] = DESCRIBE, *, batch: bool = False
) -> Decimal:
    """What a call for this image costs at most; 0 where the model has no price, which no budget allows."""
    size = (picture.width, picture.height)
    tokens = expected_tokens_in(settings, len(task.message(subject)), size, task)
    provider = PRESETS[settings.preset].price_provider
    return cost_usd(provider, settings.model or "", tokens, settings.max_output_tokens, batch=batch) or Decimal()


def endpoint_key(settings: Describer) -> str | None:
    """The key from the environment; None for a server that needs none.

    Raises `ModelError` naming the variable when it is missing or can be no key.
    """
    name = settings.key_env or PRESETS[settings.preset].key_env
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise ModelError(
            f"{settings.setting}: the environment variable {name} with the key for {settings.preset} is not set. "
            f"Set it where Imagerag runs, or name another variable in {settings.setting}.key_env."
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        # The HTTP library would refuse it with a message that quotes it.
        raise ModelError(
            f"{settings.setting}: what the environment variable {name} holds cannot be a key: it has spaces, line ends "
            "or characters outside ASCII. Set it again."
        )
    return key


def expected_tokens_in(
    settings: Describer, data_characters: int, size: tuple[int, int], task: Task[Any] = DESCRIBE
) -> int:
    """About how many tokens a request has; `size` is that of the image as it is sent, in pixels."""
    preset = PRESETS[settings.preset]
    words = len(task.instructions()) + data_characters + (len(json.dumps(task.schema)) if preset.json_schema else 0)
    return text_tokens(words) + image_tokens(settings.preset, settings.model or "", size, settings.detail)


def require_price(settings: Describer) -> None:
    """Refuse a budget for a model whose calls nobody can price. Raises `ModelError`."""
    if cost_usd(PRESETS[settings.preset].price_provider, settings.model or "", 1, 1) is None:
        raise ModelError(
            f"budget: the price of {settings.model} at {settings.preset} is not known, so no budget can be kept. "
            "Take the budget out of the settings, or update the package genai-prices if the model is new."
        )


def read_completion(body: Any, clean: Callable[[str], str]) -> tuple[str, Fault | None, Tokens]:
    """(text, what is wrong, tokens) of a response's JSON. Servers differ in what they leave out."""
    tokens = _tokens(_part(body, "usage"))
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        # Some gateways report what went wrong behind them with status 200.
        status = _part(body, "error").get("code")
        if isinstance(status, int) and 400 <= status < 600:
            return "", explain_status(status, body, clean), tokens
        return "", Fault("broken", clean(f"a response without choices: {json.dumps(body)[:300]}")), tokens
    message = _part(choices[0], "message")
    reason = choices[0].get("finish_reason") if isinstance(choices[0], dict) else None
    text, refusal = clean(_text(message.get("content"))), clean(_text(message.get("refusal")))
    if refusal or reason == "content_filter":
        return text, Fault("refused", refusal or "the content filter stopped the answer."), tokens
    if reason == "length":
        return text, Fault("cut_off", "it was cut off"), tokens
    return text, None if text.strip() else Fault("empty", "it is empty"), tokens


def _tokens(usage: dict[str, Any]) -> Tokens:
    """What the server counted. Tokens of thought count as received, also where only the total has them (Gemini's)."""
    sent, received = _number(usage, "prompt_tokens"), _number(usage, "completion_tokens")
    total = _number(usage, "total_tokens")
    if sent is not None and received is not None and total is not None:
        received = max(received, total - sent)
    return Tokens(sent, received, _number(_part(usage, "prompt_tokens_details"), "cached_tokens"))


def _may_be_json(response: Any) -> bool:
    return "json" in response.headers.get("content-type", "") or response.content.lstrip()[:1] == b"{"


def _part(node: Any, name: str) -> dict[str, Any]:
    found = node.get(name) if isinstance(node, dict) else None
    return found if isinstance(found, dict) else {}


def _number(node: dict[str, Any], name: str) -> int | None:
    found = node.get(name)
    is_count = isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _MOST_TOKENS
    return found if is_count else None


def _text(content: Any) -> str:
    """A message's text, which some servers give in parts."""
    if isinstance(content, list):
        return "".join(_text(_part({"part": part}, "part").get("text")) for part in content)
    # JSON may hold half a character, which can be sent nowhere.
    return content[:_LONGEST_TEXT].encode("utf-8", "replace").decode() if isinstance(content, str) else ""


def _repair(text: str, fault: Fault) -> Messages:
    # Some servers refuse an empty turn of the assistant.
    return [
        {"role": "assistant", "content": text.strip() or "(nothing)"},
        {"role": "user", "content": repair_message(fault.message)},
    ]


def back_off(tries: int) -> float:
    """Seconds before the next try: doubling, with jitter, so that callers do not come back together."""
    return float(_FIRST_WAIT_SECONDS * 2 ** (min(tries, 6) - 1) * random.uniform(0.5, 1.0))  # noqa: S311
