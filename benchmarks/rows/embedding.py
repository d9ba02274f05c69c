"""From files to committed vectors: the guide's loop, the bare forward pass on prepared tensors, and ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Scaling, Target, Way
from benchmarks.made import clip_model, write_photographs
from imagerag_assets.images.crops import decode_tiles
from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.project import Project
from imagerag_assets.settings import Backend, Limits, usable_cores
from imagerag_assets.stages import clip_embeddings, raw_images, tiles
from imagerag_assets.stages.common import RunOptions

_INSERT = "insert into clip_embeddings (content, tile_no, model, fingerprint, embedding) values (%s, 0, %s, '', %s)"

# Small enough for one tile, as the guide makes one vector per image.
_SIZE = (1600, 1200)
_BATCH = 32
"""The default, for the floor as for the stage."""


def make(bench: Bench) -> Rows:
    model = made_model(bench)
    return [compare_embedding(bench, model, "cpu", ("torch", "torch_bf16")), _growth(bench, model)]


def made_model(bench: Bench) -> Path:
    return clip_model(bench.folder / "clip", small=bench.quick)


def compare_embedding(bench: Bench, model: Path, device: str, backends: Sequence[Backend]) -> Comparison:
    """The guide's loop in float32, and for every backend the bare forward pass and the stage. The first is float32."""
    files = write_photographs(bench.folder / "photos", bench.size(128, 4), _SIZE)
    projects = {backend: _prepared(bench, files, model, device, backend) for backend in backends}
    encoders = {backend: project.dual_encoder() for backend, project in projects.items()}
    first = backends[0]
    ways = {
        "plain": Way(_loop(projects[first], encoders[first], files), "open, encode one image, insert, commit"),
        "decode": Way(_decode(encoders[first], files), "files to what the model sees, in a thread per core; no model"),
    }
    targets = []
    for backend in backends:
        floor, ours = f"floor {backend}", f"ours {backend}"
        ways[floor] = Way(
            _forward(encoders[backend], files), f"the model's forward pass on prepared tensors of {_BATCH}"
        )
        ways[f"{floor} apart"] = Way(
            _forward_apart(encoders[backend], files), "the same in as many threads as there are cores, each on one"
        )
        ways[ours] = Way(_stage(projects[backend]), f"the stage with models.backend {backend}")
        targets += [Target(floor, ours, at_least=0.9), Target("plain", ours, at_least=4)]
    name = "a scaled-down CLIP" if bench.quick else "CLIP ViT-B/32"
    return Comparison(
        f"embedding on {device}, from files to committed rows",
        f"{len(files)} JPEG of {_SIZE[0]} × {_SIZE[1]}, {name} of random weights",
        ways,
        (*targets, Target("least centred cosine with float32", at_least=0.99)),
        facts=lambda: {"least centred cosine with float32": _likeness(list(projects.values()))},
        why="On two cores all that the stage does beside the model takes its time from the model: the floor of both is "
        "the sum of the ways decode and floor apart. Most of decoding is unpacking the JPEG's own bits (Huffman "
        "codes), which no reduced size makes less.",
    )


def _growth(bench: Bench, model: Path) -> Scaling:
    sizes = bench.size((32, 128, 512), (2, 4))

    def at(size: int) -> Callable[[], None]:
        files = write_photographs(bench.folder / f"photos-{size}", size, _SIZE)
        project = _prepared(bench, files, model, "cpu", "torch")
        # Loads the model, which is not what grows.
        project.dual_encoder().encode_texts([""])
        return _stage(project)

    return Scaling(
        "embedding", "images, the stage from files to committed rows", {"ours": at}, {"ours": sizes}, {"ours": 1.1},
        "Every image is seen by itself, in batches: 100,000 take as many times longer, and were not embedded here.",
    )  # fmt: skip


def _prepared(bench: Bench, files: Sequence[Path], model: Path, device: str, backend: Backend) -> Project:
    models = {"image_text": str(model), "backend": backend, "device": device, "batch_size": _BATCH}
    project = bench.project(f"embedding_{backend}_{files[0].parent.name}", {"photos": files[0].parent}, models=models)
    raw_images.run(project, RunOptions())
    tiles.run(project, RunOptions())
    return project


def _loop(project: Project, encoder: DualEncoder, files: Sequence[Path]) -> Callable[[], None]:
    """What the guide does: the library's encode, one image at a time, and a commit for each."""

    def run() -> None:
        with project.database.connect() as connection:
            connection.execute("truncate clip_embeddings")
            for file in files:
                vector = encoder._model.encode([Image.open(file).convert("RGB")], normalize_embeddings=True)[0]
                connection.execute(_INSERT, (file.name, "guide", np.asarray(vector)))
                connection.commit()

    return run


def _stage(project: Project) -> Callable[[], None]:
    def run() -> None:
        with project.database.connect() as connection:
            connection.execute("truncate clip_embeddings")
        clip_embeddings.run(project, RunOptions())

    return run


def _decode(encoder: DualEncoder, files: Sequence[Path]) -> Callable[[], None]:
    limits = Limits()

    def see(file: Path) -> None:
        encoder.prepare(next(decode_tiles(file.read_bytes(), limits, 1, [(0, 0, 0, 1, 1)], encoder.least_side)))

    def run() -> None:
        with ThreadPoolExecutor(usable_cores()) as threads:
            list(threads.map(see, files))

    return run


def _batches(encoder: DualEncoder, files: Sequence[Path]) -> list[dict[str, Any]]:
    """What the model is given, made by its own processor and on its device before the clock starts."""
    pictures = [Image.open(file).convert("RGB").resize((448, 336)) for file in files]
    parts = [pictures[start : start + _BATCH] for start in range(0, len(pictures), _BATCH)]
    batches = [encoder._model.preprocess(part) for part in parts]
    return [batch | {"pixel_values": batch["pixel_values"].to(encoder._model.device)} for batch in batches]


def _forward(encoder: DualEncoder, files: Sequence[Path]) -> Callable[[], None]:
    """The image tower alone."""
    batches = _batches(encoder, files)

    def run() -> None:
        for batch in batches:
            _look(encoder, batch)

    return run


def _forward_apart(encoder: DualEncoder, files: Sequence[Path]) -> Callable[[], None]:
    batches = _batches(encoder, files)

    def run() -> None:
        with encoder.one_core_a_thread() as begin, ThreadPoolExecutor(usable_cores(), initializer=begin) as threads:
            list(threads.map(lambda batch: _look(encoder, batch), batches))

    return run


def _look(encoder: DualEncoder, batch: dict[str, Any]) -> None:
    import torch

    with torch.inference_mode():
        # A card works on after the call: to have the result is to have waited.
        encoder._model.forward(dict(batch))["sentence_embedding"].cpu()


def _likeness(projects: Sequence[Project]) -> float:
    """Cosines of the backends' vectors with the first's, about their mean: the plain ones are all near 1."""
    found = []
    for project in projects:
        clip_embeddings.run(project, RunOptions())
        with project.database.connect() as connection:
            rows = connection.execute(
                "select embedding from clip_embeddings where model <> 'guide' order by content"
            ).fetchall()
        vectors = np.stack([row[0].to_numpy() for row in rows])
        vectors -= vectors.mean(axis=0)
        found.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    return min(float((found[0] * other).sum(axis=1).min()) for other in found)
