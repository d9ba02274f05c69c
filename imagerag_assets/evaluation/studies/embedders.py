"""Embedders side by side on the same benchmarks: exact search by image vectors alone, measured by dbt.

Every embedder is evaluated under a generation of its own of the status `compared`: dbt then measures it as it does all
others, and nothing that asks for the live index or for a candidate ever meets it. Making the vectors is the stages'.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.stages import fingerprint
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.evaluation.history import evaluations
from imagerag_assets.evaluation.markdown import markdown_table
from imagerag_assets.evaluation.metrics import milliseconds, read
from imagerag_assets.evaluation.runs import (
    DEPTH,
    Answer,
    Asked,
    benchmark_queries,
    opened_query,
    save,
)
from imagerag_assets.evaluation.significance import Side, compare
from imagerag_assets.evaluation.studies import store
from imagerag_assets.evaluation.studies.differences import HEADER, difference, difference_row
from imagerag_assets.evaluation.studies.store import Result, Study
from imagerag_assets.models.describers.zero_shot import load_vocabulary
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.search import encode_query
from imagerag_assets.settings import GateMetric

STUDY = "embedder_comparison"
LABELS = "labels.csv"
_VERSION = 1
_HEADER = ["corpus-id", "label"]
_TIMED = 32
"""Pictures that an embedder's speed is measured with."""
_JUDGED_BY: GateMetric = "ndcg_at_10"
_SHOWN = (
    "queries",
    "precision_at_5",
    "precision_at_5_ceiling",
    "recall_at_10",
    "ndcg_at_10",
    "hit_at_1",
    "latency_p50_ms",
)


@dataclass(frozen=True)
class Compared:
    """One embedder: its project, the fingerprint that its vectors have, and what they are of."""

    name: str
    project: Project
    identity: str
    vectors: str
    state: str


@dataclass(frozen=True)
class Labelled:
    """A benchmark's labels.csv: uri → label. `digest` is of the file."""

    benchmark: str
    labels: dict[str, str]
    digest: str


def read_labels(benchmark: str, folder: Path) -> Labelled | None:
    """The labels beside a benchmark, None where there are none. Raises `BenchmarkError` for a malformed file."""
    file = folder / LABELS
    if not file.is_file():
        return None
    try:
        text = file.read_text(encoding="utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BenchmarkError(f"{file} cannot be read as CSV: {error}") from None
    wrong = [row for row in rows if len(row) != 2 or not all(cell.strip() for cell in row)]
    if not rows or rows[0] != _HEADER or wrong:
        raise BenchmarkError(f"{file} needs the header {','.join(_HEADER)}, and a path and a label in every line.")
    return Labelled(benchmark, {uri: label.strip() for uri, label in rows[1:]}, fingerprint(text=text))


def images_digest(connection: Connection, live: Generation) -> str:
    """Changes when other images, groups or names are searched; not when they are described anew."""
    row = one_row(
        connection.execute(
            sql.SQL(
                "select count(*), coalesce(sum(hashtextextended(concat_ws(' ', collection, content, group_id, "
                "uris[1]), 0)::numeric), 0)::text from {}"
            ).format(live.table("images"))
        )
    )
    return fingerprint(images=row)


def benchmarks_digest(connection: Connection) -> str:
    return fingerprint(rows=connection.execute("select benchmark, digest from benchmarks order by 1").fetchall())


def find_compared(connection: Connection, one: Compared) -> Generation | None:
    """The generation that this embedder is evaluated under."""
    return generations.find_compared(connection, _fingerprint(one))


def register(connection: Connection, one: Compared) -> Generation:
    """The embedder's generation, begun with what it takes once to look at the model: its size and its speed."""
    found = find_compared(connection, one)
    if found is not None:
        return found
    encoder = one.project.dual_encoder()
    parameters = {
        "compared": True,
        "image_model": one.identity,
        # Stages that tidy up compare with it: a missing one would be null, which compares with nothing.
        "text_model": "",
        "image_dimension": encoder.dimension,
        "parameters": encoder.parameter_count,
        "images_per_second": _speed(connection, one.project),
        "models": one.project.encoders(),
    }
    (number,) = one_row(
        connection.execute(
            "insert into generations (fingerprint, status, parameters) values (%s, 'compared', %s) "
            "returning generation",
            (_fingerprint(one), Jsonb(parameters)),
        )
    )
    return Generation(int(number), _fingerprint(one), "compared", parameters)


def forget_others(connection: Connection, compared: Sequence[Compared]) -> None:
    """Embedders that the settings no longer name: their evaluations stay, their vectors go with the next tidying."""
    connection.execute(
        "update generations set status = 'dropped' where status = 'compared' and fingerprint <> all(%s)",
        ([_fingerprint(one) for one in compared],),
    )


def evaluate(connection: Connection, one: Compared, live: Generation, generation: Generation, run_id: str) -> int:
    """Ask every benchmark query by exact search, unless it was asked of this very state; returns the new rankings.

    Commits as `runs.evaluate` does: everything in one transaction at the end, none open while queries are encoded.
    """
    saved = evaluations(connection, generation.number)
    asked = benchmark_queries(connection, live)
    connection.commit()
    if not asked or (saved and saved[0].fingerprint == one.state):
        return 0
    answers = []
    for number, each in enumerate(asked):
        if number == 0:
            # The first call loads the model and plans the statement.
            _answer(connection, one, live, each)
        answers.append(_answer(connection, one, live, each))
    with connection.transaction():
        save(connection, generation, one.state, run_id, answers)
    return len(answers)


# As the leg `clip` ranks: the best tile of an image, and of a group the image that is best.
_EXACT = """
    select x.uri, x.group_id, x.score
    from (
        select distinct on (s.group_id) s.uri, s.group_id, s.score
        from (
            select i.image_id, i.uris[1] as uri, i.group_id,
                   max((1 - (e.embedding <=> %(vector)s::vector))
                       * case when e.tile_no = 0 then 1 else %(tile_weight)s::float8 end) as score
            from {images} i
            join clip_embeddings e on e.content = i.content and e.model = %(model)s and e.fingerprint = %(vectors)s
            where i.collection = %(collection)s and i.content <> %(without)s
            group by i.image_id) s
        order by s.group_id, s.score desc, s.uri) x
    order by x.score desc, x.uri limit %(depth)s
"""


def _answer(connection: Connection, one: Compared, live: Generation, asked: Asked) -> Answer:
    query = opened_query(asked, one.project.settings.limits)
    started = time.perf_counter()
    encoded = encode_query(one.project, query, "clip")
    rows = connection.execute(
        sql.SQL(_EXACT).format(images=live.table("images")),
        {
            "vector": encoded.clip, "model": one.identity, "vectors": one.vectors, "collection": asked.benchmark,
            "without": encoded.without, "depth": DEPTH, "tile_weight": one.project.settings.fusion.tile_weight,
        },
    ).fetchall()  # fmt: skip
    connection.commit()
    elapsed = (time.perf_counter() - started) * 1000
    results = [
        (uri, group, float(score), Jsonb({"clip": {"rank": rank, "score": float(score)}}))
        for rank, (uri, group, score) in enumerate(rows, start=1)
    ]
    return Answer(asked, "clip", results, elapsed)


def zero_shot(connection: Connection, one: Compared, labelled: Labelled) -> dict[str, Any]:
    """How often the nearest label is the right one, over the whole images (Radford et al. 2021, section 3.1).

    The labels of the file are the classes, each in the vocabulary's template.
    """
    rows = connection.execute(
        "select r.uri, e.embedding from raw_images r join clip_embeddings e on e.content = r.content and e.tile_no = 0 "
        "and e.model = %s and e.fingerprint = %s "
        "where r.collection = %s and r.uri = any(%s) and r.removed_at is null order by r.uri",
        (one.identity, one.vectors, labelled.benchmark, list(labelled.labels)),
    ).fetchall()
    classes = sorted(set(labelled.labels.values()))
    told = {"benchmark": labelled.benchmark, "images": len(rows), "labels": len(classes)}
    if not rows:
        return {**told, "accuracy": None}
    template = load_vocabulary(one.project.settings.models.vocabulary).template
    words = one.project.dual_encoder().encode_texts([template.format(name) for name in classes])
    images = np.array([vector.to_numpy() for _, vector in rows], dtype=np.float32)
    guesses = np.argmax(images @ words.T, axis=1)
    right = [classes[guess] == labelled.labels[uri] for guess, (uri, _) in zip(guesses, rows, strict=True)]
    return {**told, "accuracy": float(np.mean(right))}


def table(
    connection: Connection, state: str, compared: Sequence[Compared], labels: Sequence[Labelled], failed: dict[str, str]
) -> Study:
    """What dbt measured of each, against the first, the configured one; in the caller's transaction.

    `result` has `embedders` (each with its facts, `rows` by benchmark, `zero_shot` and `difference`) and `failed`.
    """
    found: list[dict[str, Any]] = []
    first: Side | None = None
    for one in compared:
        generation = register(connection, one)
        saved = evaluations(connection, generation.number)
        rows: list[dict[str, Any]] = []
        change: dict[str, Any] | None = None
        if saved:
            side = Side(saved[0].evaluation, "clip")
            rows = _measured(connection, saved[0].evaluation)
            first = first or side
            changes = compare(connection, first, side, (_JUDGED_BY,)) if side != first else []
            change = difference(changes[0]) if changes else None
        facts = {name: generation.parameters[name] for name in ("image_dimension", "parameters", "images_per_second")}
        found.append(
            {
                "name": one.name, "identity": one.identity, **facts, **_stored(connection, one), "rows": rows,
                "zero_shot": [zero_shot(connection, one, each) for each in labels], "difference": change,
            }
        )  # fmt: skip
    return store.keep(connection, STUDY, state, {"embedders": found, "failed": failed})


def comparison_state(compared: Sequence[Compared], labels: Sequence[Labelled], failed: dict[str, str]) -> str:
    """Of everything that the table depends on."""
    states = [(one.name, one.state) for one in compared]
    return fingerprint(version=_VERSION, embedders=states, labels=[one.digest for one in labels], failed=failed)


EMBEDDERS_HEADER = ("embedder", "dimension", "parameters", "images/s", "vectors", "MB", "Precision@5 (ceiling)",
                    "Recall@10", "nDCG@10", "hit@1", "exact search ms", "zero-shot accuracy")  # fmt: skip
"""Of `embedder_rows`."""


def embedder_rows(result: Result) -> list[tuple[str, ...]]:
    """The guide's table of embedding models, over all benchmarks."""
    overall = [(one, *(row for row in one["rows"] if row["benchmark"] == ALL)) for one in result["embedders"]]
    return [(_place(one["name"]), *_facts(one), *_quality(rows), _accuracy(one)) for one, *rows in overall]


def comparison_markdown(study: Study) -> str:
    """The table of embedders, and by benchmark below it."""
    embedders = study.result["embedders"]
    changes = [(_place(one["name"]), *difference_row(one["difference"])) for one in embedders if one["difference"]]
    benchmarks = [
        (row["benchmark"], _place(one["name"]), row["queries"], *_quality([row]))
        for one in embedders
        for row in one["rows"]
        if row["benchmark"] != ALL
    ]
    parts = [markdown_table(EMBEDDERS_HEADER, embedder_rows(study.result), numbers=11)]
    if changes:
        parts += [f"nDCG@10 against {_place(embedders[0]['name'])}:", markdown_table(("embedder", *HEADER), changes)]
    if benchmarks:
        columns = ("collection", "embedder", "queries", *EMBEDDERS_HEADER[6:11])
        parts += [markdown_table(columns, sorted(benchmarks), numbers=6)]
    if study.result["failed"]:
        parts.append(markdown_table(("not compared", "why"), list(study.result["failed"].items())))
    return "\n\n".join(parts)


def _fingerprint(one: Compared) -> str:
    return fingerprint(compared=one.identity)


def _speed(connection: Connection, project: Project) -> float | None:
    """Images per second, of thumbnails in one batch: the model's own speed, without reading and cutting files."""
    rows = connection.execute(
        "select thumbnail from contents where length(thumbnail) > 0 order by content limit %s", (_TIMED,)
    ).fetchall()
    pictures = [Image.open(io.BytesIO(row[0])).convert("RGB") for row in rows]
    if not pictures:
        return None
    encoder = project.dual_encoder()
    encoder.encode_images(pictures)
    started = time.perf_counter()
    encoder.encode_images(pictures)
    return len(pictures) / (time.perf_counter() - started)


def _stored(connection: Connection, one: Compared) -> dict[str, Any]:
    count, size = one_row(
        connection.execute(
            "select count(*), coalesce(sum(pg_column_size(embedding)), 0) from clip_embeddings "
            "where model = %s and fingerprint = %s",
            (one.identity, one.vectors),
        )
    )
    return {"vectors": int(count), "megabytes": float(size) / 1e6}


def _measured(connection: Connection, evaluation: int) -> list[dict[str, Any]]:
    rows = read(
        connection,
        "select * from imagerag_eval.eval_metrics where evaluation = %(evaluation)s and kind = 'all' "
        "and language = 'all' order by benchmark <> 'all', benchmark",
        evaluation=evaluation,
    )
    return [{name: row[name] for name in ("benchmark", *_SHOWN)} for row in rows]


def _place(name: str) -> str:
    """A folder by its last part: its whole path is this machine's business."""
    return Path(name).name if name.startswith("/") else name


def _facts(one: dict[str, Any]) -> tuple[str, ...]:
    speed = one["images_per_second"]
    return (
        str(one["image_dimension"]), f"{one['parameters'] / 1e6:,.1f} M", f"{speed:.0f}" if speed else "–",
        f"{one['vectors']:,}", f"{one['megabytes']:.1f}",
    )  # fmt: skip


def _quality(rows: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    if not rows:
        return ("–",) * 5
    row = rows[0]
    return (
        f"{row['precision_at_5']:.3f} ({row['precision_at_5_ceiling']:.3f})", f"{row['recall_at_10']:.3f}",
        f"{row['ndcg_at_10']:.3f}", f"{row['hit_at_1']:.3f}", milliseconds(row["latency_p50_ms"]),
    )  # fmt: skip


def _accuracy(one: dict[str, Any]) -> str:
    told = [
        f"{each['benchmark']} {each['accuracy']:.3f} ({each['labels']} labels, {each['images']} images)"
        for each in one["zero_shot"]
        if each["accuracy"] is not None
    ]
    return "; ".join(told) or "–"
