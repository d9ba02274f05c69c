"""deduped_set compares what is new, drops what is gone, writes what differs, and survives being killed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageEnhance
from psycopg.types.json import Jsonb

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Progress
from imagerag_assets.images import candidates
from imagerag_assets.project import Project
from imagerag_assets.stages import clip_embeddings, deduped_set, ocr_text, raw_images, sketches, tiles
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.images.test_alignment import cropped, scene

MakeProject = Callable[..., Project]
OPTIONS = RunOptions()


def prepare(project: Project, *, text: bool = True) -> None:
    """Everything that deduped_set reads."""
    for stage in (raw_images, tiles, clip_embeddings, *([ocr_text] if text else [])):
        stage.run(project, OPTIONS)


def write(folder: Path, **pictures: Image.Image) -> Path:
    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    return folder


def rows(project: Project, query: str) -> list[tuple[Any, ...]]:
    with project.database.connect() as connection:
        return connection.execute(query.encode()).fetchall()


def groups(project: Project) -> set[frozenset[str]]:
    """The names of each group's files."""
    found = rows(
        project,
        "select array_agg(r.uri) from deduped_set d join raw_images r using (content) where r.removed_at is null "
        "group by d.canonical",
    )
    return {frozenset(Path(uri).stem for uri in row[0]) for row in found}


def state(project: Project) -> list[Any]:
    return [
        rows(project, "select a, b, fingerprint, relation, similarity, linked from near_pairs order by a, b"),
        rows(project, "select content, fingerprint, inputs from compared_images order by content"),
        rows(project, "select * from deduped_set order by content"),
    ]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many new images each comparison had."""
    counts: list[int] = []
    real = deduped_set._compare

    def counting(connection: Connection, job: Any, batch: list[str], candidates: Any) -> None:
        counts.append(len(batch))
        real(connection, job, batch, candidates)

    monkeypatch.setattr(deduped_set, "_compare", counting)
    return counts


def test_new_images_are_compared_with_the_rest_and_the_end_is_that_of_all_at_once(
    make_project: MakeProject, compared: list[int], tmp_path: Path
) -> None:
    originals = {f"original{number}": scene(number) for number in range(4)}
    copies = {
        "cropped1": cropped(scene(1)),
        "brighter2": ImageEnhance.Brightness(scene(2)).enhance(1.1).resize((600, 450)),
        "mirrored3": scene(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((320, 240)),
    }
    step_by_step = make_project({"shop": write(tmp_path / "one", **originals)})
    prepare(step_by_step)
    first = deduped_set.run(step_by_step, OPTIONS)
    assert (first.new, first.updated, first.skipped) == (4, 0, 0)
    write(tmp_path / "one", **copies)
    prepare(step_by_step)
    report = deduped_set.run(step_by_step, OPTIONS)
    assert (report.new, report.updated, report.skipped) == (3, 0, 4)
    assert compared == [4, 3]

    at_once = make_project({"shop": write(tmp_path / "two", **originals, **copies)})
    prepare(at_once)
    deduped_set.run(at_once, OPTIONS)
    assert state(at_once) == state(step_by_step)
    assert groups(at_once) == {
        frozenset({"original0"}), frozenset({"original1", "cropped1"}),
        frozenset({"original2", "brighter2"}), frozenset({"original3", "mirrored3"}),
    }  # fmt: skip


def test_a_run_with_nothing_new_writes_nothing(make_project: MakeProject, compared: list[int], tmp_path: Path) -> None:
    project = make_project({"shop": write(tmp_path / "shop", a=scene(1), b=cropped(scene(1)), c=scene(2))})
    prepare(project)
    deduped_set.run(project, OPTIONS)
    versions = [
        f"select xmin::text, {key} from {table} order by {key}"
        for table, key in (("deduped_set", "content"), ("compared_images", "content"), ("near_pairs", "a"))
    ]
    before = [rows(project, one) for one in versions]
    report = deduped_set.run(project, OPTIONS)
    assert (report.worked, report.removed, report.skipped) == (0, 0, 3)
    assert [rows(project, one) for one in versions] == before
    assert compared == [3]


def test_a_group_that_stays_as_it_was_is_not_written_again(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"shop": write(tmp_path / "shop", a=scene(1), b=cropped(scene(1)))})
    prepare(project)
    deduped_set.run(project, OPTIONS)
    before = rows(project, "select content, xmin::text from deduped_set order by content")
    write(tmp_path / "shop", c=scene(2))
    prepare(project)
    deduped_set.run(project, OPTIONS)
    after = rows(project, "select content, xmin::text from deduped_set order by content")
    assert len(after) == 3
    assert set(before) <= set(after)


def test_a_removed_canonical_image_hands_its_group_on_and_its_pairs_go(
    make_project: MakeProject, tmp_path: Path
) -> None:
    smaller = scene(1).resize((480, 360))
    folder = write(tmp_path / "shop", large=scene(1), middle=smaller, small=scene(1).resize((320, 240)))
    project = make_project({"shop": folder})
    prepare(project)
    deduped_set.run(project, OPTIONS)
    assert groups(project) == {frozenset({"large", "middle", "small"})}

    (folder / "large.png").unlink()
    prepare(project)
    report = deduped_set.run(project, OPTIONS)
    assert (report.removed, report.updated) == (1, 2)
    assert groups(project) == {frozenset({"middle", "small"})}
    assert len(rows(project, "select a from near_pairs")) == 1


def test_text_that_is_read_later_is_taken_into_account(
    make_project: MakeProject, compared: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project({"shop": write(tmp_path / "shop", a=scene(1), b=scene(1).resize((500, 375)))})
    prepare(project, text=False)
    deduped_set.run(project, OPTIONS)
    assert len(groups(project)) == 1

    words = {row[0]: text for row, text in zip(
        rows(project, "select content from contents order by content"),
        ("printer access denied", "network path missing"), strict=True,
    )}  # fmt: skip
    with project.database.connect() as connection:
        for content, text in words.items():
            boxes = [[word, 0, 0, 9, 9, 0.95] for word in text.split()]
            connection.execute(
                "insert into ocr_text (content, fingerprint, text, words, languages) values (%s, %s, %s, %s, '{}')",
                (content, ocr_text.stage(project).fingerprint, text, Jsonb(boxes)),
            )
    report = deduped_set.run(project, OPTIONS)
    assert report.updated == 1
    assert len(groups(project)) == 2
    assert compared == [2, 2]


def test_other_rules_compare_everything_again(make_project: MakeProject, compared: list[int], tmp_path: Path) -> None:
    folder = write(tmp_path / "shop", a=scene(1), b=scene(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    project = make_project({"shop": folder})
    prepare(project)
    deduped_set.run(project, OPTIONS)
    assert len(groups(project)) == 1

    upright = make_project({"shop": folder}, url=project.settings.database.url, dedup={"orientations": "upright"})
    deduped_set.run(upright, OPTIONS)
    assert len(groups(upright)) == 2
    assert compared == [2, 2]


def test_interrupted_between_comparison_and_grouping_the_next_run_groups(
    make_project: MakeProject, compared: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project({"shop": write(tmp_path / "shop", a=scene(1), b=cropped(scene(1)), c=scene(2))})
    prepare(project)
    with monkeypatch.context() as patched:
        patched.setattr(deduped_set, "group", None)
        with pytest.raises(TypeError):
            deduped_set.run(project, OPTIONS)
    assert groups(project) == set()
    deduped_set.run(project, OPTIONS)
    assert groups(project) == {frozenset({"a", "b"}), frozenset({"c"})}
    assert compared == [3], "the comparison was kept"


def test_small_batches_find_the_same_and_what_was_compared_before_an_interruption_is_kept(
    make_project: MakeProject, compared: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = {f"p{number}": scene(number % 3).resize((640 - 20 * number, 480 - 15 * number)) for number in range(7)}
    whole = make_project({"shop": write(tmp_path / "shop", **pictures)})
    prepare(whole)
    deduped_set.run(whole, OPTIONS)
    in_parts = make_project({"shop": tmp_path / "shop"})
    prepare(in_parts)
    for name, size in (("_BATCH", 2), ("_CHUNK", 3), ("_LOOKS", 1)):
        monkeypatch.setattr(deduped_set, name, size)
    for module, name, size in ((sketches, "_CHUNK", 2), (candidates, "_BLOCK", 1), (candidates, "_VECTORS", 1)):
        monkeypatch.setattr(module, name, size)

    def interrupt(progress: Progress) -> None:
        if progress.done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        deduped_set.run(in_parts, RunOptions(on_progress=interrupt))
    deduped_set.run(in_parts, OPTIONS)
    assert state(in_parts) == state(whole)
    assert compared == [7, 2, 2, 2, 1]
    assert len(groups(whole)) == 3


def test_a_basis_made_from_few_images_is_made_again_when_there_are_many(
    make_project: MakeProject, compared: list[int], tmp_path: Path
) -> None:
    folder = write(tmp_path / "shop", a=scene(1))
    project = make_project({"shop": folder})
    prepare(project, text=False)
    deduped_set.run(project, OPTIONS)
    write(folder, b=scene(1).resize((400, 300)), c=scene(2))
    prepare(project, text=False)
    deduped_set.run(project, OPTIONS)
    assert rows(project, "select images from sketch_bases") == [(1,)], "three are not four times as many"
    write(folder, d=scene(2).resize((400, 300)))
    prepare(project, text=False)
    deduped_set.run(project, OPTIONS)
    assert rows(project, "select images from sketch_bases") == [(4,)]
    assert rows(project, "select count(*) from image_sketches join sketch_bases using (basis)") == [(4,)]
    assert groups(project) == {frozenset("ab"), frozenset("cd")}
    assert compared == [1, 2, 1]


def test_an_image_that_vanishes_while_it_is_compared_leaves_no_pair(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project({"shop": write(tmp_path / "shop", a=scene(1), b=scene(1).resize((400, 300)))})
    prepare(project, text=False)
    look = deduped_set._look

    def look_late(*arguments: Any) -> Any:
        found = list(look(*arguments))
        assert len(found) == 1
        with project.database.connect() as connection:
            connection.execute("update raw_images set removed_at = now() where uri = 'b.png'")
        return found

    monkeypatch.setattr(deduped_set, "_look", look_late)
    deduped_set.run(project, OPTIONS)
    assert rows(project, "select a from near_pairs") == []
    assert groups(project) == {frozenset("a")}
