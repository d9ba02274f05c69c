"""Benchmarks from elsewhere, their images found in a collection."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerag_assets.errors import BenchmarkError, SettingsError
from imagerag_assets.evaluation.benchmarks import load_benchmark
from imagerag_assets.evaluation.benchmarks.importing import ImportReport, import_benchmark
from imagerag_assets.evaluation.benchmarks.importing.foreign import Named
from imagerag_assets.evaluation.benchmarks.importing.importing import Images
from imagerag_assets.evaluation.benchmarks.importing.logs import grades
from imagerag_assets.evaluation.benchmarks.model import Rules
from imagerag_assets.project import Project
from imagerag_assets_tests.evaluation.corpus import add_images, content_of

FILES = ("a/red mug.jpg", "b/blue.jpg", "c/7.png", "twice/same.jpg", "again/same.jpg")
HEADER = "query-id\tcorpus-id\tscore\n"


@pytest.fixture(scope="module")
def shop(make_shared_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_shared_project({"shop": tmp_path_factory.mktemp("shop")})
    with project.database.connect() as connection:
        add_images(connection, "shop", {uri: uri for uri in FILES})
    return project


def bring(shop: Project, source: Path, since: str = "", **rules: Any) -> tuple[ImportReport, Path]:
    folder = source.parent / f"{source.stem} imported"
    return import_benchmark(shop, source, folder, Rules(collection="shop", **rules), since), folder


def qrels_of(folder: Path) -> dict[tuple[str, str], int]:
    return {(one.query_id, one.corpus_id): one.score for one in load_benchmark(folder).qrels}


def write_lines(file: Path, *rows: dict[str, Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


def test_an_image_is_found_by_path_content_name_or_stem_if_it_is_the_only_one() -> None:
    images = Images((uri, content_of(uri)) for uri in FILES)

    def find(*names: str, content: str = "") -> str | None:
        found = images.find(Named(names, content))
        return found[0] if found else None

    assert find("b/blue.jpg") == find("blue") == find("https://shop/x/blue.jpg?size=3") == "b/blue.jpg"
    assert find("https://shop/red%20mug.jpg") == "a/red mug.jpg"
    assert find("nothing", content=content_of("c/7.png")) == find("7") == "c/7.png"
    assert find("unknown", "blue.jpg") == "b/blue.jpg"
    assert find("same.jpg") is None
    assert find("again/same.jpg") == "again/same.jpg"


def test_a_beir_folder_comes_with_its_splits_and_its_corpus_names_the_images(shop: Project, tmp_path: Path) -> None:
    beir = tmp_path / "beir"
    write_lines(beir / "queries.jsonl", *({"_id": name, "text": name} for name in ("q1", "q2", "never")))
    corpus = ({"_id": "d1", "metadata": {"url": "https://x/blue.jpg"}}, {"_id": "d2", "title": "red mug.jpg"})
    write_lines(beir / "corpus.jsonl", *corpus, {"_id": "d3", "text": "gone"})
    (beir / "qrels").mkdir()
    (beir / "qrels" / "train.tsv").write_text(HEADER + "q1\td1\t1\nq1\td3\t2\n")
    (beir / "qrels" / "test.tsv").write_text(HEADER + "q2\td2\t2\nq2\t7\t0\n")
    report, folder = bring(shop, beir)
    assert (report.form, report.queries, report.judgements) == ("BEIR", 2, 3)
    assert report.left_out == (
        "1 judgements of 1 images that are not in shop, or not one alone: d3.",
        "1 queries of which no judgement is left.",
    )
    assert qrels_of(folder) == {("q1", "b/blue.jpg"): 1, ("q2", "a/red mug.jpg"): 2, ("q2", "c/7.png"): 0}
    read = load_benchmark(folder)
    assert {query.query_id: query.split for query in read.queries} == {"q1": "train", "q2": "test"}
    assert {one.content for one in read.qrels} == {content_of(one.corpus_id) for one in read.qrels}
    assert read.rules.collection == "shop"


def test_an_mteb_folder_of_parquet_finds_images_by_their_bytes_and_keeps_examples(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    from pyarrow import Table, parquet

    def write(name: str, rows: list[dict[str, Any]]) -> None:
        file = tmp_path / "mteb" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(Table.from_pylist(rows), file)

    picture = {"bytes": b"pixels of a picture", "path": None}
    write("corpus/test-00000-of-00001.parquet", [
        {"id": "d1", "modality": "image", "image": picture},
        {"id": "d2", "modality": "image", "image": {"bytes": b"re-encoded", "path": "blue.jpg"}},
    ])  # fmt: skip
    write("queries/test-00000-of-00001.parquet", [
        {"id": "q1", "text": "a mug", "image": None}, {"id": "q2", "text": None, "image": picture},
    ])  # fmt: skip
    write("qrels/test-00000-of-00002.parquet", [{"query-id": "q1", "corpus-id": "d1", "score": 1.0}])
    write("qrels/test-00001-of-00002.parquet", [{"query-id": "q2", "corpus-id": "d2", "score": 2.0}])
    project = make_project({"shop": tmp_path})
    with project.database.connect() as connection:
        add_images(connection, "shop", {"b/blue.jpg": "b/blue.jpg", "x.jpg": "x.jpg"})
        content = hashlib.sha256(b"pixels of a picture").hexdigest()
        connection.execute("update raw_images set content = %s where uri = 'x.jpg'", (content,))
    report, folder = bring(project, tmp_path / "mteb")
    assert (report.form, report.left_out) == ("MTEB", ())
    assert qrels_of(folder) == {("q1", "x.jpg"): 1, ("q2", "b/blue.jpg"): 2}
    text, example = load_benchmark(folder).queries
    assert (text.text, text.image, text.split) == ("a mug", None, "")
    assert example.image is not None
    assert example.image.read_bytes() == b"pixels of a picture"
    assert example.kind == "by_example"


def test_an_mteb_folder_of_json_lines_with_a_language_is_read_too(shop: Project, tmp_path: Path) -> None:
    mteb = tmp_path / "mteb"
    write_lines(mteb / "fr-queries" / "test.jsonl", {"_id": "q1", "text": "tasse"}, {"_id": "q2", "text": "x"})
    write_lines(mteb / "fr-qrels" / "test.jsonl", {"query-id": "q1", "corpus-id": "blue", "score": 1})
    report, folder = bring(shop, mteb)
    assert (report.queries, qrels_of(folder)) == (1, {("q1", "b/blue.jpg"): 1})
    assert report.left_out == ("1 queries that nothing judges.",)
    write_lines(mteb / "en-qrels" / "test.jsonl", {"query-id": "q1", "corpus-id": "blue", "score": 1})
    with pytest.raises(BenchmarkError, match=r"several tables of qrels: en-qrels, fr-qrels"):
        bring(shop, mteb.rename(tmp_path / "two"))


Q1 = {"_id": "q1", "text": "tasse"}
BLUE = {"query-id": "q1", "corpus-id": "blue", "score": 3}


@pytest.mark.parametrize(
    ("queries", "qrels", "message"),
    [
        ([Q1, {**Q1, "text": "mug"}], [BLUE], "line 2: the query id 'q1' was an earlier row's"),
        ([Q1], [{**BLUE, "score": None}], "line 1: score is None, not a whole number"),
        ([Q1], [{"query-id": "q1", "corpus-id": "blue"}], "line 1: score is None, not a whole number"),
        ([Q1], [BLUE, {**BLUE, "score": 0}], "line 2 gives 'blue' the score 0 for the query 'q1'.* gives it 3"),
    ],
)
def test_an_mteb_folder_that_contradicts_itself_is_refused(
    shop: Project, tmp_path: Path, queries: list[dict[str, Any]], qrels: list[dict[str, Any]], message: str
) -> None:
    write_lines(tmp_path / "mteb" / "queries.jsonl", *queries)
    write_lines(tmp_path / "mteb" / "qrels.jsonl", *qrels)
    with pytest.raises(BenchmarkError, match=message):
        bring(shop, tmp_path / "mteb")


def test_a_line_of_too_few_fields_and_a_corpus_id_of_two_images_are_refused(shop: Project, tmp_path: Path) -> None:
    write_lines(tmp_path / "mteb" / "queries" / "test.jsonl", Q1)
    qrels = tmp_path / "mteb" / "qrels.tsv"
    qrels.write_text(HEADER + "q1\tblue\t1\nq1\t7\n")
    with pytest.raises(BenchmarkError, match=r"qrels\.tsv, line 3 has 2 fields, and the header 3"):
        bring(shop, tmp_path / "mteb")
    qrels.write_text(HEADER + "q1\tblue\t1\n")
    write_lines(tmp_path / "mteb" / "corpus.jsonl", {"_id": "blue", "title": "7"}, {"_id": "blue", "title": "blue"})
    with pytest.raises(BenchmarkError, match="line 2: the corpus id 'blue' is another image's"):
        bring(shop, tmp_path / "mteb")


def test_an_image_that_is_judged_under_two_names_keeps_the_better_grade_and_that_is_told(
    shop: Project, tmp_path: Path
) -> None:
    write_lines(tmp_path / "mteb" / "queries.jsonl", Q1)
    (tmp_path / "mteb" / "qrels.tsv").write_text(HEADER + "q1\tblue\t3\nq1\tb/blue.jpg\t0\nq1\tblue.jpg\t3\n")
    report, folder = bring(shop, tmp_path / "mteb")
    assert qrels_of(folder) == {("q1", "b/blue.jpg"): 3}
    assert report.left_out == ("1 judgements of an image that has a better grade under another name.",)


def test_clicks_become_grades_by_the_rule_of_shares() -> None:
    clicks = Counter({"a": 100, "b": 80, "c": 79, "d": 40, "e": 39, "f": 2, "g": 1})
    assert grades(clicks) == {"a": 3, "b": 3, "c": 2, "d": 2, "e": 1, "f": 1}
    assert grades(Counter()) == {}


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(min_size=1), st.integers(0, 10_000)))
def test_more_clicks_never_mean_a_lower_grade(clicks: dict[str, int]) -> None:
    found = grades(Counter(clicks))
    for one, grade in found.items():
        assert all(grade >= found.get(other, 0) for other in clicks if clicks[other] <= clicks[one])


def test_a_query_log_adds_up_clicks_and_leaves_rare_ones_out(shop: Project, tmp_path: Path) -> None:
    log = tmp_path / "clicks.csv"
    log.write_text(
        "query,uri,count,time\n"
        "Blue  Mug,b/blue.jpg,3,2024-05-01T10:00:00Z\n"
        "blue mug,b/blue.jpg,3,2024-05-31\n"
        'blue mug,"a/red mug.jpg",,2024-06-01\n'
        "blue mug,gone.jpg,2,2024-06-01\n"
        "rare,b/blue.jpg,4,2024-06-01\n"
    )
    report, folder = bring(shop, log)
    assert qrels_of(folder) == {("q0001", "b/blue.jpg"): 3}
    assert [query.text for query in load_benchmark(folder).queries] == ["Blue Mug"]
    assert report.left_out[:2] == (
        "1 queries with fewer than 5 clicks.", "1 images with fewer than 2 clicks for their query.",
    )  # fmt: skip
    assert "gone.jpg" in report.left_out[2]


def test_single_clicks_and_queries_that_have_no_others_are_told(shop: Project, tmp_path: Path) -> None:
    log = tmp_path / "clicks.csv"
    scattered = "".join(f"scattered,{number}.jpg\n" for number in range(6))
    log.write_text("query,uri,count\nmug,b/blue.jpg,9\nmug,c/7.png,1\n" + scattered.replace("\n", ",1\n"))
    report, folder = bring(shop, log)
    assert qrels_of(folder) == {("q0001", "b/blue.jpg"): 3}
    assert report.left_out == (
        "7 images with fewer than 2 clicks for their query.", "1 queries of which no image has 2 clicks.",
    )  # fmt: skip


def test_only_clicks_since_a_day_count(shop: Project, tmp_path: Path) -> None:
    log = tmp_path / "clicks.csv"
    log.write_text("query,uri,count,time\nx,b/blue.jpg,9,2024-05-31T23:59:59\nx,c/7.png,9,2024-06-01\n")
    _, folder = bring(shop, log, since="2024-06-01")
    assert qrels_of(folder) == {("q0001", "c/7.png"): 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("query,clicked\nx,y\n", "line 1 must be a header with query and uri"),
        ("query,uri,count\nx,y,many\n", "line 2: count is 'many', not a whole number"),
        ("query,uri,count\nx,y,-1\n", "line 2: count is -1, below 0"),
        ("query,uri\nx,y\n,z\n", "line 3 needs the texts query and uri"),
        ("query,uri,time\nx,y,yesterday\n", "line 2: time is 'yesterday'"),
    ],
)
def test_what_is_wrong_in_a_log_is_told_and_nothing_is_left_behind(
    shop: Project, tmp_path: Path, text: str, message: str
) -> None:
    log = tmp_path / "log.csv"
    log.write_text(text)
    with pytest.raises(BenchmarkError, match=message):
        bring(shop, log, since="2024-01-01" if "time" in text else "")
    assert list(tmp_path.iterdir()) == [log]


def test_a_log_in_json_lines_may_be_wrong_too_and_a_day_must_be_one(shop: Project, tmp_path: Path) -> None:
    log = write_lines(tmp_path / "log.jsonl", {"query": "x", "uri": 3})
    with pytest.raises(BenchmarkError, match="line 1 needs the texts"):
        bring(shop, log)
    with pytest.raises(SettingsError, match=r"--since: 'May' is no day"):
        bring(shop, log, since="May")


def test_sources_that_are_none_and_folders_that_exist_are_told(shop: Project, tmp_path: Path) -> None:
    for source, message in (("none.csv", "does not exist"), ("none.txt", "neither a folder nor a query log")):
        with pytest.raises(BenchmarkError, match=message):
            bring(shop, tmp_path / source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BenchmarkError, match="has no table qrels"):
        bring(shop, tmp_path / "empty")
    (tmp_path / "empty imported").mkdir()
    with pytest.raises(BenchmarkError, match=r"exists\. Choose another --name"):
        bring(shop, tmp_path / "empty")


def test_splits_that_are_asked_for_are_drawn(shop: Project, tmp_path: Path) -> None:
    log = tmp_path / "clicks.csv"
    log.write_text("query,uri,count\n" + "".join(f"query {number},b/blue.jpg,9\n" for number in range(40)))
    _, folder = bring(shop, log, splits={"train": 1, "validation": 0, "test": 1})
    assert {query.split for query in load_benchmark(folder).queries} == {"train", "test"}
