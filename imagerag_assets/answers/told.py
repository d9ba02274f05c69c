"""The answer of a language model that sees the images: what is sent, and what of its words is kept."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

from PIL import Image

from imagerag_assets.answers.answer import NOTHING, Answer, citations_of
from imagerag_assets.answers.citations import CitationCheck
from imagerag_assets.answers.prompt import NO_ANSWER, image_data, instructions, prompt_digest, question_data
from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import BudgetExhaustedError, ItemError, UnknownImageError
from imagerag_assets.models.budget import Ledger
from imagerag_assets.models.calls import Call, save_call
from imagerag_assets.models.chat import Chat
from imagerag_assets.models.describers.endpoint import Messages, require_price
from imagerag_assets.models.describers.faults import Fault
from imagerag_assets.models.describers.picture import SentPicture, prepare
from imagerag_assets.models.describers.presets import PRESETS
from imagerag_assets.models.prices import cost_usd, image_tokens, text_tokens
from imagerag_assets.project import Project
from imagerag_assets.retrieval.images import picture_of
from imagerag_assets.retrieval.search import Result
from imagerag_assets.settings import Answerer

STAGE = "ask"
_SMALL_SHARE = 0.5
"""A matched tile below this share of its image is sent beside it, if the image loses detail on the way."""


@dataclass
class _Sent:
    """What goes to the model, and what a reader should know of it."""

    content: list[dict[str, Any]]
    pictures: list[SentPicture] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def answer_from(
    project: Project, settings: Answerer, question: str, picture: Image.Image | None, results: Sequence[Result]
) -> Iterator[str | Answer]:
    """Pieces of the answer's text as they come, then the `Answer`.

    Raises `ModelError`, `BudgetExhaustedError` and `ServiceError` as `Chat.stream` does; what was paid is recorded.
    """
    chat, ledger, counting = _chat(project, settings)
    with project.database.connect() as connection:
        sent = _sent(connection, project, settings, question, picture, results)
    if project.settings.budget.limited:
        with counting, project.database.connect() as connection:
            ledger.look(connection)
    bound = _bound(project, settings, sent)
    calls: list[Call] = []
    name, collection = uuid.uuid4().hex, results[0].collection

    def keep(call: Call) -> None:
        calls.append(call)
        # Who looks meanwhile would see the row neither in the database nor in the ledger.
        with counting, project.database.connect() as connection:
            save_call(connection, call, stage=STAGE, item=name, collection=collection, run_id=name)
            ledger.saved(connection, collection, call.cost_usd)

    reading = _Reading(len(results))
    messages: Messages = [
        {"role": "system", "content": instructions()},
        {"role": "user", "content": sent.content},
    ]
    fault = yield from reading.shown(chat.stream(messages, collection, bound, keep))
    answer = reading.answer(question, results, fault, settings.model or "")
    costs = [call.cost_usd for call in calls]
    yield replace(
        answer,
        notes=(*sent.notes, *answer.notes),
        model=settings.model,
        prompt=prompt_digest(),
        tokens_in=sum(call.tokens.sent or 0 for call in calls),
        tokens_out=sum(call.tokens.received or 0 for call in calls),
        usd=None if None in costs else sum((cost for cost in costs if cost is not None), Decimal()),
    )


class _Reading:
    """The model's words → the text that is shown, and what they say of themselves: refused, cited, invented."""

    def __init__(self, images: int) -> None:
        self._check = CitationCheck(images)
        self._images = images
        self._start: str | None = ""
        """The first characters, until it is known whether they say that there is no answer."""
        self._refused = False
        self._text = ""

    def shown(self, pieces: Generator[str, None, Fault | None]) -> Generator[str, None, Fault | None]:
        """What can be shown, as it comes; its value is that of `pieces`."""
        try:
            while True:
                try:
                    piece = next(pieces)
                except StopIteration as end:
                    fault: Fault | None = end.value
                    break
                yield from self._show(self._check.pass_on(self._after_start(piece)))
        finally:
            pieces.close()
        yield from self._show(self._check.pass_on(self._after_start("", last=True)) + self._check.rest())
        return fault

    def _after_start(self, piece: str, *, last: bool = False) -> str:
        """The piece, once the text's start cannot be the word for no answer any more; without that word."""
        if self._start is None:
            return piece
        self._start = (self._start + piece).lstrip()
        if not last and len(self._start) < len(NO_ANSWER) and NO_ANSWER.startswith(self._start):
            return ""
        start, self._start = self._start, None
        self._refused = start.startswith(NO_ANSWER.rstrip(":"))
        return start.removeprefix(NO_ANSWER.rstrip(":")).lstrip(": ") if self._refused else start

    def _show(self, text: str) -> Iterator[str]:
        if not self._text:
            text = text.lstrip()
        if text:
            self._text += text
            yield text

    def answer(self, question: str, results: Sequence[Result], fault: Fault | None, model: str) -> Answer:
        """The answer that the words make. Raises `ItemError` when there are none."""
        notes = []
        text = self._text.strip()
        if fault is not None and fault.outcome == "refused":
            return Answer(question, f"{model} refuses to answer: {fault.message}", results=tuple(results), refused=True)
        if not text and not self._refused:
            raise ItemError("invalid_answer", f"{model} gave no answer.")
        if fault is not None and fault.outcome == "cut_off":
            notes.append("The answer was cut off: raise models.answerer.max_output_tokens.")
        if self._check.invented:
            numbers = ", ".join(f"[{number}]" for number in self._check.invented)
            notes.append(f"{model} cited {numbers}, but was given {_count(self._images)}: that was taken out.")
        uncited = not self._refused and not self._check.cited
        if uncited:
            notes.append("The answer cites no image, so nothing shows that it is from them.")
        citations = citations_of(results, sorted(self._check.cited))
        return Answer(
            question, text or NOTHING, citations, tuple(results), self._refused, uncited=uncited, notes=tuple(notes)
        )


def _count(images: int) -> str:
    return "1 image" if images == 1 else f"{images} images"


def _sent(
    connection: Connection,
    project: Project,
    settings: Answerer,
    question: str,
    picture: Image.Image | None,
    results: Sequence[Result],
) -> _Sent:
    """The user's message: the question, then every image after what is known of it."""
    sent = _Sent([_text(question_data(question))])
    if picture is not None:
        sent.content.append(_text("<question_image/>"))
        _add(sent, settings, picture)
    for number, one in enumerate(results, start=1):
        sent.content.append(_text(image_data(number, one)))
        try:
            image = picture_of(connection, project, one.content)
        except (ItemError, UnknownImageError) as error:
            sent.notes.append(f"[{number}] could not be sent, only what is known of it: {error}")
            continue
        _add(sent, settings, image)
        if _tile_helps(one, settings.sent_side):
            sent.content.append(_text(f'<part_of_image number="{number}"/>'))
            _add(sent, settings, image.crop(one.box))
    return sent


def _tile_helps(one: Result, side: int) -> bool:
    """Whether the matched tile shows what the image at `side` pixels does not."""
    if one.box is None or max(one.width, one.height) <= side:
        return False
    x0, y0, x1, y1 = one.box
    return (x1 - x0) * (y1 - y0) < _SMALL_SHARE * one.width * one.height


def _add(sent: _Sent, settings: Answerer, image: Image.Image) -> None:
    picture = prepare(image.convert("RGB"), settings.sent_side)
    url: dict[str, Any] = {"url": picture.url}
    if PRESETS[settings.preset].image_detail:
        url["detail"] = settings.detail
    sent.content.append({"type": "image_url", "image_url": url})
    sent.pictures.append(picture)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _bound(project: Project, settings: Answerer, sent: _Sent) -> Decimal:
    """What the call costs at most; 0 where the model has no price, which no budget allows.

    Raises `BudgetExhaustedError` where that is more than a run may cost: a question is a run of its own.
    """
    words = sum(len(part["text"]) for part in sent.content if part["type"] == "text")
    tokens = text_tokens(len(instructions()) + words)
    model = settings.model or ""
    for picture in sent.pictures:
        tokens += image_tokens(settings.preset, model, (picture.width, picture.height), settings.detail)
    provider = PRESETS[settings.preset].price_provider
    bound = cost_usd(provider, model, tokens, settings.max_output_tokens) or Decimal()
    limit = project.settings.budget.run_usd
    if limit is not None and bound > Decimal(str(limit)):
        raise BudgetExhaustedError(
            f"budget.run_usd is {limit}, and an answer to this question may cost {bound:.4f} USD. Raise the budget, or "
            "lower models.answerer.max_output_tokens."
        )
    return bound


_chats: WeakKeyDictionary[Project, tuple[Chat, Ledger, threading.Lock]] = WeakKeyDictionary()
_opening = threading.Lock()


def _chat(project: Project, settings: Answerer) -> tuple[Chat, Ledger, threading.Lock]:
    """The project's connection to the endpoint: questions at the same time share its pace and its budget."""
    with _opening:
        if project not in _chats:
            budget = project.settings.budget.model_copy(update={"run_usd": None})
            if project.settings.budget.limited:
                require_price(settings)
            ledger = Ledger(budget, STAGE, settings.model or "", "")
            _chats[project] = Chat(settings, ledger), ledger, threading.Lock()
        return _chats[project]
