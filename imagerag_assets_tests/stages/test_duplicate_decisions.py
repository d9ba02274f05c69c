"""A person's word about duplicates: it wins over the rules, stays, can be taken back, and may not contradict itself."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from pgvector import Bit

from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.database.stages import StageReport
from imagerag_assets.errors import DecisionError
from imagerag_assets.stages import deduped_set, duplicate_decisions
from imagerag_assets.stages.duplicate_decisions import Verdict


def content(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def write_images(connection: Connection, names: str, links: Sequence[str] = ()) -> None:
    """Images shop/a.png, shop/b.png, …, the first the largest, with a pair for every two letters of `links`."""
    for number, name in enumerate(names):
        connection.execute(
            "insert into raw_images (collection, uri, content, size_bytes, version, fingerprint) "
            "values ('shop', %s, %s, 1, 1, '')",
            (f"{name}.png", content(name)),
        )
        connection.execute(
            "insert into contents (content, fingerprint, format, mode, width, height, size_bytes, exif, phash, dhash, "
            "colours, thumbnail) values (%s, '', 'PNG', 'RGB', %s, 10, 1, '{}', %s, %s, '', '')",
            (content(name), 100 - number, Bit([False] * 64), Bit([False] * 64)),
        )
        connection.execute("insert into compared_images values (%s, '', '', now())", (content(name),))
    for link in links:
        connection.execute(
            "insert into near_pairs values (%s, %s, '', 'perceptual', 0.95, true)",
            sorted(content(name) for name in link),
        )
    deduped_set.regroup(connection, StageReport("deduped_set"))


def groups(connection: Connection) -> set[str]:
    """Each group as its images' letters."""
    rows = connection.execute(
        "select string_agg(left(r.uri, 1), '' order by r.uri) from deduped_set d join raw_images r using (content) "
        "group by d.canonical"
    ).fetchall()
    return {row[0] for row in rows}


def say(connection: Connection, verdict: Verdict, *pairs: str) -> StageReport:
    named = [(content(pair[0]), content(pair[1])) for pair in pairs]
    return duplicate_decisions.decide(connection, verdict, named, by="ann", reason="looked")


def test_a_split_and_a_join_win_over_the_rules_and_survive_a_grouping(database: Database) -> None:
    with database.connect() as connection:
        write_images(connection, "abcd", ["ab", "ac", "bc"])
        assert groups(connection) == {"abc", "d"}
        report = say(connection, "different", "ca", "cb")
        assert (groups(connection), report.updated) == ({"ab", "c", "d"}, 1)
        say(connection, "same", "cd")
        assert groups(connection) == {"ab", "cd"}

        connection.execute("update deduped_set set fingerprint = ''")
        report = StageReport("deduped_set")
        deduped_set.regroup(connection, report)
        assert (groups(connection), report.worked) == ({"ab", "cd"}, 0)


def test_who_when_and_why_stay_on_record_after_it_was_taken_back(database: Database) -> None:
    with database.connect() as connection:
        write_images(connection, "ab")
        say(connection, "same", "ab")
        (decision,) = duplicate_decisions.active(connection)
        duplicate_decisions.undo(connection, decision.number, by="bob")
        assert groups(connection) == {"a", "b"}
        assert duplicate_decisions.active(connection) == []
        row = connection.execute(
            "select verdict, decided_by, reason, undone_by, undone_at is not null from duplicate_decisions"
        ).fetchone()
        assert row == ("same", "ann", "looked", "bob", True)
        say(connection, "same", "ab")
        assert groups(connection) == {"ab"}, "it may be said again"


def test_a_split_of_what_was_joined_step_by_step_is_refused_with_the_way_out(database: Database) -> None:
    with database.connect() as connection:
        write_images(connection, "abc")
        say(connection, "same", "ab", "bc")
        with pytest.raises(DecisionError, match=r"shop/a\.png and shop/c\.png were joined .*1, 2.*undo 2"):
            say(connection, "different", "ac")
        assert groups(connection) == {"abc"}


def test_a_join_over_a_split_is_refused_with_the_way_out(database: Database) -> None:
    with database.connect() as connection:
        write_images(connection, "abc")
        say(connection, "different", "ac")
        say(connection, "same", "ab")
        with pytest.raises(DecisionError, match=r"cannot be joined.*shop/.\.png and shop/.\.png would .*undo 1"):
            say(connection, "same", "bc")
        with pytest.raises(DecisionError, match="undo 1"):
            say(connection, "same", "ac")
        assert groups(connection) == {"ab", "c"}


def test_saying_the_same_twice_changes_nothing(database: Database) -> None:
    with database.connect() as connection:
        write_images(connection, "ab")
        say(connection, "same", "ab")
        assert say(connection, "same", "ba").worked == 0
        assert len(duplicate_decisions.active(connection)) == 1


def test_a_decision_follows_the_bytes_and_not_the_name(database: Database) -> None:
    with database.connect() as connection:
        write_images(connection, "ab", ["ab"])
        say(connection, "different", "ab")
        connection.execute("update raw_images set uri = 'moved/' || uri")
        connection.execute("update deduped_set set fingerprint = ''")
        deduped_set.regroup(connection, StageReport("deduped_set"))
        assert connection.execute("select count(distinct canonical) from deduped_set").fetchone() == (2,)


def test_an_image_is_named_by_its_file_or_by_the_start_of_its_hash(database: Database) -> None:
    with database.connect() as connection:
        write_images(connection, "ab")
        assert duplicate_decisions.find_image(connection, "shop/a.png") == content("a")
        assert duplicate_decisions.find_image(connection, content("b")[:8]) == content("b")
        assert duplicate_decisions.name_of(connection, content("a")) == "shop/a.png"
        for unknown in ("shop/z.png", "a.png", content("z")[:12], "%", ""):
            with pytest.raises(DecisionError, match="There is no image"):
                duplicate_decisions.find_image(connection, unknown)


def test_an_image_cannot_be_told_from_itself(database: Database) -> None:
    with database.connect() as connection:
        write_images(connection, "a")
        with pytest.raises(DecisionError, match="named twice"):
            say(connection, "same", "aa")
        with pytest.raises(DecisionError, match="no decision 7"):
            duplicate_decisions.undo(connection, 7, by="ann")
