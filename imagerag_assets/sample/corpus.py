"""Writes the sample corpus: pictures, near-duplicates, broken files, and a benchmark per collection.

What a file's bytes are is in `corpus_files`, what a picture shows is in the collections' modules.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import multiprocessing
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from filelock import FileLock

from imagerag_assets.sample import corpus_files
from imagerag_assets.sample.scene import Scene, SceneModule
from imagerag_assets.settings import usable_cores

GENERATOR_VERSION = "1"
COLLECTIONS = ("products", "real_estate", "it_support", "manufacturing")
MANIFEST = "corpus.json"
_UNFINISHED = ".part"
"""End of the name of a file that is being written. It starts with a dot: whoever lists images does not see it."""

_NEAR_DUPLICATES: tuple[tuple[str, str], ...] = (
    ("rescaled", ""),
    ("rescaled", "webp"),
    ("recompressed", "jpg"),
    ("recompressed", "jpg"),
    ("cropped", ""),
    ("cropped", "jpg"),
    ("watermarked", ""),
    ("watermarked", "jpg"),
    ("brightened", ""),
)
"""Alteration and extension (empty: that of the original) of every collection's near-duplicates."""
_IDENTICAL_COPIES = 2
_BROKEN: dict[str, tuple[str, ...]] = {
    "products": ("empty", "truncated"),
    "real_estate": ("text", "truncated"),
    "it_support": ("corrupted", "header_only"),
    "manufacturing": ("bomb",),
}

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Copy:
    """A file that shows the same scene as another: altered, or byte for byte the same ("identical")."""

    kind: str
    path: str
    extension: str


@dataclass(frozen=True)
class Job:
    """The files that come from one scene. It is drawn once, by any worker. `source` is where it is found."""

    collection: str
    source: tuple[str, int]
    """("scene", index in `corpus_scenes()`), ("example", index in `QUERIES`), or (a kind of `BROKEN`, 0)."""
    path: str
    """Relative to the corpus's folder, as everywhere in this module."""
    extension: str
    copies: tuple[Copy, ...] = ()


@dataclass(frozen=True)
class CorpusSummary:
    """What the folder holds. `written` is False where an intact corpus was found and nothing was done."""

    written: bool
    pictures: dict[str, int]
    """Readable files per collection, copies included."""
    near_duplicates: int
    identical_copies: int
    broken: int
    queries: dict[str, int]
    digest: str
    """sha256 over the sorted listing of all files with their sha256."""


def write_corpus(
    folder: Path, progress: Progress | None = None, *, collections: tuple[str, ...] = COLLECTIONS
) -> CorpusSummary:
    """Write to `folder` what of the corpus is missing or damaged: nothing where this version of it is there, intact.

    The manifest comes last and in one step: a folder whose first writing was killed has none and is written again.
    A second process that asks for the same folder waits for the first, and finds it done.
    `progress` is called with the number of scenes done and of all scenes to do.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        found = _read_manifest(folder)
        whole = _whole_files(folder, found)
        if found and whole == found["files"] and tuple(found["summary"]["queries"]) == collections:
            return CorpusSummary(**{**found["summary"], "written": False})
        jobs = [job for name in collections for job in plan(name)]
        _clear(folder, found, keep={path for job in jobs for path in _paths(job)} & whole.keys())
        due = [job for job in jobs if not set(_paths(job)) <= whole.keys()]
        drawn = draw_files(folder, due, usable_cores(), progress)
        files = {path: drawn.get(path) or whole[path] for job in jobs for path in _paths(job)}
        queries = {}
        for name in collections:
            mine = [job for job in jobs if job.collection == name]
            queries[name], written = write_benchmark(folder, name, mine)
            files |= written
        return _finish(folder, jobs, files, queries)


def plan(collection: str) -> list[Job]:
    """Decide a collection's files; copies and broken ones are numbered after the originals."""
    module, scenes = scene_module(collection), _scenes(collection)
    rng = np.random.default_rng(_number(collection))
    prefix = scenes[0].name.partition("-")[0]
    free = iter(range(max(int(scene.name.partition("-")[2]) for scene in scenes) + 1, 10_000))

    def new_path(extension: str) -> str:
        return f"images/{collection}/{prefix}-{next(free):04d}.{extension}"

    copied: dict[int, tuple[Copy, ...]] = {}
    chosen = rng.permutation(len(scenes)).tolist()
    for (kind, wanted), index in zip(_NEAR_DUPLICATES, chosen, strict=False):
        extension = wanted or _extension(scenes[index])
        copied[index] = (Copy(kind, new_path(extension), extension),)
    for index in chosen[len(_NEAR_DUPLICATES) :][:_IDENTICAL_COPIES]:
        extension = _extension(scenes[index])
        copied[index] = (Copy("identical", new_path(extension), extension),)
    jobs = []
    for i, scene in enumerate(scenes):
        extension = _extension(scene)
        path = f"images/{collection}/{scene.name}.{extension}"
        jobs.append(Job(collection, ("scene", i), path, extension, copied.get(i, ())))
    for kind in _BROKEN[collection]:
        extension = corpus_files.BROKEN[kind][0]
        jobs.append(Job(collection, (kind, 0), new_path(extension), extension))
    for index, query in enumerate(module.QUERIES):
        if query.example:
            path = f"benchmarks/{collection}/examples/{query_id(collection, index)}.jpg"
            jobs.append(Job(collection, ("example", index), path, "jpg"))
    return jobs


def _extension(scene: Scene) -> str:
    """Choose the file format: a drawn plan is a PNG, and of the photos some are WebP."""
    if scene.facts.get("kind") == "plan":
        return "png"
    if scene.extension == "jpg" and _number(f"{scene.collection}/{scene.name}") % 12 == 0:
        return "webp"
    return scene.extension


def draw_files(folder: Path, jobs: list[Job], workers: int, progress: Progress | None = None) -> dict[str, str]:
    """Draw and write all files; returns path → sha256, the same whatever the number of workers."""
    for job in jobs:
        (folder / job.path).parent.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    # Forking a process that has threads (a Dagster run, a test of the server) can hang: start clean ones.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        running = [pool.submit(_write_files, folder, job) for job in jobs]
        try:
            for done, finished in enumerate(as_completed(running), start=1):
                files |= finished.result()
                if progress:
                    progress(done, len(jobs))
        except BaseException:  # an interrupt or a picture that fails: do not draw the other hundreds first
            pool.shutdown(cancel_futures=True)
            raise
    return files


def write_benchmark(folder: Path, collection: str, jobs: list[Job]) -> tuple[int, dict[str, str]]:
    """Write queries.jsonl and qrels.tsv; returns the number of queries and path → sha256 of the two files."""
    rows, judgements = [], ["query-id\tcorpus-id\tscore"]
    for index, query in enumerate(scene_module(collection).QUERIES):
        name = query_id(collection, index)
        metadata = {"kind": query.kind, "language": query.language}
        row: dict[str, Any] = {"_id": name, "text": query.text, "metadata": metadata}
        if query.example:
            row["image"] = f"examples/{name}.jpg"
        rows.append(json.dumps(row, ensure_ascii=False))
        shown = (job for job in jobs if job.source[0] == "scene")
        relevant = (job for job in shown if query.relevant(_scenes(collection)[job.source[1]].facts))
        judgements += [f"{name}\t{Path(path).name}\t1" for job in relevant for path in _paths(job)]
    base = f"benchmarks/{collection}"
    texts = {f"{base}/queries.jsonl": rows, f"{base}/qrels.tsv": judgements}
    return len(rows), {path: _write(folder, path, "\n".join([*lines, ""]).encode()) for path, lines in texts.items()}


def query_id(collection: str, index: int) -> str:
    return f"{collection}-{index + 1:03d}"


@cache
def scene_module(collection: str) -> SceneModule:
    """Import a collection's module, only when it is wanted."""
    return cast("SceneModule", importlib.import_module(f"imagerag_assets.sample.{collection}"))


@cache
def _scenes(collection: str) -> tuple[Scene, ...]:
    return scene_module(collection).corpus_scenes()


def _paths(job: Job) -> Iterator[str]:
    yield job.path
    yield from (copy.path for copy in job.copies)


def _number(text: str) -> int:
    """Return a seed that depends on nothing but the text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _write_files(folder: Path, job: Job) -> dict[str, str]:
    """Draw a job's scene and write its files; returns path → sha256."""
    rng = np.random.default_rng(_number(job.path))
    kind, index = job.source
    if kind in corpus_files.BROKEN:
        return {job.path: _write(folder, job.path, corpus_files.broken(kind, rng))}
    module = scene_module(job.collection)
    scene = _scenes(job.collection)[index] if kind == "scene" else module.QUERIES[index].example
    if scene is None:
        raise ValueError(f"query {index} of {job.collection} has no example to draw")
    image = module.draw(scene).image.convert("RGB")
    original = corpus_files.encode(image, job.extension, rng)
    files = {job.path: _write(folder, job.path, original)}
    for copy in job.copies:
        data = original
        if copy.kind != "identical":
            rng = np.random.default_rng(_number(copy.path))
            quality = corpus_files.RECOMPRESSED_QUALITY if copy.kind == "recompressed" else None
            altered = corpus_files.ALTERATIONS[copy.kind](image, rng)
            data = corpus_files.encode(altered, copy.extension, rng, quality)
        files[copy.path] = _write(folder, copy.path, data)
    return files


def _write(folder: Path, path: str, data: bytes) -> str:
    """Write a file in one step: where a listing finds it, it is whole. Returns its sha256."""
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{uuid.uuid4().hex}{_UNFINISHED}")
    unfinished.write_bytes(data)
    unfinished.replace(target)
    return hashlib.sha256(data).hexdigest()


def _finish(folder: Path, jobs: list[Job], files: dict[str, str], queries: dict[str, int]) -> CorpusSummary:
    """Write the manifest, which makes the corpus valid."""
    shown = [job for job in jobs if job.source[0] == "scene"]
    copies = [(job, copy) for job in shown for copy in job.copies]
    broken = [{"path": job.path, "kind": job.source[0]} for job in jobs if job.source[0] in corpus_files.BROKEN]
    identical = sum(copy.kind == "identical" for _, copy in copies)
    summary = CorpusSummary(
        written=True,
        pictures=dict(Counter(job.collection for job in shown for _ in _paths(job))),
        near_duplicates=len(copies) - identical,
        identical_copies=identical,
        broken=len(broken),
        queries=queries,
        digest=_digest(files),
    )
    manifest = {
        "generator_version": GENERATOR_VERSION,
        "summary": asdict(summary),
        "copies": [{"original": job.path, "copy": copy.path, "kind": copy.kind} for job, copy in copies],
        "broken": broken,
        "files": dict(sorted(files.items())),
    }
    _write(folder, MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
    return summary


def _digest(files: dict[str, str]) -> str:
    listing = "".join(f"{path}\t{sha256}\n" for path, sha256 in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any] | None:
    """What an earlier call wrote; None where there is no manifest, or one that cannot be read."""
    path = folder / MANIFEST
    try:
        return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None
    except ValueError:
        return None


def _whole_files(folder: Path, manifest: dict[str, Any] | None) -> dict[str, str]:
    """Path → sha256 of the files that this version wrote and that nobody has changed since."""
    if manifest is None or manifest["generator_version"] != GENERATOR_VERSION:
        return {}
    files: dict[str, str] = manifest["files"]
    return {path: expected for path, expected in files.items() if _sha256(folder / path) == expected}


def _sha256(path: Path) -> str | None:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _clear(folder: Path, manifest: dict[str, Any] | None, keep: set[str]) -> None:
    """Remove what a killed call left half written, and listed files of an older version or another choice."""
    for left in folder.rglob(f".*{_UNFINISHED}"):
        left.unlink(missing_ok=True)
    for path in manifest["files"] if manifest else ():
        if path not in keep:
            (folder / path).unlink(missing_ok=True)
