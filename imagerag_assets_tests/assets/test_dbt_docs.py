"""The documentation of the metrics: one page that needs no network, made again only when the models changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from imagerag_assets.assets.dbt_docs import write_dbt_docs
from imagerag_assets.assets.evaluation import DBT_FOLDER, dbt_manifest, dbt_resource


def test_the_page_documents_the_models_and_is_made_once_for_all_projects(tmp_path: Path) -> None:
    manifest = dbt_manifest()
    first = write_dbt_docs(dbt_resource(), manifest, tmp_path / "first" / "dbt" / "index.html")
    text = first.read_text(encoding="utf-8")
    for name in ("model.dbt_eval.query_metrics", "exposure.dbt_eval.evaluation_report", "# What Imagerag measures"):
        assert name in text
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=\"(?:https?:)?//", text)

    made = (DBT_FOLDER / "target" / "static_index.html").stat()
    before = first.stat().st_mtime_ns
    other = write_dbt_docs(dbt_resource(), manifest, tmp_path / "other" / "dbt" / "index.html")
    write_dbt_docs(dbt_resource(), manifest, first)
    assert other.read_bytes() == first.read_bytes()
    assert first.stat().st_mtime_ns == before
    assert (DBT_FOLDER / "target" / "static_index.html").stat() == made

    os.utime(first, (1, 1))
    write_dbt_docs(dbt_resource(), manifest, first)
    assert first.stat().st_mtime > 1
