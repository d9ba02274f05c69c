"""imagerag duplicates: groups shown, overruled by hand, and taken back."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from imagerag_assets.database.connection import Database
from imagerag_assets.errors import DecisionError
from imagerag_assets.serving.cli import app
from imagerag_assets_tests.stages.test_duplicate_decisions import write_images

Run = Callable[..., Result]


@pytest.fixture
def duplicates(tmp_path: Path, new_database_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `imagerag duplicates …` over the images a, b and c, of which a and b are one group."""
    monkeypatch.delenv("IMAGERAG_DATABASE_URL", raising=False)
    url = new_database_url()
    database = Database(url)
    with database.connect() as connection:
        write_images(connection, "abc", ["ab"])
    database.close()
    file = tmp_path / "imagerag.yaml"
    collections = [{"name": "shop", "source": str(tmp_path)}]
    file.write_text(yaml.safe_dump({"database": {"url": url}, "collections": collections}))

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["duplicates", *arguments, "--settings", str(file)])

    return run


def listed(duplicates: Run) -> tuple[list[list[str]], list[tuple[int, str, str]]]:
    found = json.loads(duplicates("list", "--json").stdout)
    groups = [[member["files"][0] for member in group["members"]] for group in found["groups"]]
    return groups, [(one["decision"], one["verdict"], one["by"]) for one in found["decisions"]]


def test_a_group_is_listed_split_joined_to_another_and_restored(duplicates: Run) -> None:
    assert listed(duplicates) == ([["shop/a.png", "shop/b.png"]], [])

    ended = duplicates("split", "shop/b.png", "--by", "ann", "--reason", "another model")
    assert ended.exit_code == 0
    assert "Its group is now: shop/b.png." in ended.stdout
    assert "imagerag materialize deduped_set pgvector_index" in ended.stdout
    assert listed(duplicates) == ([], [(1, "different", "ann")])

    ended = duplicates("join", "shop/b.png", "shop/c.png", "--by", "ann")
    assert "Its group is now: shop/b.png, shop/c.png." in ended.stdout
    assert listed(duplicates)[0] == [["shop/b.png", "shop/c.png"]]

    duplicates("undo", "2")
    assert "1 images changed their group" in duplicates("undo", "1").stdout
    assert listed(duplicates) == ([["shop/a.png", "shop/b.png"]], [])


def test_the_list_is_read_by_people_too(duplicates: Run) -> None:
    duplicates("join", "shop/b.png", "shop/c.png", "--by", "ann", "--reason", "[same] box")
    text = " ".join(duplicates("list").stdout.split())
    for part in ("1 groups", "shop/a.png", "perceptual 0.05", "joined 1", "ann", "[same] box"):
        assert part in text


def test_what_cannot_be_is_one_clear_error(duplicates: Run) -> None:
    for arguments, part in (
        (("split", "shop/c.png"), "alone in its group"),
        (("join", "shop/z.png", "shop/a.png"), "no image shop/z.png"),
        (("undo", "5"), "no decision 5"),
    ):
        error = duplicates(*arguments).exception
        assert isinstance(error, DecisionError)
        assert part in str(error)
