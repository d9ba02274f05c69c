"""Would other numbers search better? Proposals for `fusion` and `dedup.similarity`, which a person may put to use.

Nothing is tuned on what is reported: values are chosen on the train split, and what they gain is measured on the
validation split, which chose nothing. The queries of the test split are not looked at. Because dbt measures reported
queries alone, what the search for values goes by is computed here; no report shows it beside dbt's numbers.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import fingerprint
from imagerag_assets.evaluation.runs import Asked, opened_query
from imagerag_assets.evaluation.significance import bootstrap_interval, finite, interval_told, p_told, randomization_p
from imagerag_assets.evaluation.studies import store
from imagerag_assets.evaluation.studies.store import Result, Study
from imagerag_assets.images.groups import Decisions
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.search import SEARCH_VERSION, EncodedQuery, encode_query, search_rows
from imagerag_assets.settings import Fusion

STUDY = "tuning_proposal"
_VERSION = 2
_DEPTH = 10
_ALPHA = 0.05
_GRIDS: dict[str, tuple[float, ...]] = {
    "description_knows": (0.2, 0.35, 0.5, 0.65, 0.8),
    "text_knows": (0.4, 0.55, 0.7, 0.85, 0.95),
    "text_scale": (0.1, 0.2, 0.35, 0.5, 0.8),
    "paraphrase": (0.2, 0.3, 0.4, 0.6, 1.0),
    "shown_by_others": (0.35, 0.5, 0.65, 0.8, 1.0),
    "tile_weight": (0.8, 0.9, 0.95, 1.0),
}
_SIMILARITIES = (0.75, 0.78, 0.81, 0.84, 0.87, 0.9, 0.93, 0.96)

Values = NDArray[np.float64]


@dataclass(frozen=True)
class _Judged:
    """A query with its grades by group, encoded once for all values that are tried."""

    benchmark: str
    query: EncodedQuery
    grades: Mapping[str, int]


def ndcg_at_10(groups: Sequence[str], grades: Mapping[str, int]) -> float:
    """Normalised discounted cumulative gain of a ranking of distinct groups, as dbt's query_metrics has it.

    Linear gains of every grade above 0: grade / log2(rank + 1) (trec_eval). `grades` has one above 0 at least.
    """
    best = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    found = [max(grades.get(group, 0), 0) for group in groups]
    ideal, gained = (
        sum(grade / math.log2(rank + 1) for rank, grade in enumerate(those[:_DEPTH], start=1))
        for those in (best, found)
    )
    return gained / ideal


def choose(scores: Values, current: int, folds: int) -> tuple[int, float]:
    """(which value, what choosing so gains) from `scores` of the shape (values, queries).

    Fold by fold the best value is chosen on all other folds and its gain over `current` is measured on this one: a
    value that suits a few queries gains nothing there. The value that was chosen most often stands for all; where the
    mean gain is not above 0, it is `current`.
    """
    parts = np.arange(scores.shape[1]) % folds
    picks, gains = [], []
    for fold in range(folds):
        held = parts == fold
        means = scores[:, ~held].mean(axis=1)
        # Of equally good values the current one, then the first.
        pick = current if means[current] >= means.max() - 1e-12 else int(np.argmax(means))
        picks.append(pick)
        gains += list(scores[pick, held] - scores[current, held])
    gain = float(np.mean(gains))
    return (Counter(picks).most_common(1)[0][0], gain) if gain > 0 else (current, gain)


def adjusted(chances: Sequence[float]) -> list[float]:
    """Holm's p-values (1979): with several proposals one would look better by chance more often than it may."""
    order = sorted(range(len(chances)), key=lambda place: chances[place])
    found, least = [1.0] * len(chances), 0.0
    for rank, place in enumerate(order):
        least = max(least, min(1.0, (len(chances) - rank) * chances[place]))
        found[place] = least
    return found


def halves(pairs: Sequence[tuple[str, str]]) -> tuple[list[int], list[int]]:
    """The places of `pairs` in two halves that no image is in both of, as equal as whole groups of images allow.

    Pairs that share an image are one group, and so is what is connected by them: a threshold that was chosen on an
    image would be measured on the same one.
    """
    group_of = Decisions(same=pairs).units()
    groups: dict[str, list[int]] = defaultdict(list)
    for place, (one, _) in enumerate(pairs):
        groups[group_of[one]].append(place)
    sides: tuple[list[int], list[int]] = ([], [])
    # The largest first, each to the smaller half.
    for group in sorted(groups.values(), key=len, reverse=True):
        min(sides, key=len).extend(group)
    return sorted(sides[0]), sorted(sides[1])


def tuning_proposal(connection: Connection, project: Project) -> Study:
    """Search for better values, or give what was found of the same index, benchmarks and settings. Applies nothing.

    `result` has `proposals` and `notes`: what was not looked into, and why. Raises `NoLiveIndexError`, `ModelError`.
    """
    live = generations.live(connection)
    state = _state(connection, project, live)
    found = store.kept(connection, STUDY, state)
    if found is not None:
        return found
    found_out = [*_fusion(connection, project, live), *_duplicates(connection, project)]
    proposals = [one for one in found_out if not isinstance(one, str)]
    notes = [one for one in found_out if isinstance(one, str)]
    chances = adjusted([one["p"] for one in proposals])
    for one, chance in zip(proposals, chances, strict=True):
        one |= {"p_adjusted": chance, "verdict": _verdict(one, chance)}
    return store.keep(connection, STUDY, state, {"proposals": proposals, "notes": notes})


def better(result: Result) -> dict[str, float]:
    """Settings that are significantly better on validation: what a person could put into the settings.

    Only as they were measured: of a section's rows the one that gains most, which may be all of its values together.
    """
    best: dict[str, dict[str, Any]] = {}
    for one in _significant(result):
        section = next(iter(one["settings"])).partition(".")[0]
        # Of equal gains the last: all together come after each alone.
        if section not in best or one["difference"] >= best[section]["difference"]:
            best[section] = one
    return {name: value for one in best.values() for name, value in one["settings"].items()}


def left_alone(result: Result) -> list[str]:
    """Settings that are better by themselves and not in `better`: with what is there they were not seen to be."""
    told = better(result)
    alone = [next(iter(one["settings"])) for one in _significant(result) if len(one["settings"]) == 1]
    return [name for name in alone if name not in told]


def _significant(result: Result) -> list[dict[str, Any]]:
    return [one for one in result["proposals"] if one["verdict"] == "better"]


HEADER = ("setting", "now", "proposed", "judged by", "held out", "before", "after", "change", "95 % interval", "p",
          "p of all", "is it better?")  # fmt: skip
"""Of `proposal_rows`. `p of all` is Holm's, over all proposals."""


def proposal_rows(result: Result) -> list[tuple[str, ...]]:
    """Proposals as people read them, in the columns of HEADER."""
    return [
        (
            one["name"], one["current_told"], one["proposed_told"], one["judged_by"], str(one["queries"]),
            f"{one['before']:.3f}", f"{one['after']:.3f}", f"{one['difference']:+.3f}",
            interval_told(one["low"], one["high"]),
            p_told(one["p"]), p_told(one["p_adjusted"]), one["verdict"],
        )
        for one in result["proposals"]
    ]  # fmt: skip


def _state(connection: Connection, project: Project, live: Generation) -> str:
    """Of what decides the proposals, a few images more or less apart: then each new image would cost a new search.

    A collection's calibration is made anew when more than a few per cent of its images have changed.
    """
    settings = project.settings
    rows = [
        connection.execute(statement).fetchall()
        for statement in (
            "select benchmark, digest from benchmarks order by 1",
            "select d.a, d.b, d.verdict, n.similarity from duplicate_decisions d left join near_pairs n using (a, b) "
            "where d.undone_at is null order by 1, 2",
            "select to_jsonb(k) - 'seen' from leg_calibrations k order by generation, collection",
        )
    ]
    return fingerprint(
        version=_VERSION, search=SEARCH_VERSION, generation=live.fingerprint, rows=rows,
        settings=[one.model_dump() for one in (settings.index, settings.fusion, settings.tuning, settings.dedup)],
    )  # fmt: skip


def _verdict(one: Mapping[str, Any], chance: float) -> str:
    if chance >= _ALPHA or one["low"] is None or one["low"] <= 0 <= one["high"]:
        return "no difference seen"
    return "better" if one["difference"] > 0 else "worse"


def _fusion(connection: Connection, project: Project, live: Generation) -> Iterator[dict[str, Any] | str]:
    rules, least = project.settings.tuning, project.settings.tuning.min_queries
    asked = {split: _asked(connection, live, split) for split in ("train", "validation")}
    if any(len(queries) < least for queries in asked.values()):
        counts = " and ".join(f"{len(queries)} for {split}" for split, queries in asked.items())
        yield (
            f"fusion: {least} judged queries are needed for each of train and validation, and there are {counts}. "
            "Give benchmarks splits (docs/benchmarks.md)."
        )
        return
    serving = generations.project_of(project, live)
    train, held = ([_encoded(serving, *one) for one in asked[split]] for split in ("train", "validation"))
    current = project.settings.fusion
    now, chosen = _scores(connection, serving, live, current, train), {}
    for name, grid in _GRIDS.items():
        values = sorted({*grid, getattr(current, name)})
        tried = [current.model_copy(update={name: value}) for value in values]
        scores = np.array([now if one == current else _scores(connection, serving, live, one, train) for one in tried])
        place, gain = choose(scores, values.index(getattr(current, name)), rules.folds)
        if values[place] != getattr(current, name):
            chosen[name] = (values[place], gain)
    if not chosen:
        yield f"fusion: no other value is better on {len(train)} train queries."
        return
    before = _scores(connection, serving, live, current, held)
    for name, (value, gain) in chosen.items():
        after = _scores(connection, serving, live, current.model_copy(update={name: value}), held)
        told = (f"fusion.{name}", f"{getattr(current, name):g}", f"{value:g}")
        yield _proposal(told, {f"fusion.{name}": value}, "nDCG@10", gain, before, after)
    if len(chosen) > 1:
        together = current.model_copy(update={name: value for name, (value, _) in chosen.items()})
        after = _scores(connection, serving, live, together, held)
        told = ("all of fusion together", "", "as above")
        settings = {f"fusion.{name}": value for name, (value, _) in chosen.items()}
        yield _proposal(told, settings, "nDCG@10", None, before, after)


def _asked(connection: Connection, live: Generation, split: str) -> list[tuple[Asked, dict[str, int]]]:
    """The judged queries of a split, of collections that are in the index, with their grades by group."""
    rows = connection.execute(
        sql.SQL("""
        select q.benchmark, q.query_id, q.text, q.image, jsonb_object_agg(g.group_id, g.grade)
        from benchmark_queries q
        join (
            select j.benchmark, j.query_id, j.group_id, max(j.score) as grade
            from judgements j where j.group_id is not null and j.score > 0 group by 1, 2, 3) g
            using (benchmark, query_id)
        where q.split = %(split)s and exists (select from {images} i where i.collection = q.benchmark)
        group by q.benchmark, q.query_id, q.text, q.image order by md5(q.benchmark || ' ' || q.query_id)
        """).format(images=live.table("images")),
        {"split": split},
    ).fetchall()
    return [(Asked(*row[:4]), row[4]) for row in rows]


def _encoded(serving: Project, asked: Asked, grades: dict[str, int]) -> _Judged:
    return _Judged(asked.benchmark, encode_query(serving, opened_query(asked, serving.settings.limits)), grades)


def _scores(
    connection: Connection, serving: Project, live: Generation, values: Fusion, asked: Sequence[_Judged]
) -> Values:
    """nDCG@10 of the real search, query by query, as it would be with other settings."""
    other = Project(serving.settings.model_copy(update={"fusion": values}), beside=serving.beside or serving)
    found = []
    for one in asked:
        with connection.transaction(force_rollback=True):
            rows = search_rows(
                connection, other, one.query, live, method="hybrid", collections=(one.benchmark,), limit=_DEPTH
            )
        found.append(ndcg_at_10([row["group_id"] for row in rows], one.grades))
    return np.array(found)


def _duplicates(connection: Connection, project: Project) -> Iterator[dict[str, Any] | str]:
    """By what people decided about pairs: how many of them a threshold gets right, on images that chose none."""
    rules = project.settings.tuning
    rows = connection.execute(
        "select d.a, d.b, d.verdict = 'same', coalesce(n.similarity, 0) from duplicate_decisions d "
        "left join near_pairs n using (a, b) where d.undone_at is null order by md5(d.a || d.b)"
    ).fetchall()
    sides = halves([(row[0], row[1]) for row in rows])
    parts = [np.array([rows[place][2:] for place in side], dtype=np.float64).reshape(-1, 2) for side in sides]
    if any(len(part) < rules.min_queries for part in parts):
        counts = " and ".join(str(len(part)) for part in parts)
        yield (
            f"dedup.similarity: {2 * rules.min_queries} pairs decided by people are needed, and there are {len(rows)}, "
            f"{counts} in the two halves: pairs that hang together by an image stay in one. Decide some with imagerag "
            "duplicates."
        )
        return
    dedup = project.settings.dedup
    values = sorted({dedup.similarity, *(one for one in _SIMILARITIES if one >= dedup.group_similarity)})
    train, held = (
        np.array([(part[:, 1] >= value) == (part[:, 0] == 1) for value in values], dtype=np.float64) for part in parts
    )
    current = values.index(dedup.similarity)
    place, gain = choose(train, current, rules.folds)
    if place == current:
        yield f"dedup.similarity: no other value is better on {train.shape[1]} decided pairs."
        return
    told = ("dedup.similarity", f"{dedup.similarity:g}", f"{values[place]:g}")
    yield _proposal(
        told, {"dedup.similarity": values[place]}, "decided pairs it gets right", gain, held[current], held[place]
    )


def _proposal(
    told: tuple[str, str, str], settings: dict[str, float], judged_by: str, gain: float | None, before: Values,
    after: Values,
) -> dict[str, Any]:  # fmt: skip
    low, high = bootstrap_interval(after - before)
    return {
        "name": told[0], "current_told": told[1], "proposed_told": told[2], "settings": settings,
        "judged_by": judged_by, "train_gain": gain, "queries": len(before), "before": float(before.mean()),
        "after": float(after.mean()), "difference": float((after - before).mean()), "low": finite(low),
        "high": finite(high), "p": randomization_p(after - before),
    }  # fmt: skip
