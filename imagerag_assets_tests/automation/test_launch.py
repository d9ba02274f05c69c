"""A run from a terminal: what it may be told about a source that lost most of its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from imagerag_assets.automation.launch import materialize
from imagerag_assets.errors import SettingsError
from imagerag_assets_tests.pictures import write_pictures


@pytest.fixture
def settings(tmp_path: Path, new_database_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    values = {
        "data_dir": str(tmp_path / "data"),
        "database": {"url": new_database_url()},
        "collections": [{"name": "shop", "source": str(write_pictures(tmp_path / "shop", range(25)))}],
    }
    file = tmp_path / "imagerag.yaml"
    file.write_text(yaml.safe_dump(values))
    return file


def test_a_mass_deletion_goes_through_when_it_is_allowed(settings: Path, tmp_path: Path) -> None:
    assert materialize(settings, ["raw_images"]).failure == ""
    for number in range(20):
        (tmp_path / "shop" / f"picture-{number:04d}.png").unlink()
    refused = materialize(settings, ["raw_images"]).failure
    assert "would lose 20 of its 25 images" in refused
    assert "--allow-removal shop" in refused
    assert materialize(settings, ["raw_images"], ["shop"]).failure == ""


def test_allowing_removal_needs_the_asset_that_removes(settings: Path) -> None:
    with pytest.raises(SettingsError, match="raw_images"):
        materialize(settings, ["tiles"], ["shop"])
