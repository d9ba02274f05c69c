"""Projects whose images are ready to be described, for tests of the describers that are language models."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.metrics import read
from imagerag_assets.project import Project
from imagerag_assets.stages import ocr_text, raw_images
from imagerag_assets.stages.common import RunOptions

MakeProject = Callable[..., Project]
KEY = "sk-test-5f0c1d7e93ab"


def write_colours(folder: Path, count: int) -> Path:
    """`count` small one-coloured pictures, each with bytes of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        Image.new("RGB", (64, 48), (number % 256, number // 256, 90)).save(folder / f"{number:04d}.png")
    return folder


def endpoint(url: str, **more: Any) -> dict[str, Any]:
    """The `models` section for a describer at that address that says it is OpenAI's gpt-4o."""
    describer = {"kind": "endpoint", "preset": "openai", "base_url": url, "model": "gpt-4o", **more}
    return {"describer": describer}


def settings_file(project: Project, folder: Path, root: Path, models: dict[str, Any] | None = None) -> Path:
    """A file for a process of its own that works on the collection "shop" of that project."""
    file = root / "imagerag.yaml"
    values = {
        "data_dir": str(root / "data"), "database": {"url": project.settings.database.url},
        "collections": [{"name": "shop", "source": str(folder)}], "models": models or {},
    }  # fmt: skip
    file.write_text(yaml.safe_dump(values))
    return file


def kill_in_the_middle(stage: str, settings: Path, is_enough: threading.Event) -> None:
    """Run the stage in a process that is killed -9 as soon as the event is set."""
    program = (
        "from pathlib import Path; from imagerag_assets.project import open_project; "
        f"from imagerag_assets.stages import {stage} as stage; "
        "from imagerag_assets.stages.common import RunOptions; "
        f"stage.run(open_project(Path({str(settings)!r})), RunOptions())"
    )
    child = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "OPENAI_API_KEY": KEY})
    assert is_enough.wait(60)
    child.kill()
    assert child.wait() == -9


def read_by_hand(project: Project, text: str = "", texts: Mapping[str, str] | None = None) -> None:
    """Take the files in, and put `text` (or that of the file's name) where OCR would have: Tesseract takes seconds."""
    raw_images.run(project, RunOptions())
    current = ocr_text.stage(project).fingerprint
    with project.database.connect() as connection:
        for row in read(
            connection, "select distinct on (content) content, uri from raw_images where removed_at is null"
        ):
            connection.execute(
                "insert into ocr_text (content, fingerprint, text, words, languages) values (%s, %s, %s, '[]', '{}') "
                "on conflict (content) do update set fingerprint = excluded.fingerprint, text = excluded.text",
                (row["content"], current, (texts or {}).get(row["uri"], text)),
            )


def outcomes(connection: Connection) -> dict[str, int]:
    """How many calls came to what."""
    return dict(connection.execute("select outcome, count(*) from model_calls group by 1").fetchall())


def failures(connection: Connection) -> dict[str, str]:
    """Reason and message of every failed item, by file."""
    rows = connection.execute(
        "select distinct r.uri, f.error_class || ': ' || f.message from stage_failures f "
        "join raw_images r on r.content = split_part(f.item, ':', 1) where f.stage = 'vlm_descriptions'"
    ).fetchall()
    return {str(uri): str(told) for uri, told in rows}
