"""The live index as a view that plain clients read: what they find, and that it follows the generations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest

from imagerag_assets.database import migrate
from imagerag_assets.database.connection import Connection
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations, search
from imagerag_assets.stages import pgvector_index
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.retrieval.corpus import (
    DIMENSION,
    MakeProject,
    Picture,
    build,
    content_of,
    other_text_model,
    shop_project,
)

PICTURES = [
    Picture(f"{number}.png", f"word{number}", f"A thing {number}.", tiles=1 + number % 3) for number in range(9)
]


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Project:
    project = shop_project(make_project, tmp_path)
    build(project, PICTURES)
    return project


def test_a_plain_client_finds_first_what_an_exact_search_does(shop: Project) -> None:
    for words in ("red mug", "network error", "a lamp"):
        vector = shop.dual_encoder().encode_texts([words])[0]
        with psycopg.connect(shop.settings.database.url) as connection:
            row = connection.execute(
                "select uri, content, 1 - (embedding <=> %s::vector), metadata -> 'box' from imagerag.imagerag_live "
                "order by embedding <=> %s::vector limit 1",
                (str(vector.tolist()), str(vector.tolist())),
            ).fetchone()
        best = search(shop, words, method="clip", exact=True, limit=1)[0]
        assert row is not None
        assert row[:2] == (best.uri, best.content)
        assert row[2] == pytest.approx(best.score, abs=1e-5)
        assert tuple(row[3]) == best.box


def rows(connection: Connection, columns: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"select {columns} from imagerag.imagerag_live order by id").fetchall()


def test_a_row_is_a_tile_with_its_document_and_metadata(shop: Project) -> None:
    with shop.database.connect() as connection:
        assert len(rows(connection, "id")) == len(set(rows(connection, "id"))) == sum(one.tiles for one in PICTURES)
        row = connection.execute(
            "select collection, uri, content, vector_dims(embedding), document, metadata from imagerag_live "
            "where id = %s",
            (f"shop:{content_of('0.png')}:0",),
        ).fetchone()
    assert row is not None
    assert row[:5] == ("shop", "0.png", content_of("0.png"), DIMENSION, "A thing 0.\nword0")
    assert row[5] == {
        "format": "PNG", "category": "thing", "tags": ["a tag"], "width": 100, "height": 50, "uris": ["0.png"],
        "group": content_of("0.png"), "box": [0, 0, 100, 50],
    }  # fmt: skip


def test_a_client_uses_the_vector_index(shop: Project) -> None:
    with shop.database.connect() as connection:
        connection.execute("set local enable_seqscan = off")
        connection.execute("set local enable_sort = off")
        vector = str(PICTURES[0].tile_vectors()[0].tolist())
        plan = connection.execute(
            f"explain select uri from imagerag_live "
            f"order by embedding::halfvec({DIMENSION}) <=> %s::halfvec({DIMENSION}) limit 3",
            (vector,),
        ).fetchall()
    assert any("tiles_hnsw" in line[0] for line in plan), plan


def test_the_view_follows_the_generation_that_goes_live_and_keeps_its_grants(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    with shop.database.connect() as connection:
        before = rows(connection, "id, document")
        connection.execute("grant select on imagerag_live to pg_monitor")
    other = shop_project(
        make_project, tmp_path, url=shop.settings.database.url, models={"text": other_text_model(tmp_path / "model")}
    )
    build(other, [Picture("new.png", "fresh"), *PICTURES])
    with shop.database.connect() as connection:
        live = generations.live(connection)
        assert live.number == 2
        after = rows(connection, "id, document")
        assert set(after) - set(before) == {(f"shop:{content_of('new.png')}:0", "fresh")}
        assert connection.execute("select has_table_privilege('pg_monitor', 'imagerag_live', 'select')").fetchone() == (
            True,
        )


def test_a_generation_that_does_not_go_live_after_all_leaves_the_view(shop: Project) -> None:
    with shop.database.connect() as connection:
        parameters = {**generations.live(connection).parameters, "image_dimension": 3}
    with shop.database.connect() as connection:
        generations.promote(connection, generations.create(connection, parameters))
        assert rows(connection, "id") == []
        connection.rollback()
    with shop.database.connect() as connection:
        assert len(rows(connection, "id")) == sum(one.tiles for one in PICTURES)


def test_an_index_from_before_the_view_gets_it_by_the_migration(shop: Project) -> None:
    with psycopg.connect(shop.settings.database.url, autocommit=True) as connection:
        connection.execute("set search_path to imagerag, public")
        connection.execute("drop trigger generations_published on generations")
        connection.execute("drop view imagerag_live")
        connection.execute("drop function publish_live_generation, publish_generation")
        connection.execute("delete from schema_migrations where number = 12")
        assert migrate.migrate(connection, "imagerag") == ["0012_view.sql"]
        assert len(rows(connection, "id")) == sum(one.tiles for one in PICTURES)


def test_before_the_first_generation_the_view_is_there_and_empty(make_project: MakeProject, tmp_path: Path) -> None:
    project = shop_project(make_project, tmp_path)
    with project.database.connect() as connection:
        assert rows(connection, "id") == []
    pgvector_index.run(project, RunOptions())
    with project.database.connect() as connection:
        assert rows(connection, "id") == []
