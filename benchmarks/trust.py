"""How well swapped descriptions are flagged: precision and recall at the threshold, and ROC-AUC, by signal.

    python -m benchmarks.trust --settings imagerag.yaml [--captions captions.jsonl] [--rounds 10] [--share 0.1]

The graph has to be materialized up to clip_embeddings. A tenth of every collection's descriptions are swapped in
memory, among themselves and for those of other collections, and everything is measured as `description_confidence`
does it: the database is only read. `--captions` (lines with `image`, `text` and perhaps `visible_text`) stands in for
a vision model: the zero-shot describer takes its words from the dual encoder that then judges them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pgvector import Vector
from rich.console import Console
from rich.table import Table

from imagerag_assets.evaluation.metrics import read
from imagerag_assets.project import Project, open_project
from imagerag_assets.retrieval import trust
from imagerag_assets.retrieval.trust import Shape
from imagerag_assets.stages import clip_embeddings, ocr_text, vlm_descriptions
from imagerag_assets.stages.description_confidence import Pairs, signals

_SIGNALS = ("both", "image", "text")
_THRESHOLDS = (0.3, 0.5, 0.7, 0.85)


@dataclass(frozen=True)
class Row:
    """One image with what is said of it; the names are those of description_confidence's candidates."""

    item: str
    collection: str
    uri: str
    group: str
    said: str
    visible_text: str
    ocr: str
    shown_vector: Vector
    said_vector: Vector | None = None
    verdict: None = None
    image_a: float = 1.0
    image_b: float = 1.0
    text_a: float = 1.0
    text_b: float = 1.0
    text_missed: float = 0.0


@dataclass(frozen=True)
class Round:
    """What one round found: the confidences by signal (NaN where absent), and whose descriptions are wrong."""

    confidences: Mapping[str, NDArray[np.float64]]
    wrong: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=Path, default=None)
    parser.add_argument("--captions", type=Path, help="said instead of the stored descriptions")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--share", type=float, default=0.1, help="of the descriptions that are swapped")
    arguments = parser.parse_args()
    project = open_project(arguments.settings)
    captions = _captions(arguments.captions) if arguments.captions else None
    rows = _encoded(project, _rows(project, captions))
    if not rows:
        parser.error("nothing is described: materialize the graph first, and let the captions name its files")
    names = sorted({row.collection for row in rows})
    threshold = project.settings.descriptions.trust
    found: dict[tuple[str, str], list[Round]] = {}
    for name in names:
        mine, others = [one for one in rows if one.collection == name], [one for one in rows if one.collection != name]
        if len(mine) < trust.MINIMUM_PAIRS:
            continue
        for kind, sources in (("within", mine), ("across", others)):
            if sources:
                chances = (np.random.default_rng(seed) for seed in range(arguments.rounds))
                found[name, kind] = [_round(mine, sources, arguments.share, chance) for chance in chances]
    _print(found, threshold)


def _captions(file: Path) -> dict[str, dict[str, Any]]:
    lines = (json.loads(line) for line in file.read_text(encoding="utf-8").splitlines())
    return {str(line["image"]): line for line in lines}


def _rows(project: Project, captions: Mapping[str, dict[str, Any]] | None) -> Iterator[Row]:
    clip = clip_embeddings.stage(project)
    with project.database.connect() as connection:
        stored = read(
            connection,
            "select distinct on (r.content) r.content as item, r.collection, r.uri, "
            'coalesce(d.canonical, r.content) as "group", e.embedding as shown_vector, '
            "concat_ws(E'\\n', v.general, array_to_string(v.key_elements, ', ')) as said, "
            "coalesce(v.visible_text, '') as visible_text, coalesce(o.text, '') as ocr "
            "from raw_images r join clip_embeddings e on e.content = r.content and e.tile_no = 0 and e.model = %s "
            "and e.fingerprint = %s left join vlm_descriptions v on v.content = r.content and v.fingerprint = %s "
            "left join ocr_text o on o.content = r.content and o.fingerprint = %s "
            "left join deduped_set d on d.content = r.content "
            "where r.removed_at is null order by r.content, r.collection, r.uri",
            clip.parameters["model"], clip.fingerprint, vlm_descriptions.stage(project).fingerprint,
            ocr_text.stage(project).fingerprint,
        )  # fmt: skip
    for one in stored:
        row = Row(**one)
        if captions is None:
            yield row
        elif caption := captions.get(row.uri):
            yield replace(row, said=caption["text"], visible_text=caption.get("visible_text", ""))


def _encoded(project: Project, rows: Iterator[Row]) -> list[Row]:
    kept = [row for row in rows if row.said]
    vectors = project.dual_encoder().encode_texts([row.said for row in kept])
    return [replace(row, said_vector=Vector(vector)) for row, vector in zip(kept, vectors, strict=True)]


def _round(rows: Sequence[Row], sources: Sequence[Row], share: float, chance: np.random.Generator) -> Round:
    """Swap a share of the descriptions, and measure all. A swap for an equal picture's or equal words is no error."""
    chosen = chance.permutation(len(rows))[: max(2, round(share * len(rows)))]
    if sources is rows:
        told = [rows[place] for place in np.roll(chosen, 1)]
    else:
        told = [sources[place] for place in chance.permutation(len(sources))[: len(chosen)]]
    swapped, wrong = list(rows), np.zeros(len(rows), dtype=bool)
    for place, other in zip(chosen, told, strict=False):
        mine = rows[place]
        swapped[place] = replace(mine, said=other.said, visible_text=other.visible_text, said_vector=other.said_vector)
        wrong[place] = mine.group != other.group and mine.said != other.said
    return Round(_measured(swapped), wrong)


def _measured(rows: Sequence[Row]) -> dict[str, NDArray[np.float64]]:
    pairs = Pairs(rows)
    image = trust.fit(pairs.by_image.beaten_by_row()) if pairs.by_image else Shape()
    text = trust.fit(pairs.by_text.beaten_by_row(), fallible=True) if pairs.by_text else Shape()
    shaped = (
        replace(one, image_a=image.a, image_b=image.b, text_a=text.a, text_b=text.b, text_missed=text.missed)
        for one in rows
    )
    told = np.array([signals(row, pairs)[:3] for row in shaped], dtype=np.float64)
    return dict(zip(_SIGNALS, told.T, strict=True))


def _print(found: Mapping[tuple[str, str], Sequence[Round]], threshold: float) -> None:
    table = Table(
        "collection", "swapped", "images", "signal", "has it", "flagged", "precision", "recall", "ROC-AUC",
        title=f"Swapped descriptions, flagged below {threshold}",
    )  # fmt: skip
    for (name, kind), rounds in found.items():
        for signal in _SIGNALS:
            table.add_row(name, kind, str(len(rounds[0].wrong)), signal, *_figures(rounds, signal, threshold))
    Console(width=130).print(table)
    sweep = Table("threshold", "precision", "recall", title="Both signals, all of the above together")
    for value in _THRESHOLDS:
        together = [one for rounds in found.values() for one in rounds]
        sweep.add_row(f"{value}", *_figures(together, "both", value)[2:4])
    Console(width=130).print(sweep)


def _figures(rounds: Sequence[Round], signal: str, threshold: float) -> tuple[str, str, str, str, str]:
    """(images with the signal, flagged per round, precision, recall, mean ROC-AUC). What is absent is not flagged."""
    with_it = np.mean([np.mean(~np.isnan(one.confidences[signal])) for one in rounds])
    flagged = [np.nan_to_num(one.confidences[signal], nan=1.0) < threshold for one in rounds]
    hits = sum(int((flag & one.wrong).sum()) for flag, one in zip(flagged, rounds, strict=True))
    called, wrong = sum(int(flag.sum()) for flag in flagged), sum(int(one.wrong.sum()) for one in rounds)
    areas = [area for one in rounds if (area := _area(one.confidences[signal], one.wrong)) is not None]
    return (
        f"{with_it:.2f}", f"{called / len(rounds):.1f}", f"{hits / called:.2f}" if called else "–",
        f"{hits / wrong:.2f}", f"{np.mean(areas):.3f}" if areas else "–",
    )  # fmt: skip


def _area(confidences: NDArray[np.float64], wrong: NDArray[np.bool_]) -> float | None:
    """Area under the ROC curve: how often a wrong description has less confidence than a right one; ties count half."""
    there = ~np.isnan(confidences)
    low, high = confidences[there & wrong], confidences[there & ~wrong]
    if not len(low) or not len(high):
        return None
    difference = high[None, :] - low[:, None]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


if __name__ == "__main__":
    main()
