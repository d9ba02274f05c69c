"""Pools of what the methods find, and a person's marks on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagerag_assets.errors import BenchmarkError, SettingsError
from imagerag_assets.evaluation.benchmarks import load_benchmark
from imagerag_assets.evaluation.benchmarks.judging import judge, next_unjudged, undo
from imagerag_assets.evaluation.benchmarks.model import Rules
from imagerag_assets.evaluation.benchmarks.pooling import POOL, Pooled, add_queries, benchmark_path, pool, read_pool
from imagerag_assets.methods import METHODS
from imagerag_assets.project import Project
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets_tests.retrieval.corpus import Picture, build, content_of, other_text_model, shop_project

PICTURES = [
    Picture("invoice.png", ocr="invoice number 12", description="a scanned invoice"),
    Picture("copy.png", ocr="invoice number 12", description="a scanned invoice", canonical="invoice.png"),
    *(Picture(f"mug-{number}.png", description=f"a red mug number {number}") for number in range(12)),
    Picture("elsewhere.png", ocr="invoice number 12", collection="office"),
]


@pytest.fixture(scope="module")
def shop(make_shared_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = shop_project(make_shared_project, tmp_path_factory.mktemp("shop"))
    build(project, PICTURES)
    return project


def silent(_progress: object) -> None:
    pass


def questions(folder: Path, *texts: str) -> Path:
    file = folder / "questions.txt"
    file.write_text("\n".join(texts))
    return file


@pytest.fixture
def folder(shop: Project, tmp_path: Path) -> Path:
    """A benchmark of two queries, pooled."""
    made = tmp_path / "benchmark"
    add_queries(shop, made, questions(tmp_path, "invoice number", "red mug"), Rules(collection="shop", depth=3))
    pool(shop, made, silent)
    return made


def test_the_pool_holds_what_any_method_finds_each_picture_once_and_tells_no_rank(shop: Project, folder: Path) -> None:
    pooled = read_pool(folder)
    assert list(pooled) == ["q0001", "q0002"]
    for query_id, text in (("q0001", "invoice number"), ("q0002", "red mug")):
        found = {
            method: [one.uri for one in search(shop, Query(text), method=method, collections=("shop",), limit=3)]
            for method in METHODS
        }
        assert {one.corpus_id for one in pooled[query_id]} == {uri for uris in found.values() for uri in uris}
        assert [one.corpus_id for one in pooled[query_id]][:3] not in found.values()
    assert all(one.content == content_of(one.corpus_id) for one in pooled["q0001"])
    assert not {"invoice.png", "copy.png"} <= {one.corpus_id for one in pooled["q0001"]}


def test_the_order_is_the_seeds(shop: Project, folder: Path, tmp_path: Path) -> None:
    pools = []
    for name, seed in (("same", 0), ("other", 1)):
        other = tmp_path / name
        add_queries(shop, other, tmp_path / "questions.txt", Rules(collection="shop", depth=3, seed=seed))
        pool(shop, other, silent)
        pools.append(read_pool(other)["q0002"])
    assert pools[0] == read_pool(folder)["q0002"]
    assert pools[1] != pools[0]
    assert sorted(pools[1]) == sorted(pools[0])


def test_a_pool_that_was_cut_off_goes_on_where_it_was(shop: Project, folder: Path, tmp_path: Path) -> None:
    whole = (folder / POOL).read_bytes()
    (folder / POOL).write_bytes(whole[:-20])
    assert list(read_pool(folder)) == ["q0001"]
    report = pool(shop, folder, silent)
    assert (report.queries, report.skipped) == (1, 1)
    assert (folder / POOL).read_bytes() == whole

    assert add_queries(shop, folder, questions(tmp_path, "red  mug", "blue", "blue"), Rules(collection="shop")) == 1
    assert [(one.query_id, one.text) for one in load_benchmark(folder).queries][1:] == [
        ("q0002", "red mug"), ("q0003", "blue"),
    ]  # fmt: skip
    assert pool(shop, folder, silent).queries == 1


def test_pooling_again_adds_only_what_nobody_has_pooled(shop: Project, folder: Path) -> None:
    lines = (folder / POOL).read_text().splitlines()
    cut = json.loads(lines[1])
    removed = cut["images"].pop(0)
    (folder / POOL).write_text(lines[0] + "\n" + json.dumps(cut) + "\n")
    assert pool(shop, folder, silent, again=True).images == 1
    assert read_pool(folder)["q0002"] == [*(Pooled(*one) for one in cut["images"]), Pooled(*removed)]


def test_while_a_candidate_waits_the_live_index_is_pooled_with_its_own_models(
    shop: Project, folder: Path, make_shared_project: Callable[..., Project], tmp_path: Path
) -> None:
    models = {"text": other_text_model(tmp_path / "model")}
    waiting = shop_project(make_shared_project, tmp_path, url=shop.settings.database.url, models=models)
    assert pool(waiting, folder, silent, again=True).images == 0


def test_a_beir_file_keeps_its_ids_and_kinds_and_its_examples_come_along(
    shop: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "example.png").write_bytes(b"pixels")
    asked = {"_id": "mine", "image": "example.png", "metadata": {"kind": "by_example", "language": "fr"}}
    (tmp_path / "asked.jsonl").write_text(json.dumps(asked))
    made = tmp_path / "made"
    monkeypatch.setattr(shop, "source_folder", lambda _name: None)
    add_queries(shop, made, tmp_path / "asked.jsonl", Rules(collection="shop"))
    (query,) = load_benchmark(made).queries
    assert (query.query_id, query.kind, query.language) == ("mine", "by_example", "fr")
    assert query.image == made / "examples" / "example.png"
    assert query.image.read_bytes() == b"pixels"


def test_what_is_no_benchmark_of_the_collection_is_left_alone(shop: Project, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="is a benchmark of 'shop', not of 'office'"):
        add_queries(shop, folder, tmp_path / "questions.txt", Rules(collection="office"))
    with pytest.raises(BenchmarkError, match=r"has no benchmark\.yaml"):
        add_queries(shop, tmp_path, tmp_path / "questions.txt", Rules(collection="shop"))
    with pytest.raises(SettingsError, match="holds no query"):
        add_queries(shop, tmp_path / "new", questions(tmp_path, " "), Rules(collection="shop"))


def test_other_rules_than_the_folders_own_are_refused_and_none_leave_them(
    shop: Project, folder: Path, tmp_path: Path
) -> None:
    before = (folder / "benchmark.yaml").read_text()
    file = questions(tmp_path, "red mug", "blue")
    for rules, told in (
        ({"depth": 5}, r"depth: 3 \(asked for: 5\)"),
        ({"splits": {"train": 40, "validation": 20, "test": 40}}, r"splits: none \(asked for: 40/20/40\)"),
        ({"seed": 7}, r"seed: 0 \(asked for: 7\)"),
    ):
        with pytest.raises(BenchmarkError, match=told):
            add_queries(shop, folder, file, Rules.model_validate({"collection": "shop", **rules}))
    assert len(load_benchmark(folder).queries) == 2
    assert add_queries(shop, folder, file, Rules(collection="shop", depth=3)) == 1
    assert (folder / "benchmark.yaml").read_text() == before


def test_another_query_under_a_known_id_is_refused(shop: Project, folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "asked.jsonl"
    file.write_text(json.dumps({"_id": "q0001", "text": "invoice number"}))
    assert add_queries(shop, folder, file, Rules(collection="shop")) == 0
    for other in ({"text": "another invoice"}, {"text": "invoice number", "metadata": {"language": "fr"}}):
        file.write_text(json.dumps({"_id": "q0001", **other}) + "\n" + json.dumps({"_id": "new", "text": "new"}))
        with pytest.raises(BenchmarkError, match="'q0001' is another query's"):
            add_queries(shop, folder, file, Rules(collection="shop"))
    assert len(load_benchmark(folder).queries) == 2


def test_a_drawn_split_is_not_written_down_when_queries_come_later(shop: Project, tmp_path: Path) -> None:
    made, rules = tmp_path / "made", Rules.model_validate({"collection": "shop", "splits": {}})
    for texts in (("mug",), ("mug", "invoice")):
        add_queries(shop, made, questions(tmp_path, *texts), rules)
    assert "split" not in (made / "queries.jsonl").read_text()
    assert all(query.split for query in load_benchmark(made).queries)


def test_a_name_lies_beside_the_settings_and_a_path_where_it_says(tmp_path: Path) -> None:
    assert benchmark_path(tmp_path, "mugs") == tmp_path / "benchmarks" / "mugs"
    assert benchmark_path(tmp_path, "a/../mugs") == tmp_path / "mugs"
    assert benchmark_path(tmp_path, str(tmp_path / "x")) == tmp_path / "x"


def mark_all(folder: Path, grade: int) -> int:
    marks = 0
    while candidate := next_unjudged(folder):
        judge(folder, candidate.query.query_id, candidate.image.corpus_id, grade)
        marks += 1
    return marks


def test_every_mark_is_on_disk_at_once_and_the_next_image_is_offered(folder: Path) -> None:
    first = next_unjudged(folder)
    assert first is not None
    assert (first.query.query_id, first.judged) == ("q0001", 0)
    assert first.image == read_pool(folder)["q0001"][0]
    judge(folder, "q0001", first.image.corpus_id, 3)
    (mark,) = load_benchmark(folder).qrels
    assert (mark.corpus_id, mark.score, mark.content) == (first.image.corpus_id, 3, first.image.content)
    second = next_unjudged(folder)
    assert second is not None
    assert (second.image, second.judged, second.pooled) == (read_pool(folder)["q0001"][1], 1, first.pooled)
    assert mark_all(folder, 0) == first.pooled - 1
    judge(folder, "q0001", first.image.corpus_id, 1)
    assert len(load_benchmark(folder).qrels) == first.pooled


def test_a_mark_reads_no_example_picture(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "large.png").write_bytes(b"pixels")
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q0001", "image": "large.png"}) + "\n")
    (folder / POOL).write_text((folder / POOL).read_text().splitlines()[0] + "\n")
    plain = Path.read_bytes
    read: list[str] = []

    def read_bytes(path: Path) -> bytes:
        read.append(path.name)
        return plain(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert mark_all(folder, 1)
    assert "qrels.tsv" in read
    assert "large.png" not in read


def test_a_skipped_image_comes_again_only_in_another_session(folder: Path) -> None:
    first = next_unjudged(folder)
    assert first is not None
    second = next_unjudged(folder, skipped={("q0001", first.image.corpus_id)})
    assert second is not None
    assert second.image != first.image
    assert next_unjudged(folder) == first


def test_the_last_mark_is_taken_back_first_and_only_marks_on_the_pool(folder: Path) -> None:
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq0001\tby-hand.png\t2\n")
    assert undo(folder) is None
    images = [one.corpus_id for one in read_pool(folder)["q0001"][:2]]
    for image in images:
        judge(folder, "q0001", image, 2)
    assert [back.corpus_id for back in (undo(folder), undo(folder), undo(folder)) if back] == images[::-1]
    assert [one.corpus_id for one in load_benchmark(folder).qrels] == ["by-hand.png"]


def test_an_image_that_was_pooled_anew_with_other_bytes_waits_again(folder: Path) -> None:
    total = mark_all(folder, 1)
    uri = read_pool(folder)["q0002"][0].corpus_id
    with (folder / POOL).open("a") as file:
        file.write(json.dumps({"query-id": "q0002", "images": [[uri, content_of("other")]]}) + "\n")
    again = next_unjudged(folder)
    assert again is not None
    assert (again.image, again.judged, again.pooled) == (Pooled(uri, content_of("other")), total - 1, total)
    judge(folder, "q0002", uri, 0)
    assert next_unjudged(folder) is None


@pytest.mark.parametrize(
    ("query_id", "uri", "grade", "message"),
    [
        ("q0001", "mug-1.png", 4, "no grade 4"),
        ("q0001", "elsewhere.png", 1, "not in the pool"),
        ("q9", "mug-1.png", 1, "not in the pool"),
    ],
)
def test_marks_that_make_no_sense_are_refused(folder: Path, query_id: str, uri: str, grade: int, message: str) -> None:
    with pytest.raises(BenchmarkError, match=message):
        judge(folder, query_id, uri, grade)


def test_two_who_judge_at_once_lose_no_mark(folder: Path) -> None:
    marks = [(query_id, one.corpus_id) for query_id, images in read_pool(folder).items() for one in images]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda mark: judge(folder, mark[0], mark[1], 1), marks))
    assert {(one.query_id, one.corpus_id) for one in load_benchmark(folder).qrels} == set(marks)
