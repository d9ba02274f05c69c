"""What is wrong with a benchmark is said, and gives no number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks import (
    Benchmark,
    Judgement,
    Query,
    load_benchmark,
    read_benchmark,
    store_benchmark,
)
from imagerag_assets.evaluation.benchmarks.findings import findings
from imagerag_assets.evaluation.benchmarks.judging import remember
from imagerag_assets.evaluation.benchmarks.store import judged_examples, stale_judgements
from imagerag_assets.project import Project
from imagerag_assets.stages import benchmark_queries
from imagerag_assets_tests.evaluation.corpus import add_images, benchmark, content_of

HEADER = "query-id\tcorpus-id\tscore\n"


def write(folder: Path, queries: str, qrels: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "queries.jsonl").write_text(queries)
    (folder / "qrels.tsv").write_text(HEADER + qrels)
    return folder


def told(connection: Connection, level: str) -> str:
    return " | ".join(one.message for one in findings(connection) if one.level == level)


def test_every_problem_is_told_and_not_only_the_first(tmp_path: Path) -> None:
    folder = write(tmp_path, '{"_id": "q1", "text": "x"}\n{"_id": "q1", "text": "y"}\n', "q9\ta\t1\nq1\ta\tgood\n")
    problems = read_benchmark(folder).problems
    assert [problem.partition(", line ")[2][:2].strip() for problem in problems] == ["2:", "2", "3:"]
    with pytest.raises(BenchmarkError, match=r"'q1' was line 1.*\n.*the query 'q9'.*\n.*'good' is not a whole"):
        load_benchmark(folder)


def test_a_query_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    folder = write(tmp_path, '{"_id": "q1", "text": 3}', "q1\ta\t1\nq1\tb\t1\n")
    assert len(read_benchmark(folder).problems) == 1


@pytest.mark.parametrize(
    ("yaml", "message"),
    [("relevant_from: 0", "relevant_from"), ("depht: 3", "depht"), ("{", "not valid YAML"), ("[1]", "the file")],
)
def test_a_wrong_benchmark_yaml_is_a_problem_too(tmp_path: Path, yaml: str, message: str) -> None:
    write(tmp_path, '{"_id": "q1", "text": "x"}', "")
    (tmp_path / "benchmark.yaml").write_text(yaml)
    (problem,) = read_benchmark(tmp_path).problems
    assert message in problem
    assert "benchmark.yaml" in problem


def test_a_malformed_benchmark_is_refused_whole_and_the_others_are_loaded(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    bad = write(tmp_path / "bad", '{"_id": "q1", "text": "x"}', "q1\ta\t1\nq1\tb\tgood\n")
    good = write(tmp_path / "good", '{"_id": "q1", "text": "x"}', "q1\ta.jpg\t1\n")
    collections = [{"name": place.name, "source": str(tmp_path), "benchmark": str(place)} for place in (bad, good)]
    project = make_project({}, collections=collections)
    report = benchmark_queries.run(project)
    assert (report.new, report.failed) == (1, 1)
    with project.database.connect() as connection:
        assert connection.execute("select benchmark from benchmark_queries").fetchall() == [("good",)]
        (error,) = [one for one in findings(connection) if one.level == "error"]
    assert error.benchmark == "bad"
    assert "qrels.tsv, line 3: the score 'good' is not a whole number" in error.message

    write(bad, '{"_id": "q1", "text": "x"}', "q1\ta.jpg\t1\n")
    assert benchmark_queries.run(project).failed == 0
    with project.database.connect() as connection:
        assert told(connection, "error") == ""


def test_a_benchmark_of_images_that_its_collection_never_had_is_refused_and_the_others_are_loaded(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    folders = [write(tmp_path / name, '{"_id": "q1", "text": "x"}', f"q1\t{name}.jpg\t1\n") for name in ("bad", "good")]
    collections = [{"name": one.name, "source": str(tmp_path), "benchmark": str(one)} for one in folders]
    project = make_project({}, collections=collections)
    with project.database.connect() as connection:
        add_images(connection, "bad", {"other.jpg": "other.jpg"})
        add_images(connection, "good", {"good.jpg": "good.jpg"})
    report = benchmark_queries.run(project)
    assert (report.new, report.failed) == (1, 1)
    with project.database.connect() as connection:
        assert connection.execute("select benchmark from benchmark_queries").fetchall() == [("good",)]
        assert told(connection, "error").startswith(
            "Not measured: 1 judgements name images that the collection does not"
        )
        before = benchmark_queries.data_version(connection)

    report = benchmark_queries.run(project)
    assert (report.new, report.skipped, report.failed) == (0, 1, 1)
    with project.database.connect() as connection:
        assert benchmark_queries.data_version(connection) == before
        add_images(connection, "bad", {"bad.jpg": "bad.jpg"})
    report = benchmark_queries.run(project)
    assert (report.new, report.skipped, report.failed) == (1, 1, 0)


def test_what_cannot_be_measured_is_told_with_counts(database: Database) -> None:
    with database.connect() as connection:
        for name in ("some", "none", "held"):
            add_images(connection, name, {"a.jpg": "a.jpg", "copy.jpg": "a.jpg"})
        grades = {"q1": {"a.jpg": 1, "copy.jpg": 1}, "q2": {"a.jpg": 0}, "q3": {}}
        store_benchmark(connection, "some", benchmark(grades))
        store_benchmark(connection, "none", benchmark({"q1": {}}))
        tuned = benchmark({"q1": {"a.jpg": 1}})
        tuned = replace(tuned, queries=tuple(replace(query, split="train") for query in tuned.queries))
        store_benchmark(connection, "held", tuned)
        store_benchmark(connection, "later", benchmark({"q1": {"a.jpg": 1}}))
        by_name = {one.benchmark: one for one in findings(connection) if one.level == "warning"}
        notes = {one.benchmark: one.message for one in findings(connection) if one.level == "note"}
    assert "2 of 3 queries have no image that is judged relevant" in by_name["some"].message
    assert "count in no figure: q2, q3." in by_name["some"].message
    assert "No query has an image that is judged relevant" in by_name["none"].message
    assert "No query of the test split has" in by_name["held"].message
    assert "1 of 1 queries have fewer than five relevant images, 1 of them a single one" in notes["some"]
    assert "at most 0.2" in notes["some"]
    assert notes["later"] == "Its collection is not ingested yet: nothing is measured."


def test_a_sound_benchmark_has_nothing_to_tell(database: Database) -> None:
    uris = [f"{number}.jpg" for number in range(5)]
    with database.connect() as connection:
        add_images(connection, "b", {uri: uri for uri in uris})
        store_benchmark(connection, "b", benchmark({"q1": dict.fromkeys(uris, 1)}))
        assert findings(connection) == []


def judged(*qrels: Judgement) -> Benchmark:
    return replace(benchmark({"q1": {}}), qrels=qrels, digest=repr(qrels))


def test_a_judgement_follows_its_image_and_is_stale_when_that_is_gone_or_another(database: Database) -> None:
    def about(uri: str) -> Judgement:
        return Judgement("q1", uri, 1, content_of(uri))

    with database.connect() as connection:
        add_images(connection, "b", {uri: uri for uri in ("same.jpg", "was.jpg", "new.jpg", "gone.jpg")})
        uris = ("same.jpg", "was.jpg", "new.jpg", "gone.jpg", "never.jpg")
        store_benchmark(connection, "b", judged(*map(about, uris)))
        connection.execute("update raw_images set uri = 'renamed.jpg' where uri = 'was.jpg'")
        connection.execute("update raw_images set content = %s where uri = 'new.jpg'", (content_of("other bytes"),))
        connection.execute("update raw_images set removed_at = now() where uri = 'gone.jpg'")
        query = "select corpus_id, state, uri from judgements where group_id is not null"
        states = connection.execute(query).fetchall()
        stale = {one.corpus_id: one.state for one in stale_judgements(connection)}
        warning = told(connection, "warning")
    assert sorted(states) == [("same.jpg", "current", "same.jpg"), ("was.jpg", "moved", "renamed.jpg")]
    assert stale == {"new.jpg": "changed", "gone.jpg": "vanished", "never.jpg": "vanished"}
    assert "3 judgements are stale and count in no figure: 1 were judged on other pictures" in warning
    assert "2 name images that are gone (gone.jpg, never.jpg)" in warning


def by_example(folder: Path, query_id: str, uri: str) -> Query:
    """A query by the picture that a collection has under `uri`."""
    (folder / uri).write_bytes(uri.encode())
    return Query(query_id, "", folder / uri, "by_example", "")


def test_the_example_itself_is_not_relevant_unless_a_near_duplicate_leads_to_its_group(
    database: Database, tmp_path: Path
) -> None:
    groups = {"own.jpg": "own.jpg", "other.jpg": "other.jpg", "twin.jpg": "twin.jpg", "near.jpg": "twin.jpg"}
    queries = (by_example(tmp_path, "q1", "own.jpg"), by_example(tmp_path, "q2", "twin.jpg"))
    own = Judgement("q1", "renamed since.jpg", 2, content_of("own.jpg"))
    qrels = (Judgement("q1", "own.jpg", 2), own, Judgement("q1", "other.jpg", 1), Judgement("q2", "twin.jpg", 1))
    with database.connect() as connection:
        add_images(connection, "b", groups)
        store_benchmark(connection, "b", Benchmark(queries, qrels, "first"))
        reachable = connection.execute("select query_id, uri from judgements where group_id is not null").fetchall()
        note = told(connection, "note")
        assert stale_judgements(connection) == []
        # A database from before the examples' contents were kept learns them when the same benchmark is loaded.
        connection.execute("update benchmark_queries set example = null")
        assert not store_benchmark(connection, "b", Benchmark(queries, qrels, "first"))
        assert judged_examples(connection) == [("b", "q1")]
    assert sorted(reachable) == [("q1", "other.jpg"), ("q2", "twin.jpg")]
    assert "Of 1 queries by example the example itself is judged relevant (q1)." in note


def test_to_remember_makes_judgements_of_changed_images_hold_again(database: Database, tmp_path: Path) -> None:
    folder = write(tmp_path, '{"_id": "q1", "text": "x"}', "q1\ta.jpg\t1\nq1\tb.jpg\t1\nq1\tgone.jpg\t1\n")
    with database.connect() as connection:
        add_images(connection, "b", {"a.jpg": "a.jpg", "b.jpg": "b.jpg"})
        assert remember(connection, folder, "b") == 2
        assert [one.content for one in load_benchmark(folder).qrels] == [content_of("a.jpg"), content_of("b.jpg"), None]
        connection.execute("update raw_images set content = %s where uri = 'a.jpg'", (content_of("changed"),))
        connection.execute("update raw_images set uri = 'moved.jpg' where uri = 'b.jpg'")
        assert remember(connection, folder, "b") == 1
        assert remember(connection, folder, "b") == 0
    assert [one.content for one in load_benchmark(folder).qrels] == [content_of("changed"), content_of("b.jpg"), None]
