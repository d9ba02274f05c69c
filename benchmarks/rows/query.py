"""Encoding a query: sentence-transformers' own call, the bare forward pass, and ours; each query for the first time."""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Latencies, Target, Way
from benchmarks.made import clip_model
from imagerag_assets.models.checkpoints import Encoder
from imagerag_assets.models.dual_encoder import DualEncoder, load_dual_encoder
from imagerag_assets.models.text_encoder import load_text_encoder

_SUBJECTS = ("red mug", "paper jam", "floor plan", "cracked gear", "login screen", "bright kitchen", "invoice", "chart")
_PLACES = ("on a wooden table", "in the east corridor", "with an error message", "beside a window", "at night")


def make(bench: Bench) -> Rows:
    model = str(clip_model(bench.folder / "clip", small=bench.quick))
    name = "a scaled-down CLIP" if bench.quick else "CLIP ViT-B/32's text tower"
    return [
        _compare("all-MiniLM-L6-v2", load_text_encoder("bundled", None, "cpu"), bench),
        _compare(f"{name}, float32", load_dual_encoder(model, None, "cpu"), bench),
        _compare(f"{name}, bfloat16", load_dual_encoder(model, None, "cpu", backend="torch_bf16"), bench),
    ]


def _compare(name: str, encoder: Encoder, bench: Bench) -> Comparison:
    import torch

    loaded = encoder._model
    count = bench.size(40, 5)
    queries = [f"a {_SUBJECTS[number % 8]} {_PLACES[number % 5]}" for number in range(count)]
    prepared = [loaded.preprocess([{"text": query}]) for query in queries]

    def forward(number: int) -> None:
        with torch.inference_mode():
            # Handed over as encode() does: routers look at the modality.
            loaded.forward(dict(prepared[number]), **({"modality": "text"} if isinstance(encoder, DualEncoder) else {}))

    ways = {
        "plain": Way(_timed(count, lambda k: loaded.encode(queries[k])), "SentenceTransformer.encode(text)"),
        "floor": Way(_timed(count, forward), "the forward pass on tokens that are there already"),
        "ours": Way(_timed(count, lambda k: encoder.encode_texts([queries[k]])), "encode_texts, words always words"),  # type: ignore[attr-defined]
    }
    return Comparison(
        f"query encoding, {name}",
        f"{count} different queries one at a time, model warm, CPU; the median query",
        ways,
        (Target("ours", "floor", at_most=1.5),),
    )


def _timed(count: int, do: Callable[[int], object]) -> Callable[[], Latencies]:
    def run() -> Latencies:
        latencies = []
        for number in range(count):
            started = time.perf_counter()
            do(number)
            latencies.append(time.perf_counter() - started)
        return latencies

    return run
