"""Which queries are reported and which are for tuning."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks import load_benchmark
from imagerag_assets.evaluation.benchmarks.splits import SPLITS, Shares, split_of

HEADER = "query-id\tcorpus-id\tscore\n"


def write(folder: Path, queries: list[str], **files: str) -> Path:
    (folder / "queries.jsonl").write_text("\n".join(queries))
    for name, text in files.items():
        file = folder / name.replace("__", "/").replace("_tsv", ".tsv").replace("_yaml", ".yaml")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    return folder


def splits_of(folder: Path) -> dict[str, str]:
    return {query.query_id: query.split for query in load_benchmark(folder).queries}


@given(st.text(min_size=1))
@settings(max_examples=50, deadline=None)
def test_a_split_follows_from_the_id_alone_and_only_from_a_share_that_is_there(query_id: str) -> None:
    assert split_of(query_id, Shares(train=0, validation=1, test=1)) != "train"
    assert split_of(query_id, Shares()) == split_of(query_id, Shares(train=4, validation=2, test=4))


def test_the_draw_never_changes_and_keeps_the_shares() -> None:
    assert [split_of(f"q{number}", Shares()) for number in range(6)] == [
        "train", "test", "test", "train", "train", "train",
    ]  # fmt: skip
    drawn = Counter(split_of(f"query {number}", Shares(train=50, validation=20, test=30)) for number in range(3000))
    assert [round(drawn[split] / 3000, 1) for split in SPLITS] == [0.5, 0.2, 0.3]


@pytest.mark.parametrize("shares", [{"test": 0}, {"train": 0, "validation": 0}, {"train": -1}, {"test": float("nan")}])
def test_shares_that_hold_nothing_out_or_report_nothing_are_refused(shares: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        Shares.model_validate(shares)


def test_a_benchmark_without_splits_reports_every_query(tmp_path: Path) -> None:
    folder = write(tmp_path, ['{"_id": "a", "text": "x"}'], qrels__test_tsv=HEADER + "a\ti.jpg\t1\n")
    assert splits_of(folder) == {"a": ""}


def test_beirs_files_name_the_splits_and_queries_that_none_judges_are_drawn(tmp_path: Path) -> None:
    queries = [f'{{"_id": "{name}", "text": "x"}}' for name in ("a", "b", "c", "q1")]
    files = {name: HEADER + f"{query}\ti.jpg\t1\n" for name, query in (("train", "a"), ("dev", "b"), ("test", "c"))}
    folder = write(tmp_path, queries, **{f"qrels__{name}_tsv": text for name, text in files.items()})
    assert splits_of(folder) == {"a": "train", "b": "validation", "c": "test", "q1": "test"}


def test_the_querys_own_split_holds_and_the_yaml_draws_the_others(tmp_path: Path) -> None:
    queries = ['{"_id": "q1", "text": "x", "metadata": {"split": "test"}}', '{"_id": "q2", "text": "x"}']
    shares = "splits: {train: 1, validation: 0, test: 0.000001}"
    folder = write(tmp_path, queries, qrels_tsv=HEADER, benchmark_yaml=shares)
    assert splits_of(folder) == {"q1": "test", "q2": "train"}


def test_a_query_in_two_splits_is_refused(tmp_path: Path) -> None:
    files = {f"qrels__{name}_tsv": HEADER + "a\ti.jpg\t1\n" for name in ("train", "test")}
    folder = write(tmp_path, ['{"_id": "a", "text": "x"}'], **files)
    with pytest.raises(BenchmarkError, match=r"test\.tsv, line 2 judges the same query and image"):
        load_benchmark(folder)
    (folder / "qrels" / "test.tsv").write_text(HEADER + "a\tother.jpg\t1\n")
    with pytest.raises(BenchmarkError, match=r"test\.tsv, line 2 puts the query 'a' into test, and it is in train too"):
        load_benchmark(folder)
