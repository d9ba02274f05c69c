"""Reading, checking and storing benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks import (
    Judgement,
    Query,
    load_benchmark,
    never_ingested,
    refuse_unknown,
    store_benchmark,
)
from imagerag_assets.evaluation.benchmarks.store import stale_judgements
from imagerag_assets_tests.evaluation.corpus import add_images, benchmark

QUERY = '{"_id": "q1", "text": "red shoe"}'
QRELS = "query-id\tcorpus-id\tscore\n"


def write(folder: Path, queries: str, qrels: str, qrels_name: str = "qrels.tsv") -> Path:
    (folder / "queries.jsonl").write_text(queries, encoding="utf-8", newline="")
    (folder / qrels_name).parent.mkdir(exist_ok=True)
    (folder / qrels_name).write_text(qrels, encoding="utf-8", newline="")
    return folder


def test_a_benchmark_is_read_with_its_optional_parts(tmp_path: Path) -> None:
    (tmp_path / "example.png").write_bytes(b"pixels")
    queries = "\n".join(
        [
            QUERY,
            '{"_id": 2, "image": "example.png", "metadata": {"kind": "by_example", "language": "fr"}}',
            "",
        ]
    )
    read = load_benchmark(write(tmp_path, queries, QRELS + "q1\ta b.jpg\t2\n2\tc.jpg\t0\n"))
    assert read.queries == (
        Query("q1", "red shoe", None, "unspecified", ""),
        Query("2", "", tmp_path.resolve() / "example.png", "by_example", "fr"),
    )
    assert read.qrels == (Judgement("q1", "a b.jpg", 2), Judgement("2", "c.jpg", 0))


def test_windows_line_ends_a_byte_order_mark_and_beirs_folder_are_accepted(tmp_path: Path) -> None:
    qrels = (QRELS + "q1\ta.jpg\t1\n").replace("\n", "\r\n")
    read = load_benchmark(write(tmp_path, "\ufeff" + QUERY + "\r\n", qrels, "qrels/test.tsv"))
    assert read.qrels == (Judgement("q1", "a.jpg", 1),)


@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_comes_back_as_it_was_written(tmp_path: Path, text: str) -> None:
    line = json.dumps({"_id": "q1", "text": "x" + text}, ensure_ascii=False)
    read = load_benchmark(write(tmp_path, line, QRELS + "q1\ta.jpg\t1\n"))
    assert read.queries[0].text == "x" + text


@pytest.mark.parametrize(
    ("queries", "qrels", "message"),
    [
        ("{", "q1\ta\t1", "queries.jsonl, line 1 is not valid JSON"),
        ("[]", "q1\ta\t1", "queries.jsonl, line 1 is a list"),
        (QUERY + "\n\n" + QUERY, "q1\ta\t1", "queries.jsonl, line 3: the query id 'q1' was line 1's"),
        ('{"text": "red"}', "q1\ta\t1", "line 1 has no _id"),
        ('{"_id": "q1", "text": " "}', "q1\ta\t1", "neither a text nor an image"),
        ('{"_id": "q1", "text": 3}', "q1\ta\t1", "text must be a string, not a int"),
        ('{"_id": "q1", "text": "\\u0000"}', "q1\ta\t1", "holds a NUL"),
        ('{"_id": "q1", "text": "\\ud800"}', "q1\ta\t1", "half a surrogate pair"),
        ('{"_id": "q1", "text": "r", "metadata": {"kind": "all"}}', "q1\ta\t1", 'the kind "all" is taken'),
        ('{"_id": "q1", "text": "r", "metadata": {"language": "all"}}', "q1\ta\t1", 'the language "all" is taken'),
        ('{"_id": "q1", "text": "r", "image": "../secret.png"}', "q1\ta\t1", "lies outside"),
        ('{"_id": "q1", "text": "r", "image": "/etc/passwd"}', "q1\ta\t1", "lies outside"),
        ('{"_id": "q1", "text": "r", "image": "none.png"}', "q1\ta\t1", "'none.png' does not exist"),
        (QUERY, "q2\ta\t1", "qrels.tsv, line 2 judges the query 'q2'"),
        (QUERY, "q1\ta\t0.5", "qrels.tsv, line 2: the score '0.5' is not a whole number"),
        (QUERY, "q1\ta\t99999999999", "line 2 holds a NUL character or a score beyond"),
        (QUERY, "q1\ta\t1\nq1\ta\t2", "line 3 judges the same query and image as line 2"),
        (QUERY, "q1 a 1", "line 2 must have three fields"),
        (QUERY.replace("}", ', "metadata": {"split": "dev"}}'), "q1\ta\t1", "the split 'dev' is none of train"),
        ("\n", "", "holds no query"),
    ],
)
def test_what_is_wrong_is_told_with_file_and_line(tmp_path: Path, queries: str, qrels: str, message: str) -> None:
    with pytest.raises(BenchmarkError) as caught:
        load_benchmark(write(tmp_path, queries, QRELS + qrels))
    assert message in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_missing_files_and_a_missing_header_are_told(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"queries\.jsonl does not exist"):
        load_benchmark(tmp_path)
    (tmp_path / "queries.jsonl").write_text(QUERY)
    with pytest.raises(BenchmarkError, match=r"qrels\.tsv or qrels/test\.tsv"):
        load_benchmark(tmp_path)
    with pytest.raises(BenchmarkError, match="line 1 must be the header"):
        load_benchmark(write(tmp_path, QUERY, "q1\ta\t1\n"))
    (tmp_path / "queries.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(BenchmarkError, match="cannot be read as UTF-8"):
        load_benchmark(tmp_path)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside.png").write_bytes(b"pixels")
    folder = tmp_path / "benchmark"
    folder.mkdir()
    (folder / "inside.png").symlink_to(tmp_path / "outside.png")
    write(folder, '{"_id": "q1", "image": "inside.png"}', QRELS + "q1\ta\t1")
    with pytest.raises(BenchmarkError, match="lies outside"):
        load_benchmark(folder)


def test_the_digest_follows_every_file_that_counts(tmp_path: Path) -> None:
    (tmp_path / "example.png").write_bytes(b"one")
    write(tmp_path, '{"_id": "q1", "image": "example.png"}', QRELS + "q1\ta\t1")
    first = load_benchmark(tmp_path).digest
    (tmp_path / "notes.txt").write_text("not part of it")
    assert load_benchmark(tmp_path).digest == first
    (tmp_path / "example.png").write_bytes(b"two")
    assert load_benchmark(tmp_path).digest != first


def test_storing_replaces_only_what_changed(database: Database) -> None:
    first = benchmark({"q1": {"a.jpg": 1}, "q2": {"a.jpg": 1}})
    second = benchmark({"q3": {"b.jpg": 2}})
    with database.connect() as connection:
        stored = [store_benchmark(connection, "b", one) for one in (first, first, second)]
        assert stored == [True, False, True]
        assert connection.execute("select query_id, corpus_id, score from qrels").fetchall() == [("q3", "b.jpg", 2)]
        assert connection.execute("select query_id, kind from benchmark_queries").fetchall() == [("q3", "by_look")]


def test_a_moved_folder_is_no_change_but_its_examples_are_found_again(database: Database, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    (here / "example.png").write_bytes(b"pixels")
    write(here, '{"_id": "q1", "image": "example.png"}', QRELS + "q1\ta\t1")
    with database.connect() as connection:
        assert store_benchmark(connection, "b", load_benchmark(here))
        here.rename(there)
        assert not store_benchmark(connection, "b", load_benchmark(there))
        stored = connection.execute("select image from benchmark_queries").fetchone()
    assert stored == (str(there.resolve() / "example.png"),)


def test_the_name_of_the_mean_is_refused(database: Database) -> None:
    with database.connect() as connection, pytest.raises(BenchmarkError, match='called "all"'):
        store_benchmark(connection, "all", benchmark({"q1": {"a.jpg": 1}}))


def problems(connection: Connection) -> dict[str, str]:
    return dict(connection.execute("select benchmark, message from benchmark_problems").fetchall())


def test_judgements_of_images_that_do_not_exist_are_one_clear_problem(database: Database) -> None:
    grades = {"a.jpg": 1, "broken.jpg": 1} | {f"gone-{number}.jpg": 1 for number in range(7)}
    with database.connect() as connection:
        add_images(connection, "b", {"a.jpg": "a.jpg"})
        add_images(connection, "other", {"gone-0.jpg": "gone-0.jpg"})
        connection.execute(
            "insert into quarantine (collection, uri, size_bytes, version, fingerprint, reason, message) "
            "values ('b', 'broken.jpg', 1, '1', 'f', 'truncated', 'cut off')"
        )
        store_benchmark(connection, "b", benchmark({"q1": grades}))
        stale = stale_judgements(connection)
        assert refuse_unknown(connection) == ["b"]
        message = problems(connection)["b"]
        assert connection.execute("select from benchmark_queries").fetchall() == []
    assert [one.corpus_id for one in stale if one.state == "quarantined"] == ["broken.jpg"]
    assert len(stale) == 8
    assert message.startswith("7 judgements name images")
    assert "'gone-4.jpg' (query 'q1')" in message
    assert "gone-5.jpg" not in message
    assert "and 2 more" in message
    assert "broken.jpg" not in message


def test_an_image_that_is_gone_is_no_error_but_a_stale_judgement(database: Database) -> None:
    with database.connect() as connection:
        add_images(connection, "b", {"a.jpg": "a.jpg"})
        store_benchmark(connection, "b", benchmark({"q1": {"a.jpg": 1}}))
        assert stale_judgements(connection) == []
        connection.execute("update raw_images set removed_at = now()")
        assert refuse_unknown(connection) == []
        assert [(one.corpus_id, one.state) for one in stale_judgements(connection)] == [("a.jpg", "vanished")]


def test_a_collection_that_was_never_ingested_is_not_checked_yet_and_a_refused_one_is_looked_at_again(
    database: Database,
) -> None:
    judged = benchmark({"q1": {"a.jpg": 1}})
    with database.connect() as connection:
        add_images(connection, "here", {"a.jpg": "a.jpg"})
        for name in ("here", "later"):
            store_benchmark(connection, name, judged)
        assert never_ingested(connection) == ["later"]
        assert (refuse_unknown(connection), stale_judgements(connection)) == ([], [])
        add_images(connection, "later", {"b.jpg": "b.jpg"})
        assert never_ingested(connection) == []
        assert refuse_unknown(connection) == ["later"]
        assert "'a.jpg'" in problems(connection)["later"]

        # Its files are as they were, and the image has come.
        add_images(connection, "later", {"a.jpg": "a.jpg"})
        assert [store_benchmark(connection, name, judged) for name in ("here", "later")] == [False, True]
        assert refuse_unknown(connection) == []
        assert problems(connection) == {}


def test_an_example_may_lie_in_the_collections_source_and_nowhere_else(tmp_path: Path) -> None:
    source, folder = tmp_path / "source", tmp_path / "benchmark"
    for made in (source, folder):
        made.mkdir()
    (source / "a.jpg").write_bytes(b"pixels")
    queries = '{"_id": "q1", "image": "a.jpg", "kind": "by_example", "language": "fr"}'
    write(folder, queries, QRELS + "q1\tb.jpg\t1\n")

    assert load_benchmark(folder, source).queries == (Query("q1", "", source / "a.jpg", "by_example", "fr"),)
    with pytest.raises(BenchmarkError, match="does not exist"):
        load_benchmark(folder)
