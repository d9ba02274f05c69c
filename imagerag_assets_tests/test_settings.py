"""imagerag.yaml and the environment: what is refused says the file, the key and the remedy."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from imagerag_assets.errors import SettingsError
from imagerag_assets.methods import METHODS
from imagerag_assets.settings import Gate, Ocr, load_settings

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
        ("zzz: 1", ("zzz: unknown key", "known keys: ", "collections, comparison, data_dir")),
        ("root: /elsewhere", ("root: unknown key", "known keys: ", "collections, comparison, data_dir")),
        ("1: one", ("1: unknown key", "known keys: ", "collections, comparison, data_dir")),
        ("tiling: {detail: many}", ("tiling.detail", "valid integer")),
        ("models: {batch_size: 0}", ("models.batch_size", "greater than or equal to 1")),
        ("models: {device: tpu}", ("models.device", "'cpu', 'cuda' or 'mps'")),
        ("models: {backend: torch_fp16}", ("torch_fp16 is for cards", "torch_bf16")),
        ("database: embedded", ("database", "valid dictionary")),
        ("database: {url: 'mysql://host/name'}", ("database.url", "must be", "postgresql://")),
        ("collections: []", ("collections", "at least 1 item")),
        ("collections: [{name: Shop, source: /x}]", ("collections.0.name", "match pattern")),
        ("collections: [{name: a, source: /x}, {name: a, source: /y}]", ("collections", "'a' is used twice")),
        ("tiling: {overlap: 0.6}", ("tiling.overlap", "less than or equal to 0.5")),
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


@pytest.mark.parametrize(
    "line",
    [
        "url: postgresql://me:hunter2@host: 5432/images",
        "url: 'postgresql://me:hunter2@host",
        "url: *hunter2",
        "url: !hunter2 x",
        'url: "postgresql://me:\\hunter2@host"',
    ],
)
def test_a_fault_of_yaml_is_told_by_its_line_number_and_not_by_the_line(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsError, match=r"not valid YAML: .*, line \d+, column \d+\.$") as caught:
        load_settings(write(tmp_path, f"database:\n  {line}\n"))
    assert "unter2" not in str(caught.value)
    assert caught.value.__suppress_context__


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


def test_paths_of_models_start_at_the_file_and_hub_ids_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "towers" / "clip").mkdir(parents=True)
    (elsewhere / "google" / "siglip").mkdir(parents=True)
    file = write(project, "models: {image_text: towers/clip, text: google/siglip, vocabulary: words.yaml}")
    monkeypatch.chdir(elsewhere)
    models = load_settings(file).models
    assert models.image_text == str((project / "towers" / "clip").resolve())
    assert models.text == "google/siglip"
    assert models.vocabulary == (project / "words.yaml").resolve()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("bundled", "bundled"),
        ("all-mpnet-base-v2", "all-mpnet-base-v2"),
        ("./x", "{root}/x"),
        ("../x", "{above}/x"),
        ("/x", "/x"),
        ("~/x", "{home}/x"),
        ("a/b/c", "{root}/a/b/c"),
    ],
)
def test_what_looks_like_a_path_is_a_path_even_when_nothing_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, meant: str
) -> None:
    root, home = (tmp_path / "project").resolve(), (tmp_path / "home").resolve()
    (root / "bundled").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    models = load_settings(write(root, f"models: {{image_text: {written}}}")).models
    assert models.image_text == meant.format(root=root, above=root.parent, home=home)


def test_a_home_folder_of_nobody_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"models: the home folder that ~nobody-of-this-name/x starts with"):
        load_settings(write(tmp_path, "models: {image_text: ~nobody-of-this-name/x}"))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_ocr_takes_the_cores_that_the_process_may_use() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert Ocr().workers == 1
    finally:
        os.sched_setaffinity(0, allowed)


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


def source_fault(folder: Path, source: str, more: str = "") -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(write(folder, f"collections: [{{name: shop, source: {source!r}{more}}}]"))
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("ftp://host/photos", "there is no source ftp://; there are sample://, s3://, gs://, az:// and folders"),
        ("file:///data/photos", "there is no source file://"),
        ("https://example.com/a.jpg", "list the images' addresses in a manifest"),
        ("s3://", "names no folder, bucket or sample collection"),
        ("", "names no folder, bucket or sample collection"),
        ("s3://AKIA:wJalr@photos/shop", "holds credentials"),
    ],
)
def test_a_source_that_cannot_be_is_refused(tmp_path: Path, source: str, why: str) -> None:
    told = source_fault(tmp_path, source)
    assert why in told
    assert "wJalr" not in told


@pytest.mark.parametrize(
    "options",
    [
        "{key: AKIAX, anon: false}",
        "{secret: wJalrX}",
        "{client_kwargs: {aws_secret_access_key: wJalrX}}",
        "{token: ya29X}",
        "{account_key: wJalrX}",
        "{connection_string: AccountKeyX}",
        "{sas_token: wJalrX}",
        "{config_kwargs: [{password: wJalrX}]}",
        "{endpoint_url: 'https://user:wJalrX@host'}",
    ],
)
def test_secrets_are_refused_in_the_settings_and_never_quoted(tmp_path: Path, options: str) -> None:
    told = source_fault(tmp_path, "s3://photos", f", storage_options: {options}")
    assert "environment" in told
    assert "X" not in told.replace("AWS_ACCESS", "")


def test_what_is_no_secret_may_be_set(tmp_path: Path) -> None:
    options = (
        "{anon: true, token: anon, endpoint_url: 'http://127.0.0.1:9000', account_name: shop, requester_pays: true}"
    )
    text = f"collections: [{{name: shop, source: 's3://photos/x', storage_options: {options}}}]"
    (collection,) = load_settings(write(tmp_path, text)).collections
    assert collection.storage_options["endpoint_url"] == "http://127.0.0.1:9000"


@pytest.mark.parametrize("pattern", ["", "/", "a**b"])
def test_a_pattern_that_can_match_nothing_is_refused(tmp_path: Path, pattern: str) -> None:
    assert "include" in source_fault(tmp_path, "photos", f", include: ['{pattern}']")


@pytest.mark.parametrize(
    ("gate", "problem"),
    [
        ({"metrics": {"accuracy": 0.1}}, "gate.metrics.accuracy"),
        ({"metrics": {}}, "gate.metrics: Dictionary should have at least 1 item"),
        ({"metrics": {"recall_at_10": -0.1}}, "greater than or equal to 0"),
        ({"methods": ["magic"]}, "gate.methods.0"),
        ({"methods": []}, "gate.methods"),
    ],
)
def test_a_gate_that_could_not_decide_is_refused(tmp_path: Path, gate: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(problem)):
        load_settings(write(tmp_path, json.dumps({"gate": gate})))


def test_the_gate_knows_every_search_method() -> None:
    assert Gate(methods=METHODS).methods == METHODS


def test_embedders_to_compare_are_folders_at_the_file_or_hub_ids_and_typing_errors_are_told(tmp_path: Path) -> None:
    (tmp_path / "towers").mkdir()
    file = write(tmp_path, "comparison: {embedders: [{model: towers}, {model: google/siglip, revision: abc}]}")
    ours, theirs = load_settings(file).comparison.embedders
    assert (ours.model, theirs.model, theirs.revision) == (str(tmp_path / "towers"), "google/siglip", "abc")
    wrong = write(tmp_path, "comparison: {embedders: [{modle: towers}]}\nhealth: {ef_search: [0]}")
    with pytest.raises(SettingsError, match="did you mean model") as caught:
        load_settings(wrong)
    assert "health.ef_search needs one or more numbers from 1 to 1000" in str(caught.value)
