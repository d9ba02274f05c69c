"""ocr_text: what can be read in every image."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, each, fingerprint, run_stage
from imagerag_assets.images.decode import DECODE_VERSION
from imagerag_assets.models import ocr
from imagerag_assets.project import Project
from imagerag_assets.stages.common import CONTENTS, RunOptions, load_image

_COLUMNS = ("content", "fingerprint", "text", "words", "mean_confidence", "languages")
# Small enough that a killed run loses seconds, large enough that no worker waits for the others' last picture.
_BATCH_PER_WORKER = 8


def stage(project: Project) -> Stage:
    """Raises `ModelError` when Tesseract or a language pack is missing."""
    settings = project.settings.ocr
    current = fingerprint(
        version=ocr.OCR_VERSION,
        decode=DECODE_VERSION,
        engine=ocr.tesseract_version(settings.languages),
        languages=settings.languages,
        page_segmentation=settings.page_segmentation,
    )
    return Stage("ocr_text", "ocr_text", current, CONTENTS, "r.content = c.content")


def run(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)
    settings = project.settings.ocr

    def read(item: Item) -> ocr.OcrText:
        return ocr.read_text(load_image(project, item), settings)

    def work(items: Sequence[Item]) -> Done:
        # Tesseract is a process of its own, so threads keep every core busy.
        shares = [items[start :: settings.workers] for start in range(settings.workers)]
        with ThreadPoolExecutor(settings.workers) as threads:
            parts = list(threads.map(lambda share: each(share, read), shares))
        results = [result for good, _ in parts for result in good]
        failures = {key: error for _, bad in parts for key, error in bad.items()}

        def save(connection: Connection) -> None:
            rows = [_row(item, text, this.fingerprint, settings.languages) for item, text in results]
            upsert(connection, "ocr_text", _COLUMNS, ("content",), rows)

        return Done(save, failures)

    return run_stage(
        project.database, this, work, batch_size=_BATCH_PER_WORKER * settings.workers,
        retries=project.settings.retries, selection=options.selection, on_progress=options.on_progress,
    )  # fmt: skip


def _row(item: Item, found: ocr.OcrText, current: str, languages: tuple[str, ...]) -> tuple[object, ...]:
    words = [[word.text, word.x0, word.y0, word.x1, word.y1, word.confidence] for word in found.words]
    return (item.content, current, found.text, Jsonb(words), found.mean_confidence, list(languages))
