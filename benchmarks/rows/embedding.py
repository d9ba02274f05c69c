"""From files to committed vectors: the guide's loop, the bare forward pass on prepared tensors, and ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Target, Way
from benchmarks.made import clip_model, write_photographs
from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.project import Project
from imagerag_assets.settings import Backend
from imagerag_assets.stages import clip_embeddings, raw_images, tiles
from imagerag_assets.stages.common import RunOptions

_INSERT = "insert into clip_embeddings (content, tile_no, model, fingerprint, embedding) values (%s, 0, %s, '', %s)"

_BATCH = 8
"""Of the 32 images: with one batch for all there would be nothing to decode ahead of."""


def make(bench: Bench) -> Rows:
    return [compare_embedding(bench, "cpu", ("torch", "torch_bf16"))]


def compare_embedding(bench: Bench, device: str, backends: Sequence[Backend]) -> Comparison:
    """The guide's loop in float32, and for every backend the bare forward pass and the stage. The first is float32."""
    # Small enough for one tile, as the guide makes one vector per image.
    size = (1600, 1200)
    files = write_photographs(bench.folder / "photos", bench.size(32, 4), size)
    model = clip_model(bench.folder / "clip", small=bench.quick)
    projects = {backend: _prepared(bench, files, model, device, backend) for backend in backends}
    encoders = {backend: project.dual_encoder() for backend, project in projects.items()}
    first = backends[0]
    ways = {"plain": Way(_loop(projects[first], encoders[first], files), "open, encode one image, insert, commit")}
    targets = []
    for backend in backends:
        floor, ours = f"floor {backend}", f"ours {backend}"
        ways[floor] = Way(
            _forward(encoders[backend], files), f"the model's forward pass on prepared tensors of {_BATCH}"
        )
        ways[ours] = Way(_stage(projects[backend]), f"the stage with models.backend {backend}")
        targets += [Target(floor, ours, at_least=0.9), Target("plain", ours, at_least=4)]
    name = "a scaled-down CLIP" if bench.quick else "CLIP ViT-B/32"
    return Comparison(
        f"embedding on {device}, from files to committed rows",
        f"{len(files)} JPEG of {size[0]} × {size[1]}, {name} of random weights",
        ways,
        (*targets, Target("least centred cosine with float32", at_least=0.99)),
        facts=lambda: {"least centred cosine with float32": _likeness(list(projects.values()))},
        why="Beside the model the stage decodes, lets the model's own processor scale and normalise, and writes; on "
        "two cores all of that takes its time from the model.",
    )


def _prepared(bench: Bench, files: Sequence[Path], model: Path, device: str, backend: Backend) -> Project:
    models = {"image_text": str(model), "backend": backend, "device": device, "batch_size": _BATCH}
    project = bench.project(f"embedding_{backend}", {"photos": files[0].parent}, models=models)
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


def _forward(encoder: DualEncoder, files: Sequence[Path]) -> Callable[[], None]:
    """The image tower alone, on tensors that were prepared before the clock starts."""
    import torch

    loaded = encoder._model
    pictures = [Image.open(file).convert("RGB").resize((448, 336)) for file in files]
    batches = [loaded.preprocess(pictures[start : start + _BATCH]) for start in range(0, len(pictures), _BATCH)]

    def run() -> None:
        with torch.inference_mode():
            for batch in batches:
                loaded.forward(dict(batch))

    return run


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
