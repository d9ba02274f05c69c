"""dbt's manifest: parsed once, however many processes ask at once, and never half there."""

from __future__ import annotations

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagerag_assets.assets.evaluation import DBT_FOLDER, dbt_manifest
from imagerag_assets.errors import SettingsError


def parse_of(folder: Path) -> str:
    """The id of the parse that wrote the manifest, which must be a whole one with our models."""
    manifest = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))
    assert "model.dbt_eval.eval_metrics" in manifest["nodes"]
    return str(manifest["metadata"]["invocation_id"])


def test_one_of_many_parses_and_all_others_read_a_whole_manifest_meanwhile(tmp_path: Path) -> None:
    folder = tmp_path / "dbt_eval"
    shutil.copytree(DBT_FOLDER, folder, ignore=shutil.ignore_patterns("target", "logs"))
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda _: (dbt_manifest(folder), parse_of(folder)), range(2))
    assert first == second
    assert dbt_manifest(folder) == folder / "target" / "manifest.json"
    assert parse_of(folder) == first[1], "nothing changed, so nothing was parsed"

    os.utime(folder / "models" / "sources.yml")
    with ThreadPoolExecutor(1) as threads:
        parsing = threads.submit(dbt_manifest, folder)
        looks = 0
        while not parsing.done():
            parse_of(folder)
            looks += 1
            time.sleep(0.05)
        parsing.result()
    assert looks > 10
    assert parse_of(folder) != first[1]
    assert {path.name for path in (folder / "target").iterdir()} == {
        "manifest.json", "manifest.lock", "partial_parse.msgpack",
    }  # fmt: skip


def test_a_package_without_its_dbt_project_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no dbt project in .*dbt_eval.* pip install --editable"):
        dbt_manifest(tmp_path / "dbt_eval")
