"""imagerag.yaml and the environment: what is refused says the file, the key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerag_assets.errors import SettingsError
from imagerag_assets.settings import load_settings

_ENVIRONMENT = ("IMAGERAG_SETTINGS", "IMAGERAG_DATABASE_URL", "IMAGERAG_DATA_DIR")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in _ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def write(folder: Path, text: str) -> Path:
    file = folder / "imagerag.yaml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("colections: []", ("colections: unknown key", "did you mean collections?")),
        ("tiling: {overlapp: 3}", ("tiling.overlapp: unknown key", "did you mean overlap?")),
        ("collections: [{name: a, sorce: /x, source: /x}]", ("collections.0.sorce", "did you mean source?")),
        ("zzz: 1", ("zzz: unknown key", "known keys: ", "collections, data_dir")),
        ("root: /elsewhere", ("root: unknown key", "known keys: ", "collections, data_dir")),
        ("1: one", ("1: unknown key", "known keys: ", "collections, data_dir")),
        ("tiling: {size: many}", ("tiling.size", "valid integer")),
        ("models: {batch_size: 0}", ("models.batch_size", "greater than or equal to 1")),
        ("models: {device: tpu}", ("models.device", "'cpu', 'cuda' or 'mps'")),
        ("database: embedded", ("database", "valid dictionary")),
        ("database: {url: 'mysql://host/name'}", ("database.url", "must be", "postgresql://")),
        ("collections: []", ("collections", "at least 1 item")),
        ("collections: [{name: Shop, source: /x}]", ("collections.0.name", "match pattern")),
        ("collections: [{name: a, source: /x}, {name: a, source: /y}]", ("collections", "'a' is used twice")),
        ("tiling: {size: 100, overlap: 51}", ("tiling.overlap", "at most half of tiling.size")),
        ("ocr: {languages: []}", ("ocr.languages", "eng or chi_sim")),
        ("ocr: {languages: ['eng; rm']}", ("ocr.languages", "eng or chi_sim")),
        ("- products\n- real_estate", ("top level", "not a list")),
        ("just words", ("top level", "not a str")),
        ("collections: [", ("not valid YAML", "line 1")),
    ],
)
def test_what_is_wrong_is_told_with_file_key_and_remedy(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    file = write(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    for part in (str(file), *parts):
        assert part in str(caught.value)


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(tmp_path, "tilling: {}\nindex: {m: 1}\ndatabase: {url: ftp://x}"))
    assert all(part in str(caught.value) for part in ("tilling", "index.m", "database.url"))


def test_a_file_that_is_not_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / "imagerag.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not valid YAML"):
        load_settings(file)


def test_a_named_file_that_is_missing_is_an_error_and_an_unnamed_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = load_settings()
    assert defaults.collections[0].source == "sample://products"
    assert defaults.database.url == "embedded"
    assert defaults.data_path == (tmp_path / ".imagerag").resolve()

    monkeypatch.setenv("IMAGERAG_SETTINGS", str(tmp_path / "other.yaml"))
    with pytest.raises(SettingsError) as caught:
        load_settings()
    message = str(caught.value)
    assert str(tmp_path / "other.yaml") in message
    assert "does not exist" in message
    assert "unset IMAGERAG_SETTINGS" in message


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert len(load_settings(write(tmp_path, "# nothing\n")).collections) == 4


def test_relative_paths_start_at_the_file_and_not_at_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "elsewhere").mkdir()
    file = write(tmp_path / "project", "data_dir: data")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_settings(file).data_path == (tmp_path / "project" / "data").resolve()


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, "data_dir: of-the-file\ndatabase: {url: 'postgresql://file/name'}\nindex: {m: 8}")
    assert load_settings(file).database.url == "postgresql://file/name"

    monkeypatch.setenv("IMAGERAG_SETTINGS", str(file))
    monkeypatch.setenv("IMAGERAG_DATABASE_URL", "postgresql://environment/name")
    monkeypatch.setenv("IMAGERAG_DATA_DIR", str(tmp_path / "of-the-environment"))
    settings = load_settings()
    assert settings.database.url == "postgresql://environment/name"
    assert settings.data_path == (tmp_path / "of-the-environment").resolve()
    assert settings.index.m == 8

    monkeypatch.setenv("IMAGERAG_DATABASE_URL", "sqlite:///x")
    with pytest.raises(SettingsError, match=r"database\.url: must be"):
        load_settings()


def test_an_unknown_collection_is_told_with_the_known_ones(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, "collections: [{name: shop, source: .}, {name: office, source: .}]"))
    assert settings.collection("office").name == "office"
    with pytest.raises(SettingsError, match=r"no collection 'shops'.*shop, office"):
        settings.collection("shops")
