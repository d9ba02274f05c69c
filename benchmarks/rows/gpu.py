"""Images per second on a card: the stage in 32 and in 16 bits beside the bare forward pass."""

from __future__ import annotations

from benchmarks.bench import Bench, Missing, Rows
from benchmarks.rows.embedding import compare_embedding, made_model


def make(bench: Bench) -> Rows:
    import torch

    if not torch.cuda.is_available():
        raise Missing("there is no CUDA card here, so what models.device cuda does was not measured.")
    return [compare_embedding(bench, made_model(bench), "cuda", ("torch", "torch_bf16", "torch_fp16"))]
