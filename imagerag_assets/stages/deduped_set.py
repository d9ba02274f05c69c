"""deduped_set: for every image its group of duplicates and the group's canonical image. Never deletes an image."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.stages import Progress, StageReport, fingerprint
from imagerag_assets.images.duplicates import DEDUP_VERSION, Fingerprints, Membership, group_duplicates
from imagerag_assets.images.hashing import HASH_VERSION
from imagerag_assets.project import Project
from imagerag_assets.retrieval.tokens import terms
from imagerag_assets.stages import clip_embeddings, ocr_text
from imagerag_assets.stages.common import RunOptions

STAGE = "deduped_set"
_COLUMNS = ("content", "canonical", "relation", "distance", "fingerprint")


def current_fingerprint(project: Project) -> str:
    return fingerprint(
        version=DEDUP_VERSION,
        hashing=HASH_VERSION,
        rules=project.settings.dedup.model_dump(),
        vectors=clip_embeddings.stage(project).fingerprint,
        text=ocr_text.stage(project).fingerprint,
    )


# Images that have vectors. A group's members are compared with each other, so one new image concerns them all.
_READY = """
    select c.content, c.width::bigint * c.height as pixels, c.phash, c.dhash, c.colours, e.embedding,
           coalesce(o.words, '[]') as words
    from live_contents c
    join clip_embeddings e on e.content = c.content and e.tile_no = 0 and e.model = %(model)s
         and e.fingerprint = %(clip)s
    left join ocr_text o on o.content = c.content and o.fingerprint = %(ocr)s
    order by c.content
"""


def run(project: Project, options: RunOptions) -> StageReport:
    """Group all live images again if one came, went or changed; otherwise look and leave."""
    started = time.monotonic()
    report = StageReport(STAGE)
    current = current_fingerprint(project)
    clip = clip_embeddings.stage(project)
    ocr = ocr_text.stage(project).fingerprint
    parameters = {"model": clip.parameters["model"], "clip": clip.fingerprint, "ocr": ocr}
    with project.database.connect() as connection:
        # One grouping at a time: two would each write half of a partition.
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (STAGE,))
        if not _stale(connection, parameters, current):
            row = connection.execute("select count(*) from deduped_set").fetchone()
            report.skipped = int(row[0]) if row else 0
        else:
            members = group_duplicates(_load(connection, parameters), project.settings.dedup)
            _save(connection, members, current, report)
        report.seconds = time.monotonic() - started
        options.on_progress(Progress(STAGE, report.worked, report.worked, report.seconds))
    return report


def data_version(connection: Connection, project: Project) -> str:
    row = one_row(
        connection.execute(
            "select count(*), coalesce(sum(hashtextextended(content || canonical, 0)::numeric), 0) from deduped_set"
        )
    )
    return fingerprint(rules=project.settings.dedup.model_dump(), rows=int(row[0]), sum=str(row[1]))


def _stale(connection: Connection, parameters: dict[str, str], current: str) -> bool:
    """Whether the set of images with vectors is another than the set of images with a group at this fingerprint."""
    row = connection.execute(
        f"select exists (select from ({_READY}) n full join deduped_set d on d.content = n.content "  # noqa: S608
        "where n.content is null or d.content is null or d.fingerprint <> %(current)s)",
        {**parameters, "current": current},
    ).fetchone()
    return bool(row and row[0])


def _load(connection: Connection, parameters: dict[str, str]) -> Fingerprints:
    rows = connection.execute(_READY, parameters).fetchall()
    vectors = np.stack([row[5].to_numpy() for row in rows]) if rows else np.zeros((0, 1), dtype=np.float32)
    return Fingerprints(
        contents=[row[0] for row in rows],
        pixels=[row[1] for row in rows],
        phash=_bits([row[2] for row in rows]),
        dhash=_bits([row[3] for row in rows]),
        colours=np.array([list(row[4]) for row in rows], dtype=np.uint8).reshape(-1, 32),
        vectors=vectors,
        words=[_sure_words(row[6]) for row in rows],
    )


def _sure_words(words: list[list[Any]]) -> frozenset[str]:
    """Terms of three letters and more that OCR read with a confidence of 0.7 and more (`ocr_text.words`)."""
    return frozenset(term for word in words if word[5] >= 0.7 for term in terms(word[0]) if len(term) >= 3)


def _bits(texts: list[str]) -> np.ndarray:
    """Postgres' text of 64 bits → 8 bytes a row."""
    values = np.array([int(text, 2) for text in texts], dtype=">u8")
    return values.view(np.uint8).reshape(-1, 8)


def _save(connection: Connection, members: list[Membership], current: str, report: StageReport) -> None:
    """Write what differs: a membership that stays as it was only gets the new fingerprint."""
    known = {
        row[0]: (row[1], row[2]) for row in connection.execute("select content, canonical, relation from deduped_set")
    }
    for member in members:
        before = known.get(member.content)
        if before is None:
            report.new += 1
        elif before == (member.canonical, member.relation):
            report.skipped += 1
        else:
            report.updated += 1
    live = [member.content for member in members]
    report.removed = connection.execute("delete from deduped_set where not content = any(%s)", (live,)).rowcount
    rows = [(one.content, one.canonical, one.relation, one.distance, current) for one in members]
    upsert(connection, "deduped_set", _COLUMNS, ("content",), rows)
