"""description_confidence: how far every description can be trusted, and what becomes of those that cannot.

What is measured, and how, is `retrieval.trust`'s. A run has what is asked for judged, measures, has a stronger model
describe anew what is below the threshold, and measures that in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from psycopg import sql
from psycopg.rows import namedtuple_row

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.locks import lock_until_commit
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, fingerprint
from imagerag_assets.project import Project
from imagerag_assets.retrieval import trust
from imagerag_assets.retrieval.trust import Mismatched, Shape, TextFeatures, says_something
from imagerag_assets.stages import (
    clip_embeddings,
    described,
    description_escalations,
    description_judgements,
    ocr_text,
    said_embeddings,
)
from imagerag_assets.stages.common import RunOptions, run_pending
from imagerag_assets.stages.paid_calls import tell_stop

NAME = "description_confidence"
_SAMPLE = 400
"""Pairs of a collection that the others are held against; a share among 800 mismatched ones is fine enough."""
_CHANGED_SHARE = 0.05
"""A collection is measured again when so many of its sample are new, changed or gone."""
_BATCH = 256

# Whether there is a vector is told by its key: a count of what is pending then never carries the vectors along.
_PAIRS = f"""
    select d.*, coalesce(o.text, '') as ocr, s.embedding as said_vector, e.embedding as shown_vector, j.verdict,
           s.content is null as unsaid, e.content is null as unshown,
           hashtextextended(d.described || coalesce(o.text, ''), 0) as hash
    from ({described.DESCRIBED}) d
    left join ocr_text o on o.content = d.content and o.fingerprint = %(ocr)s
    left join said_embeddings s
      on s.content = d.content and s.context = d.context and s.fingerprint = %(said)s and s.inputs = md5(d.said)
    left join clip_embeddings e
      on e.content = d.content and e.tile_no = 0 and e.model = %(model)s and e.fingerprint = %(clip)s
    left join description_judgements j
      on j.content = d.content and j.context = d.context and j.fingerprint = %(judge)s and j.inputs = d.described
"""  # noqa: S608
_CANDIDATES = f"""
    select p.*, k.sample, k.image_a, k.image_b, k.text_a, k.text_b, k.text_missed,
           md5(concat_ws('|', p.hash, p.unsaid, p.unshown, p.verdict, k.measured)) as inputs
    from ({_PAIRS}) p
    left join trust_calibrations k on k.collection = p.collection and k.fingerprint = %(fingerprint)s
"""  # noqa: S608
_COLUMNS = (
    "content", "context", "model", "fingerprint", "inputs", "described", "confidence", "by_image", "by_text",
    "by_judge", "image_beaten", "text_beaten",
)  # fmt: skip


def stage(project: Project) -> Stage:
    judge = project.settings.models.judge
    clip = clip_embeddings.stage(project)
    given = {
        **described.parameters(project),
        "ocr": ocr_text.stage(project).fingerprint,
        "said": said_embeddings.stage(project).fingerprint,
        "clip": clip.fingerprint,
        "model": clip.parameters["model"],
        "judge": description_judgements.stage(project, judge).fingerprint if judge else "",
    }
    made_from = {name: given[name] for name in ("descriptions", "ocr", "said", "clip", "judge")}
    current = fingerprint(version=trust.TRUST_VERSION, **made_from)
    return Stage(
        NAME, NAME, current, _CANDIDATES, "r.content = c.content and r.context = c.context and r.model = %(model)s",
        # The calibration's rows carry this stage's fingerprint.
        {**given, "fingerprint": current}, current="r.inputs = c.inputs",
        output="concat_ws('|', r.confidence, r.by_image, r.by_text, r.by_judge)",
    )  # fmt: skip


def run(project: Project, options: RunOptions) -> StageReport:
    """Judge, measure, describe anew, and measure that. The report's counts are of what was measured."""
    report, stopped = _look(project, options)
    if stronger := project.settings.models.escalate_to:
        anew = description_escalations.run(project, options, stronger, stage(project).fingerprint)
        _add_costs(report, anew)
        stopped = stopped or anew.stopped
        if anew.worked:
            again, stopped_again = _look(project, options)
            report.updated += again.updated
            report.pending = again.pending + anew.pending
            _add_costs(report, again)
            stopped = stopped or stopped_again
    report.stopped = stopped
    tell_stop(project, NAME, options.run_id, stopped)
    return report


def measure(project: Project, options: RunOptions) -> StageReport:
    """For a candidate generation, which is to be compared as it will be searched. Nothing is described anew for it."""
    report, stopped = _look(project, options)
    report.stopped = stopped
    return report


def _look(project: Project, options: RunOptions) -> tuple[StageReport, str]:
    """(the report of one round of measuring, why the judge had to stop)."""
    judge = project.settings.models.judge
    judged = description_judgements.run(project, options, judge) if judge else StageReport(NAME)
    said_embeddings.run(project, options)
    _calibrate(project)
    report = _measure(project, options)
    _add_costs(report, judged)
    return report, judged.stopped


def _add_costs(report: StageReport, other: StageReport) -> None:
    report.cost_usd += other.cost_usd
    report.failed += other.failed
    report.seconds += other.seconds


@dataclass(frozen=True)
class Pairs:
    """A collection's sample: descriptions and images that belong together, and so many that do not."""

    rows: Sequence[Item]

    @cached_property
    def by_image(self) -> Mismatched | None:
        """None where there are too few."""
        rows = [row for row in self.rows if row.said_vector is not None and row.shown_vector is not None]
        if len(rows) < trust.MINIMUM_PAIRS:
            return None
        return Mismatched(
            np.array([row.said_vector.to_numpy() for row in rows], dtype=np.float64),
            np.array([row.shown_vector.to_numpy() for row in rows], dtype=np.float64),
        )

    @cached_property
    def readable(self) -> list[Item]:
        """Those with text, read or said to be visible."""
        return [row for row in self.rows if _has_text(row)]

    @cached_property
    def features(self) -> TextFeatures:
        return TextFeatures([row.ocr for row in self.readable])

    @cached_property
    def by_text(self) -> Mismatched | None:
        """None where there are too few."""
        if len(self.readable) < trust.MINIMUM_PAIRS:
            return None
        return Mismatched(
            self.features.encode([row.visible_text for row in self.readable]),
            self.features.encode([row.ocr for row in self.readable]),
        )

    @cached_property
    def image_rows(self) -> dict[str, int]:
        rows = (row.item for row in self.rows if row.said_vector is not None and row.shown_vector is not None)
        return {item: number for number, item in enumerate(rows)}

    @cached_property
    def text_rows(self) -> dict[str, int]:
        return {row.item: number for number, row in enumerate(self.readable)}

    def image_beaten(self, item: Item) -> float | None:
        """The share of mismatched pairs that go better together; None where a vector is missing."""
        if self.by_image is None or item.said_vector is None or item.shown_vector is None:
            return None
        said, shown = (np.asarray(vector.to_numpy(), np.float64) for vector in (item.said_vector, item.shown_vector))
        return self.by_image.beaten(said, shown, self.image_rows.get(item.item))

    def text_beaten(self, item: Item) -> float | None:
        """The same for the text; None where neither side has any."""
        if self.by_text is None or not _has_text(item):
            return None
        visible, ocr = self.features.encode([item.visible_text, item.ocr])
        return self.by_text.beaten(visible, ocr, self.text_rows.get(item.item))


def _has_text(item: Item) -> bool:
    return says_something(item.visible_text) or says_something(item.ocr)


def _calibrate(project: Project) -> None:
    """Measure the collections whose sample has changed by more than a few per cent; forget those now too small."""
    this = stage(project)
    model = this.parameters["model"]
    with project.database.connect() as connection:
        lock_until_commit(connection, NAME)
        for collection in sorted({one.name for one in project.settings.collections}):
            rows = _sample(connection, this, collection)
            known = connection.execute(
                "select seen from trust_calibrations where collection = %s and fingerprint = %s",
                (collection, this.fingerprint),
            ).fetchone()
            if len(rows) < trust.MINIMUM_PAIRS:
                connection.execute(
                    "delete from trust_calibrations where collection = %s and model = %s", (collection, model)
                )
            elif known is None or _has_changed({row.hash for row in rows}, set(known[0])):
                _save_calibration(connection, this, collection, rows)


def _sample(connection: Connection, this: Stage, collection: str) -> list[Item]:
    """The first pairs of the collection in their pseudo-random order, which content alone decides."""
    query = (
        f"select item, hash from ({_PAIRS}) p where collection = %(collection)s "  # noqa: S608
        "order by hashtextextended(content, 7), item limit %(most)s"
    )
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        given = {**this.parameters, "collection": collection, "most": _SAMPLE}
        return cursor.execute(sql.SQL(query), given).fetchall()


def _has_changed(now: set[int], then: set[int]) -> bool:
    return max(len(now - then), len(then - now)) > _CHANGED_SHARE * len(then)


def _save_calibration(connection: Connection, this: Stage, collection: str, rows: Sequence[Item]) -> None:
    sample, seen = [row.item for row in rows], [row.hash for row in rows]
    pairs = _load(connection, this, sample)
    image = trust.fit(pairs.by_image.beaten_by_row()) if pairs.by_image else Shape()
    text = trust.fit(pairs.by_text.beaten_by_row(), fallible=True) if pairs.by_text else Shape()
    values: dict[str, Any] = {
        "collection": collection, "model": this.parameters["model"], "fingerprint": this.fingerprint,
        "measured": fingerprint(sample=sample, seen=seen), "sample": sample, "seen": seen,
        "image_a": image.a, "image_b": image.b, "text_a": text.a, "text_b": text.b,
        "text_missed": text.missed,
    }  # fmt: skip
    upsert(connection, "trust_calibrations", tuple(values), ("collection", "model"), [tuple(values.values())])


def _load(connection: Connection, this: Stage, sample: Sequence[str]) -> Pairs:
    query = f"select * from ({_PAIRS}) p where item = any(%(sample)s::text[]) order by item"  # noqa: S608
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return Pairs(cursor.execute(sql.SQL(query), {**this.parameters, "sample": list(sample)}).fetchall())


def _measure(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)
    model = this.parameters["model"]
    # By collection: the same for a whole run, in which another may measure again.
    known: dict[tuple[str, tuple[str, ...]], Pairs] = {}

    def pairs_of(item: Item) -> Pairs:
        key = (item.collection, tuple(item.sample or ()))
        if key not in known:
            with project.database.connect() as connection:
                known[key] = _load(connection, this, key[1])
        return known[key]

    def work(items: Sequence[Item]) -> Done:
        rows = [(item.content, item.context, model, this.fingerprint, item.inputs, item.described,
                 *signals(item, pairs_of(item))) for item in items]  # fmt: skip

        def save(connection: Connection) -> None:
            upsert(connection, NAME, _COLUMNS, ("content", "context", "model"), rows)

        return Done(save)

    return run_pending(project, options, this, work, _BATCH)


def signals(item: Item, pairs: Pairs) -> tuple[float | None, ...]:
    """(confidence, by image, by text, by judge, share that beats it by image, by text); None for what is absent."""
    image, text = pairs.image_beaten(item), pairs.text_beaten(item)
    ratios: list[float | None] = [
        None if image is None else Shape(item.image_a, item.image_b).ratio(image, trust.IMAGE_KAPPA),
        None if text is None else Shape(item.text_a, item.text_b, item.text_missed).ratio(text, trust.TEXT_KAPPA),
        None if item.verdict is None else trust.JUDGE_RATIOS[item.verdict],
    ]
    alone = (None if ratio is None else trust.confidence([ratio]) for ratio in ratios)
    return (trust.confidence([ratio for ratio in ratios if ratio is not None]), *alone, image, text)
