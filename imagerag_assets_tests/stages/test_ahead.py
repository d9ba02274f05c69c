"""Decoding ahead of the model changes when things are done, and nothing of what comes out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from imagerag_assets.errors import ItemError, ModelError
from imagerag_assets.project import Project
from imagerag_assets.stages import clip_embeddings, raw_images, tiles
from imagerag_assets.stages.ahead import parts_ahead, parts_at_once
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import write_pictures

ITEMS = [SimpleNamespace(item=str(number), number=number) for number in range(7)]


def test_parts_come_in_order_with_their_results_and_failures() -> None:
    def halve(item: SimpleNamespace) -> int:
        if item.number % 3 == 2:
            raise ItemError("odd", "two of three")
        return int(item.number) * 10

    parts = list(parts_ahead(ITEMS, halve, 3))

    assert [[item.number for item in part] for part, _, _ in parts] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [[(item.number, made) for item, made in good] for _, good, _ in parts] == [
        [(0, 0), (1, 10)], [(3, 30), (4, 40)], [(6, 60)],
    ]  # fmt: skip
    assert [sorted(failures) for _, _, failures in parts] == [["2"], ["5"], []]


def test_the_next_part_is_made_while_the_caller_has_this_one_and_none_beyond_it() -> None:
    begun: set[int] = set()
    all_of_next = threading.Event()

    def note(item: SimpleNamespace) -> None:
        begun.add(item.number)
        if {2, 3} <= begun:
            all_of_next.set()

    parts = parts_ahead(ITEMS, note, 2)
    next(parts)

    assert all_of_next.wait(10)
    assert begun <= {0, 1, 2, 3}
    parts.close()


def test_an_error_that_a_person_has_to_mend_ends_the_work() -> None:
    def refuse(item: SimpleNamespace) -> None:
        raise ModelError("no model")

    with pytest.raises(ModelError):
        list(parts_ahead(ITEMS, refuse, 2))


def test_no_items_make_no_parts() -> None:
    assert list(parts_ahead([], print, 4)) == []


def test_parts_worked_on_at_once_give_their_results_in_order() -> None:
    with_core = threading.local()
    other_is_done = threading.Event()

    def begin() -> None:
        with_core.begun = True

    def add(part: Sequence[SimpleNamespace]) -> int:
        assert with_core.begun
        # The first part ends last.
        assert other_is_done.wait(10) if part[0].number == 0 else True
        other_is_done.set()
        return sum(item.number for item in part)

    assert list(parts_at_once(ITEMS, add, 3, begin)) == [0 + 1 + 2, 3 + 4 + 5, 6]


def test_few_items_are_shared_among_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagerag_assets.stages.ahead.usable_cores", lambda: 4)
    assert list(parts_at_once(ITEMS, len, 32, lambda: None)) == [2, 2, 2, 1]
    assert list(parts_at_once([], len, 32, lambda: None)) == []


def test_an_error_of_a_part_is_raised_and_ends_the_work() -> None:
    def refuse(_part: Sequence[SimpleNamespace]) -> None:
        raise ModelError("no model")

    with pytest.raises(ModelError):
        list(parts_at_once(ITEMS, refuse, 2, lambda: None))


def test_vectors_of_the_stage_are_those_of_one_image_at_a_time(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "shop", range(11))
    (folder / "picture-0004.png").rename(folder / "picture-0004.jpg")
    project = make_project({"shop": folder}, models={"batch_size": 4})
    for stage in (raw_images, tiles, clip_embeddings):
        stage.run(project, RunOptions())

    with project.database.connect() as connection:
        rows = connection.execute(
            "select r.uri, e.embedding from raw_images r join clip_embeddings e using (content) order by r.uri"
        ).fetchall()
    encoder = project.dual_encoder()
    plain = [encoder.encode_images([Image.open(folder / uri)])[0] for uri, _ in rows]
    assert len(rows) == 11
    np.testing.assert_allclose(np.stack([row[1].to_numpy() for row in rows]), np.stack(plain), atol=2e-6)
