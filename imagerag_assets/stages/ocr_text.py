"""ocr_text: what can be read in every image."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, each, fingerprint
from imagerag_assets.images.decode import DECODE_VERSION
from imagerag_assets.models import ocr
from imagerag_assets.project import Project
from imagerag_assets.stages.common import CONTENTS, RunOptions, load_image, run_pending

_COLUMNS = ("content", "fingerprint", "text", "words", "mean_confidence", "languages", "engine", "turned")
# Small enough that a killed run loses seconds, large enough that no worker waits for the others' last picture.
_BATCH_PER_WORKER = 8

# A content in several collections is read in the languages of all of them, each collection's first ones first.
_SPOKEN = f"""
    select f.*, array(
        select u.code
        from raw_images r
        join unnest(%(names)s::text[], %(spoken)s::text[]) as k (collection, codes) using (collection)
        cross join lateral unnest(string_to_array(k.codes, '+')) with ordinality as u (code, place)
        where r.content = f.content and r.removed_at is null
        group by u.code order by min(u.place), u.code) as languages
    from ({CONTENTS}) f
"""  # noqa: S608


def stage(project: Project) -> Stage:
    """Raises `ModelError` when an engine of the settings or a language pack is missing."""
    settings = project.settings.ocr
    collections = project.settings.collections
    told = settings.engine != "rapidocr"
    spoken = [collection.ocr_languages or settings.languages for collection in collections]
    identity = ocr.engine_identity(settings, frozenset(code for codes in spoken for code in codes))
    current = fingerprint(version=ocr.OCR_VERSION, decode=DECODE_VERSION, **identity)
    if not told:
        return Stage("ocr_text", "ocr_text", current, CONTENTS, "r.content = c.content")
    # Not in the fingerprint: a change of one collection's languages is no reason to read the others anew.
    parameters = {"names": [one.name for one in collections], "spoken": ["+".join(codes) for codes in spoken]}
    return Stage(
        "ocr_text", "ocr_text", current, _SPOKEN, "r.content = c.content", parameters,
        current="r.languages = c.languages", output="r.languages::text",
    )  # fmt: skip


def run(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)
    settings = project.settings.ocr

    def read(item: Item) -> ocr.OcrText:
        languages = settings.languages if settings.engine == "rapidocr" else tuple(item.languages)
        return ocr.read(load_image(project, item), settings, languages)

    # One set of threads for all batches: RapidOCR keeps its models per thread. Both engines work outside the
    # interpreter's lock, so threads keep every core busy.
    with ThreadPoolExecutor(settings.workers) as threads:

        def work(items: Sequence[Item]) -> Done:
            shares = [items[start :: settings.workers] for start in range(settings.workers)]
            parts = list(threads.map(lambda share: each(share, read), shares))
            results = [result for good, _ in parts for result in good]
            failures = {key: error for _, bad in parts for key, error in bad.items()}

            def save(connection: Connection) -> None:
                rows = [_row(item, text, this.fingerprint) for item, text in results]
                upsert(connection, "ocr_text", _COLUMNS, ("content",), rows)

            return Done(save, failures)

        return run_pending(project, options, this, work, _BATCH_PER_WORKER * settings.workers)


def _row(item: Item, found: ocr.OcrText, current: str) -> tuple[object, ...]:
    words = [[word.text, word.x0, word.y0, word.x1, word.y1, word.confidence] for word in found.words]
    return (
        item.content, current, found.text, Jsonb(words), found.mean_confidence, list(found.languages), found.engine,
        found.turned,
    )  # fmt: skip
