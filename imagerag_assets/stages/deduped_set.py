"""deduped_set: for every image its group of duplicates and the group's canonical image. Never deletes an image.

Two steps. Images that are new, or of which a hash, a vector or the text is new, are compared with all others, and what
is near is kept in `near_pairs`. Groups are made from the pairs and from people's decisions, at next to no cost.

In memory are, of every image, its name, hashes and sketch, and tables of where they are: 200 MB for 100,000 images.
Vectors and thumbnails are there for a batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.locks import alone
from imagerag_assets.database.stages import Progress, Stage, StageReport, fingerprint
from imagerag_assets.images.alignment import ALIGNMENT_VERSION, Picture, likeness
from imagerag_assets.images.candidates import Candidate, Comparison, Prints
from imagerag_assets.images.duplicates import DEDUP_VERSION, NearPair, decide, freedom
from imagerag_assets.images.groups import GROUPING_VERSION, Decisions, Membership, Rank, group
from imagerag_assets.images.hashing import HASH_VERSION
from imagerag_assets.images.sketches import Vectors
from imagerag_assets.project import Project
from imagerag_assets.retrieval.tokens import terms
from imagerag_assets.settings import Dedup
from imagerag_assets.stages import clip_embeddings, ocr_text, sketches
from imagerag_assets.stages.common import RunOptions

STAGE = "deduped_set"
# New images whose comparison is committed at once, with their vectors in memory, and rows read at a time.
_BATCH = 8192
_CHUNK = 4096
_LOOKS = 1000
_PAIR_COLUMNS = ("a", "b", "fingerprint", "relation", "similarity", "linked")
_COLUMNS = ("content", "canonical", "relation", "distance", "fingerprint")


def current_fingerprint(project: Project) -> str:
    """What determines whether two images are a near pair, besides the images."""
    return fingerprint(
        version=DEDUP_VERSION,
        hashing=HASH_VERSION,
        alignment=ALIGNMENT_VERSION,
        rules=project.settings.dedup.model_dump(),
        vectors=clip_embeddings.stage(project).fingerprint,
        text=ocr_text.stage(project).fingerprint,
    )


def stage(project: Project) -> Stage:
    """The comparison, as what is pending of it is counted; `run` works in larger batches than the pending rule does."""
    clip = clip_embeddings.stage(project)
    return Stage(
        STAGE, "compared_images", current_fingerprint(project), f"select n.content as item, n.* from ({_READY}) n",  # noqa: S608
        "r.content = c.content",
        {"model": clip.parameters["model"], "clip": clip.fingerprint, "ocr": ocr_text.stage(project).fingerprint},
        current="r.inputs = c.inputs",
    )  # fmt: skip


@dataclass(frozen=True)
class _Job:
    """What one run needs everywhere."""

    rules: Dedup
    parameters: Mapping[str, str]


# Images that have vectors. Text may come later (OCR failed, or was put off): `inputs` is then another.
_READY = """
    select c.content, c.phash::bigint as phash, c.dhash::bigint as dhash, e.embedding,
           concat_ws(' ', c.phash::bigint, c.dhash::bigint, md5(c.colours), o.fingerprint) as inputs
    from live_contents c
    join clip_embeddings e on e.content = c.content and e.tile_no = 0 and e.model = %(model)s
         and e.fingerprint = %(clip)s
    left join ocr_text o on o.content = c.content and o.fingerprint = %(ocr)s
"""
_WITH_COMPARED = f"({_READY}) n left join compared_images k on k.content = n.content"
_KNOWN = "(k.fingerprint = %(current)s and k.inputs = n.inputs)"


def run(project: Project, options: RunOptions) -> StageReport:
    """Compare what is new with the rest, then group. Killed anywhere, the next call does the rest."""
    started = time.monotonic()
    report = StageReport(STAGE)
    clip = clip_embeddings.stage(project)
    parameters = {
        "model": clip.parameters["model"],
        "clip": clip.fingerprint,
        "ocr": ocr_text.stage(project).fingerprint,
        "current": current_fingerprint(project),
    }
    job = _Job(project.settings.dedup, parameters)
    # One comparison at a time: two would each miss the other's new images.
    with project.database.connect() as connection, alone(connection, STAGE):
        with connection.transaction():
            _forget_vanished(connection, job)
        if _anything_pending(connection, job):
            sketches.update(connection, job.parameters)
            images, known = _prints(connection, job)
            done, todo = 0, len(images.contents) - known
            for batch, candidates in Comparison(images, known, job.rules).batches(_BATCH):
                _compare(connection, job, batch, candidates)
                done += len(batch)
                options.on_progress(Progress(STAGE, done, todo, time.monotonic() - started))
        with connection.transaction():
            regroup(connection, report)
    report.seconds = time.monotonic() - started
    return report


def data_version(connection: Connection) -> str:
    """A digest of who is in which group."""
    row = one_row(
        connection.execute(
            "select count(*), coalesce(sum(hashtextextended(content || canonical, 0)::numeric), 0) from deduped_set"
        )
    )
    return fingerprint(rows=int(row[0]), sum=str(row[1]))


def regroup(connection: Connection, report: StageReport) -> None:
    """Bring the groups in step with pairs and decisions; write only what differs, and look at nothing if nothing does.

    Whoever changes a pair or a decision empties the fingerprint of an image that it concerns. The caller's transaction
    decides. Two at once wait for each other.
    """
    connection.execute("lock table deduped_set in share row exclusive mode")
    current = fingerprint(version=GROUPING_VERSION)
    report.skipped = int(one_row(connection.execute("select count(*) from compared_images"))[0])
    if not _stale(connection, current):
        return
    pairs = [
        NearPair(*row)
        for row in connection.execute("select a, b, relation, similarity, linked from near_pairs").fetchall()
    ]
    decisions = active_decisions(connection)
    ends = {end for pair in pairs for end in (pair.a, pair.b)}
    ends |= {end for pair in (*decisions.same, *decisions.different) for end in pair}
    members = group(_ranks(connection, ends), pairs, decisions)
    _save_groups(connection, members, current, report)
    report.skipped -= report.worked


def active_decisions(connection: Connection) -> Decisions:
    """What people said and did not take back."""
    rows = connection.execute(
        "select a, b, verdict from duplicate_decisions where undone_at is null order by decision"
    ).fetchall()
    return Decisions(
        same=[(a, b) for a, b, verdict in rows if verdict == "same"],
        different=[(a, b) for a, b, verdict in rows if verdict == "different"],
    )


def _forget_vanished(connection: Connection, job: _Job) -> None:
    """Drop images that are live no longer, and their pairs."""
    gone = [
        row[0]
        for row in connection.execute(
            f"delete from compared_images k where not exists (select from ({_READY}) n where n.content = k.content) "  # noqa: S608
            "returning content",
            job.parameters,
        ).fetchall()
    ]
    _drop_pairs(connection, gone)


def _drop_pairs(connection: Connection, contents: Sequence[str]) -> None:
    if contents:
        # Two statements, so that each uses its index.
        connection.execute("delete from near_pairs where a = any(%s)", (list(contents),))
        connection.execute("delete from near_pairs where b = any(%s)", (list(contents),))


def _anything_pending(connection: Connection, job: _Job) -> bool:
    row = one_row(
        connection.execute(
            f"select exists (select from {_WITH_COMPARED} where {_KNOWN} is not true)",  # noqa: S608
            job.parameters,
        )
    )
    connection.commit()
    return bool(row[0])


def _prints(connection: Connection, job: _Job) -> tuple[Prints, int]:
    """(all images that have a sketch, how many of them were compared before: they come first)."""
    contents: list[str] = []
    facts, shorts = [np.empty((0, 3), dtype=np.int64)], []
    with connection.cursor(name="prints", binary=True) as cursor:
        cursor.execute(
            f"select n.content, n.phash, n.dhash, coalesce({_KNOWN}, false)::int::bigint, s.sketch "  # noqa: S608
            f"from {_WITH_COMPARED} join image_sketches s on s.content = n.content",
            job.parameters,
        )
        while rows := cursor.fetchmany(_CHUNK):
            contents += [row[0] for row in rows]
            facts.append(np.array([row[1:4] for row in rows], dtype=np.int64))
            shorts.append(np.frombuffer(b"".join(row[4] for row in rows), dtype=np.float16))
    connection.commit()
    phash, dhash, known = np.concatenate(facts).T
    order = np.argsort(known == 0, kind="stable")
    contents = [contents[row] for row in order]
    # What was pending may have vanished meanwhile, and be all that there was.
    numbers = np.concatenate(shorts).reshape(len(order), -1) if shorts else np.empty((0, 1), dtype=np.float16)

    def vectors(rows: NDArray[np.int64]) -> Vectors:
        return sketches.read_vectors(connection, job.parameters, [contents[row] for row in rows])

    phash, dhash = phash[order].view(np.uint64), dhash[order].view(np.uint64)
    return Prints(contents, phash, dhash, numbers[order], vectors), int(known.sum())


def _compare(connection: Connection, job: _Job, batch: list[str], candidates: Sequence[Candidate]) -> None:
    """Decide the candidates of the batch's images, with what was compared before and with each other; commit."""
    pairs = list(_look(connection, job, candidates))
    connection.commit()
    with connection.transaction():
        _save_comparison(connection, job, batch, pairs)


def _look(connection: Connection, job: _Job, candidates: Sequence[Candidate]) -> Iterator[NearPair]:
    """Decide the candidates by their thumbnails and words."""
    ordered = sorted(candidates, key=lambda one: (one.a, one.b))
    for start in range(0, len(ordered), _LOOKS):
        part = ordered[start : start + _LOOKS]
        contents = sorted({end for candidate in part for end in (candidate.a, candidate.b)})
        pictures = {content: Picture(data) for content, data in _thumbnails(connection, contents)}
        words = _words(connection, job, contents)
        for one in part:
            found = likeness(
                pictures[one.a], pictures[one.b], one.orientation, freedom(job.rules), job.rules.similarity
            )
            if pair := decide(one, found, words.get(one.a, frozenset()), words.get(one.b, frozenset()), job.rules):
                yield pair


def _thumbnails(connection: Connection, contents: list[str]) -> list[tuple[Any, ...]]:
    return connection.execute("select content, thumbnail from contents where content = any(%s)", (contents,)).fetchall()


def _words(connection: Connection, job: _Job, contents: list[str]) -> dict[str, frozenset[str]]:
    rows = connection.execute(
        "select content, words from ocr_text where content = any(%s) and fingerprint = %s",
        (contents, job.parameters["ocr"]),
    ).fetchall()
    return {content: _sure_words(words) for content, words in rows}


def _sure_words(words: list[list[Any]]) -> frozenset[str]:
    """Terms of three letters and more that OCR read with a confidence of 0.7 and more (`ocr_text.words`).

    Texture that was read as letters would keep true duplicates apart.
    """
    return frozenset(term for word in words if word[5] >= 0.7 for term in terms(word[0]) if len(term) >= 3)


def _save_comparison(connection: Connection, job: _Job, batch: list[str], pairs: Sequence[NearPair]) -> None:
    """Write that the batch was compared, its pairs, and that its groups are to be made again."""
    _drop_pairs(connection, batch)
    current = job.parameters["current"]
    saved = connection.execute(
        f"""
        insert into compared_images as k (content, fingerprint, inputs, first_seen)
        select n.content, %(current)s, n.inputs,
               (select min(r.first_seen) from raw_images r where r.content = n.content and r.removed_at is null)
        from ({_READY}) n where n.content = any(%(batch)s)
        on conflict (content) do update set
            fingerprint = excluded.fingerprint, inputs = excluded.inputs,
            first_seen = least(k.first_seen, excluded.first_seen)
        returning content
        """,  # noqa: S608
        {**job.parameters, "batch": batch},
    ).fetchall()
    # What vanished while it was compared is left without a pair.
    gone = set(batch) - {row[0] for row in saved}
    rows = [
        (one.a, one.b, current, one.relation, one.similarity, one.linked) for one in pairs if not gone & {one.a, one.b}
    ]
    upsert(connection, "near_pairs", _PAIR_COLUMNS, ("a", "b"), rows)
    connection.execute("update deduped_set set fingerprint = '' where content = any(%s)", (batch,))
    # A table that was empty a moment ago is still planned for as empty: a loop in the place of a hash join.
    connection.execute("analyze compared_images")


def _stale(connection: Connection, current: str) -> bool:
    """Whether an image has no group yet, is gone, or waits to be grouped again."""
    row = one_row(
        connection.execute(
            "select exists (select from compared_images k full join deduped_set d on d.content = k.content "
            "where k.content is null or d.content is null or d.fingerprint <> %s)",
            (current,),
        )
    )
    return bool(row[0])


def _ranks(connection: Connection, contents: set[str]) -> dict[str, Rank]:
    rows = connection.execute(
        "select k.content, c.width::bigint * c.height, k.first_seen from compared_images k join contents c "
        "using (content) where k.content = any(%s)",
        (list(contents),),
    ).fetchall()
    return {content: Rank(pixels, first_seen) for content, pixels, first_seen in rows}


def _save_groups(connection: Connection, members: Sequence[Membership], current: str, report: StageReport) -> None:
    """Write what differs. Images without a pair stand for themselves and are written in one statement."""
    report.removed = connection.execute(
        "delete from deduped_set d where not exists (select from compared_images k where k.content = d.content)"
    ).rowcount
    names = [member.content for member in members]
    known = {
        row[0]: row[1:]
        for row in connection.execute(
            "select content, canonical, relation, distance::float8, fingerprint from deduped_set "
            "where content = any(%s)",
            (names,),
        ).fetchall()
    }
    rows = []
    for member in members:
        # As the column holds it: a `real` has four bytes, and its text is shorter still.
        row = (member.canonical, member.relation, float(np.float32(member.distance)), current)
        before = known.get(member.content)
        if before != row:
            rows.append((member.content, *row))
            report.new += before is None
            report.updated += before is not None and before[:3] != row[:3]
    upsert(connection, "deduped_set", _COLUMNS, ("content",), rows)
    alone = "from compared_images k where not k.content = any(%(names)s)"
    parameters = {"names": names, "current": current}
    report.updated += connection.execute(
        "update deduped_set set canonical = content, relation = 'canonical', distance = 0 "  # noqa: S608
        f"where relation <> 'canonical' and content in (select k.content {alone})",
        parameters,
    ).rowcount
    connection.execute(
        f"update deduped_set set fingerprint = %(current)s where fingerprint <> %(current)s and content in "  # noqa: S608
        f"(select k.content {alone})",
        parameters,
    )
    # By `except`, which reads the table before a row is written. An anti-join upon a table that is known as empty is a
    # loop over what the statement itself writes: quadratic, two minutes for 100,000 images.
    report.new += connection.execute(
        "insert into deduped_set (content, canonical, relation, distance, fingerprint) "  # noqa: S608
        "select n.content, n.content, 'canonical', 0, %(current)s "
        f"from (select k.content {alone} except select d.content from deduped_set d) n",
        parameters,
    ).rowcount
