"""A vision model in this process: what transformers loads as AutoModelForImageTextToText (LLaVA, Qwen-VL, InternVL).

torch and transformers are imported when the model is loaded.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from PIL import Image

from imagerag_assets.errors import ImageragError, ItemError, ModelError
from imagerag_assets.models.calls import Call, Outcome, Tokens
from imagerag_assets.models.checkpoints import Checkpoint, find_checkpoint, hide_loading_bars, keep_thread_limit
from imagerag_assets.models.describers import Description, Reply, Subject
from imagerag_assets.models.describers.picture import shrink
from imagerag_assets.models.describers.prompt import data_message, instructions, repair_message
from imagerag_assets.models.describers.schema import InvalidAnswerError, parse_answer
from imagerag_assets.settings import Describer

_SETTING = "models.describer.model"
_PRESET = "local"
"""What stands in the calls' rows where an endpoint has its preset."""


class LocalDescriber:
    """A loaded model and its processor. Threads may share it; it describes one image at a time."""

    def __init__(self, model: Any, processor: Any, settings: Describer) -> None:
        self._model = model
        self._processor = processor
        self._settings = settings
        self._generating = threading.Lock()

    def replies(self, subjects: Sequence[Subject]) -> Iterator[Reply]:
        """Every call and every settled image, in order."""
        for subject in subjects:
            try:
                image = shrink(subject.load(), self._settings.sent_side)
                yield from self._converse(subject, image)
            except ImageragError as error:
                if not isinstance(error, ItemError):
                    raise
                yield Reply(subject, error=error)
            # What one image does to a processor or a model is recorded with its class and shown by a check.
            except Exception as error:  # noqa: BLE001
                yield Reply(subject, error=error)

    def _converse(self, subject: Subject, image: Image.Image) -> Iterator[Reply]:
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": [_said(instructions())]},
            {
                "role": "user",
                "content": [{"type": "image", "image": image}, _said(data_message(subject.context, subject.ocr))],
            },
        ]
        fault = ""
        for attempt in (1, 2):
            text, call = self._generate(messages, attempt)
            try:
                description = parse_answer(text)
            except InvalidAnswerError as invalid:
                fault = str(invalid)
            else:
                outcome: Outcome = "ok" if attempt == 1 else "repaired"
                yield _reply(subject, call, outcome, description)
                return
            if attempt == 1:
                yield _reply(subject, call, "invalid")
                messages = [
                    *messages,
                    {"role": "assistant", "content": [_said(text.strip() or "(nothing)")]},
                    {"role": "user", "content": [_said(repair_message(fault))]},
                ]
        told = f"{self._settings.model} gave no description in two answers: {fault}."
        yield _reply(subject, call, "invalid", error=ItemError("invalid_answer", told))

    def _generate(self, messages: list[dict[str, Any]], attempt: int) -> tuple[str, Call]:
        """The most probable answer, and what it took."""
        import torch

        before = time.monotonic()
        with self._generating, torch.inference_mode():
            inputs = self._processor.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
            ).to(self._model.device)
            generated = self._model.generate(**inputs, max_new_tokens=self._settings.max_output_tokens, do_sample=False)
        asked = int(inputs["input_ids"].shape[1])
        answer = generated[0][asked:]
        tokens = Tokens(asked, len(answer), 0)
        latency = round((time.monotonic() - before) * 1000, 1)
        call = Call(_PRESET, self._settings.model or "", attempt, "ok", tokens, Decimal(), latency)
        return str(self._processor.decode(answer, skip_special_tokens=True)), call


def find_local_model(settings: Describer) -> Checkpoint:
    """Where the model of the settings is. Raises `ModelError`."""
    return find_checkpoint(settings.model or "", settings.revision, _SETTING)


@lru_cache(maxsize=1)
def load_local_describer(settings: Describer, device: str, allow_remote_code: bool) -> LocalDescriber:
    """Load the model onto `device`.

    Raises `ModelError`: it is not there, it is no image-text-to-text model, it has no chat template, or it asks for
    code of its own and that is not allowed.
    """
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText, AutoProcessor

    keep_thread_limit()
    hide_loading_bars()
    found = find_local_model(settings)
    place = str(found.folder or found.model_id)
    options = {"revision": found.commit, "trust_remote_code": allow_remote_code}
    try:
        processor = AutoProcessor.from_pretrained(place, **options)  # type: ignore[no-untyped-call]
        dtype = torch.float32 if device == "cpu" else "auto"
        model: Any = AutoModelForImageTextToText.from_pretrained(place, dtype=dtype, **options)
        model.to(device).eval()
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        if isinstance(error, ImportError):
            raise ModelError(
                f"{_SETTING}: {place} needs a package that is not installed: {' '.join(str(error).split())[:160]} … "
                "The processors of Qwen-VL and InternVL need torchvision, in the build that fits your torch."
            ) from error
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{_SETTING}: {place} cannot be loaded as an image-text-to-text model: {said} Name a folder or hub id of "
            "one that transformers has (LLaVA, Qwen-VL, InternVL, …); code of its own needs models.allow_remote_code."
        ) from error
    if not getattr(processor, "chat_template", None):
        raise ModelError(f"{_SETTING}: {place} has no chat template, so it cannot be asked. Use another.")
    return LocalDescriber(model, processor, settings)


def _said(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def _reply(
    subject: Subject,
    call: Call,
    outcome: Outcome,
    description: Description | None = None,
    error: ItemError | None = None,
) -> Reply:
    told = Call(call.preset, call.model, call.attempt, outcome, call.tokens, call.cost_usd, call.latency_ms)
    return Reply(subject, told, description, error)
