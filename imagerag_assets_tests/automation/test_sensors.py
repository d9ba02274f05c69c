"""The sensor asks for a run when a folder changed, once; and again when that run failed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test
from hypothesis import given
from hypothesis import strategies as st

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.sensors import (
    MAXIMUM_ATTEMPTS,
    Cursor,
    changed_files,
    current_listings,
    listing_fingerprint,
    next_cursor,
)
from imagerag_assets.images.sources import ListedFile
from imagerag_assets.project import open_project
from imagerag_assets_tests.pictures import draw, write_pictures

files = st.builds(ListedFile, st.text(max_size=5), st.integers(0, 9), st.sampled_from("0123456789"))
listings = st.dictionaries(st.sampled_from("abc"), st.text("0123456789abcdef", max_size=4))


@given(st.lists(files, unique=True), st.randoms())
def test_the_order_of_a_listing_does_not_matter(listed: list[ListedFile], chance: object) -> None:
    shuffled = list(listed)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert listing_fingerprint(shuffled) == listing_fingerprint(listed)


@given(st.lists(files, unique=True, min_size=1), files)
def test_whatever_comes_goes_or_changes_shows(listed: list[ListedFile], other: ListedFile) -> None:
    before = listing_fingerprint(listed)
    assert listing_fingerprint(listed[1:]) != before
    if other not in listed:
        assert listing_fingerprint([*listed, other]) != before
        assert listing_fingerprint([*listed[1:], other]) != before


def test_a_file_of_the_same_size_and_another_time_shows() -> None:
    seen = {listing_fingerprint([ListedFile("a.png", 5, at)]) for at in ("1", "2")}
    assert len(seen | {listing_fingerprint([ListedFile("a.png", 6, "1")])}) == 3


@given(listings, st.integers(0, 5))
def test_a_cursor_survives_its_text(found: dict[str, str], attempt: int) -> None:
    cursor = Cursor(found, attempt)
    assert Cursor.parse(cursor.dump()) == cursor


def test_without_a_cursor_nothing_was_asked_for_yet() -> None:
    assert Cursor.parse(None) == Cursor.parse("") == Cursor({}, 0, 0)


@given(listings, listings, st.integers(0, 7), st.booleans())
def test_a_run_is_asked_for_when_the_listing_is_another_or_the_last_run_failed(
    before: dict[str, str], now: dict[str, str], attempt: int, failed: bool
) -> None:
    after = next_cursor(Cursor(before, attempt), now, failed)
    if before != now:
        assert after == Cursor(now, 1, 2)
        assert after.run_key != Cursor(before, attempt).run_key
    elif failed and attempt < MAXIMUM_ATTEMPTS:
        assert after == Cursor(now, attempt + 1, 2)
        assert after.run_key != Cursor(before, attempt).run_key
    else:
        assert after is None


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "shop", range(2))


@pytest.fixture
def settings(tmp_path: Path, folder: Path) -> Path:
    file = tmp_path / "imagerag.yaml"
    # A closed port: a tick needs no database.
    values = {
        "database": {"url": "postgresql://nobody@127.0.0.1:1/none"},
        "collections": [
            {"name": "shop", "source": str(folder)},
            {"name": "products", "source": "sample://products"},
        ],
    }
    file.write_text(yaml.safe_dump(values))
    return file


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def tick(instance: dg.DagsterInstance, settings: Path, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"project": ProjectResource(settings_file=str(settings))}
    )
    result = changed_files(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def asked(result: dg.SensorResult | dg.SkipReason) -> tuple[str, str]:
    """(run key, cursor) of the one run that the tick asks for."""
    assert isinstance(result, dg.SensorResult), result
    (request,) = result.run_requests or []
    assert request.run_key
    assert result.cursor
    return request.run_key, result.cursor


def ended(instance: dg.DagsterInstance, run_key: str, status: dg.DagsterRunStatus) -> None:
    create_run_for_test(instance, tags={"dagster/run_key": run_key}, status=status)


def test_the_first_tick_asks_and_the_second_does_not(instance: dg.DagsterInstance, settings: Path) -> None:
    key, cursor = asked(tick(instance, settings, None))
    for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS):
        ended(instance, key, status)
        assert isinstance(tick(instance, settings, cursor), dg.SkipReason)


def test_a_file_that_came_changed_or_went_asks_again(
    instance: dg.DagsterInstance, settings: Path, folder: Path
) -> None:
    key, cursor = asked(tick(instance, settings, None))
    keys = [key]
    draw(7).save(folder / "new.png")
    key, cursor = asked(tick(instance, settings, cursor))
    keys.append(key)
    draw(8, (300, 300)).save(folder / "new.png")
    key, cursor = asked(tick(instance, settings, cursor))
    keys.append(key)
    (folder / "new.png").unlink()
    key, cursor = asked(tick(instance, settings, cursor))
    assert len({*keys}) == 3
    assert isinstance(tick(instance, settings, cursor), dg.SkipReason)


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_failed_run_is_asked_for_again_with_a_fresh_run_key(
    instance: dg.DagsterInstance, settings: Path, status: dg.DagsterRunStatus
) -> None:
    first, cursor = asked(tick(instance, settings, None))
    ended(instance, first, status)
    second, cursor = asked(tick(instance, settings, cursor))
    assert second != first
    ended(instance, second, dg.DagsterRunStatus.SUCCESS)
    assert isinstance(tick(instance, settings, cursor), dg.SkipReason)


def test_a_source_that_is_gone_is_told_and_forgets_nothing(
    instance: dg.DagsterInstance, settings: Path, folder: Path
) -> None:
    _, cursor = asked(tick(instance, settings, None))
    folder.rename(folder.parent / "away")
    skipped = tick(instance, settings, cursor)
    assert isinstance(skipped, dg.SkipReason)
    assert "collections.shop.source" in str(skipped.skip_message)
    (folder.parent / "away").rename(folder)
    assert isinstance(tick(instance, settings, cursor), dg.SkipReason)


def test_a_tick_does_not_draw_the_sample_corpus(settings: Path, tmp_path: Path) -> None:
    assert set(current_listings(open_project(settings))) == {"shop"}
    assert not (tmp_path / ".imagerag").exists()
