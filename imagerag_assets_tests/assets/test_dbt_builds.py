"""What builds leave behind goes: that of one that passed at once, of others after a week."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from imagerag_assets.assets.dbt_builds import KEPT_DAYS, tidied

KEPT = ("manifest.json", "compiled", "static_index.html", "run", "parse-abcdefg", "my-notes")


def test_only_the_folders_of_builds_go_and_young_ones_that_did_not_pass_stay(tmp_path: Path) -> None:
    passed, failed, old, by_study = (
        tmp_path / name for name in ("dbt_eval-0c2c525-3f5fcf1", "dbt_eval-0f142de-ce9f59c", "dbt_eval-1111111-2222222",
                                     "13d5f37")
    )  # fmt: skip
    for folder in (passed, failed, old, by_study, *(tmp_path / name for name in KEPT)):
        (folder / "compiled").mkdir(parents=True)
        (folder / "dbt.log").write_text("what happened")
    longer_ago = time.time() - (KEPT_DAYS * 86_400 + 60)
    for folder in (old, by_study, *(tmp_path / name for name in KEPT)):
        os.utime(folder, (longer_ago, longer_ago))
    with pytest.raises(RuntimeError), tidied(failed):
        raise RuntimeError
    assert {path.name for path in tmp_path.iterdir()} == {failed.name, passed.name, *KEPT}
    with tidied(passed):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {failed.name, *KEPT}
