"""What migrations make of rows that are there already."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import psycopg
import pytest
from psycopg.types.json import Jsonb

from imagerag_assets.database import migrate
from imagerag_assets.database.connection import SCHEMA
from imagerag_assets.stages.vlm_descriptions import context_key


def test_results_from_before_candidates_are_kept_under_the_live_models_names(
    new_database_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = migrate.available()
    untold = hashlib.sha256(b"").hexdigest()[:12]
    with psycopg.connect(new_database_url(), autocommit=True) as connection:
        connection.execute("create extension vector")
        monkeypatch.setattr(migrate, "available", lambda: [one for one in everything if one[0] < 8])
        migrate.migrate(connection, SCHEMA)
        connection.execute("set search_path to imagerag, public")
        connection.execute(
            "insert into generations (fingerprint, status, parameters) "
            "values ('g', 'live', %s), ('old', 'retired', %s)",
            (Jsonb({"image_model": "sha256:image", "text_model": "sha256:text"}), Jsonb({})),
        )
        for content, model in (("tagged", "zero-shot tags"), ("told", "gpt")):
            connection.execute(
                "insert into vlm_descriptions (content, context, fingerprint, model, general, key_elements, "
                "visible_text, category, tags) values (%s, %s, 'f', %s, '', '{}', '', '', '{}')",
                (content, untold, model),
            )
            connection.execute(
                "insert into description_embeddings (content, context, fingerprint, embedding) "
                "values (%s, %s, 'f', '[1]')",
                (content, untold),
            )
        monkeypatch.setattr(migrate, "available", lambda: everything)
        migrate.migrate(connection, SCHEMA)
        described: dict[str, str] = dict(connection.execute("select content, context from vlm_descriptions").fetchall())
        embedded = connection.execute(
            "select content, context, model from description_embeddings order by 1"
        ).fetchall()
        retired = connection.execute("select retired_at is not null from generations where fingerprint = 'old'")
        assert retired.fetchone() == (True,)
    assert described == {"tagged": context_key("sha256:image"), "told": untold}
    assert embedded == [(content, described[content], "sha256:text") for content in ("tagged", "told")]
