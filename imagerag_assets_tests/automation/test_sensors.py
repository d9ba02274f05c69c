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
    MAXIMUM_WAIT,
    Cursor,
    changed_files,
    current_listings,
    decide,
    listing_fingerprint,
)
from imagerag_assets.errors import SourceError
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


@given(listings, st.integers(0, 5), st.none() | listings)
def test_a_cursor_survives_its_text(found: dict[str, str], attempt: int, seen: dict[str, str] | None) -> None:
    cursor = Cursor(found, attempt, 3, seen, 2)
    assert Cursor.parse(cursor.dump()) == cursor


def test_without_a_cursor_nothing_was_asked_for_yet() -> None:
    assert Cursor.parse(None) == Cursor.parse("") == Cursor({}, 0, 0)


@given(listings, listings, st.integers(0, 7), st.booleans())
def test_a_run_is_asked_for_when_files_changed_and_rest_or_the_last_run_failed(
    before: dict[str, str], now: dict[str, str], attempt: int, failed: bool
) -> None:
    decision = decide(Cursor(before, attempt, seen=now), now, "failed" if failed else "succeeded")
    if before != now:
        assert decision.cursor == Cursor(now, 1, 2)
        assert not decision.skip
        assert set(decision.changed) == {name for name in "abc" if before.get(name) != now.get(name)}
    elif failed and attempt < MAXIMUM_ATTEMPTS:
        assert decision.cursor == Cursor(now, attempt + 1, 2)
        assert not decision.skip
    else:
        assert decision.skip
    if not decision.skip:
        assert decision.cursor.run_key != Cursor(before, attempt).run_key


def test_a_burst_of_changes_is_one_run_and_an_upload_without_end_is_not_waited_for_for_ever() -> None:
    cursor, requests = Cursor({"a": "0"}, 1, 1), 0
    for number in range(1, 100):
        decision = decide(cursor, {"a": str(min(number, 5))}, "succeeded")
        cursor, requests = decision.cursor, requests + (not decision.skip)
    assert (requests, cursor) == (1, Cursor({"a": "5"}, 1, 2))

    requests = 0
    for number in range(100, 200):
        decision = decide(cursor, {"a": str(number)}, "succeeded")
        cursor, requests = decision.cursor, requests + (not decision.skip)
    assert requests == 100 // (MAXIMUM_WAIT + 1)


def test_while_a_run_is_under_way_no_other_is_asked_for() -> None:
    waiting = decide(Cursor({"a": "0"}, 1, 1, seen={"a": "1"}), {"a": "1"}, "under way")
    assert waiting.skip
    assert not decide(waiting.cursor, {"a": "1"}, "succeeded").skip


def test_a_listing_that_takes_too_long_says_what_to_use_instead() -> None:
    with pytest.raises(SourceError, match="hourly_update"):
        listing_fingerprint((ListedFile(str(number), 1, "1") for number in range(5000)), seconds=0)


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
    """One tick; where it only waits for the files to rest, the next one too."""
    result = one_tick(instance, settings, cursor)
    waits = isinstance(result, dg.SensorResult) and "waiting for the end" in str(result.skip_reason)
    return one_tick(instance, settings, result.cursor) if waits and isinstance(result, dg.SensorResult) else result


def one_tick(instance: dg.DagsterInstance, settings: Path, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
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


def skipped(result: dg.SensorResult | dg.SkipReason) -> bool:
    return isinstance(result, dg.SkipReason) or bool(result.skip_reason)


def ended(instance: dg.DagsterInstance, run_key: str, status: dg.DagsterRunStatus) -> None:
    create_run_for_test(instance, tags={"dagster/run_key": run_key}, status=status)


def test_the_first_tick_asks_and_the_second_does_not(instance: dg.DagsterInstance, settings: Path) -> None:
    key, cursor = asked(tick(instance, settings, None))
    for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS):
        ended(instance, key, status)
        assert skipped(tick(instance, settings, cursor))


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
    assert skipped(tick(instance, settings, cursor))


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_failed_run_is_asked_for_again_with_a_fresh_run_key(
    instance: dg.DagsterInstance, settings: Path, status: dg.DagsterRunStatus
) -> None:
    first, cursor = asked(tick(instance, settings, None))
    ended(instance, first, status)
    second, cursor = asked(tick(instance, settings, cursor))
    assert second != first
    ended(instance, second, dg.DagsterRunStatus.SUCCESS)
    assert skipped(tick(instance, settings, cursor))


def test_a_source_that_is_gone_is_told_and_forgets_nothing(
    instance: dg.DagsterInstance, settings: Path, folder: Path
) -> None:
    _, cursor = asked(tick(instance, settings, None))
    folder.rename(folder.parent / "away")
    told = tick(instance, settings, cursor)
    assert isinstance(told, dg.SkipReason)
    assert "collections.shop.source" in str(told.skip_message)
    (folder.parent / "away").rename(folder)
    assert skipped(tick(instance, settings, cursor))


def test_a_tick_does_not_draw_the_sample_corpus(settings: Path, tmp_path: Path) -> None:
    assert set(current_listings(open_project(settings))) == {"shop"}
    assert not (tmp_path / ".imagerag").exists()
