"""The report's page and the small table and plot beside it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.evaluation.benchmarks import Query, store_benchmark
from imagerag_assets.evaluation.metrics import metrics_markdown, metrics_plot_png, metrics_table
from imagerag_assets.evaluation.report import write_report
from imagerag_assets.evaluation.thumbnails import SIDE, ThumbnailSheet, shrink
from imagerag_assets_tests.evaluation.corpus import (
    add_evaluation,
    add_images,
    add_thumbnails,
    benchmark,
    measure,
)

HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{ 7 * 7 }} $x^2$'
FILES = {uri: uri for uri in ("good.jpg", "bad.jpg", '</style><img src="x">.jpg')} | {"copy.jpg": "good.jpg"}


class Tags(HTMLParser):
    """Collects tags and attributes, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, []).append(value or "")


def png(size: tuple[int, int], mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True)
class TwoEvaluations:
    """A database after two evaluations, and the report of each."""

    database: Database
    first: Path
    second: Path


@pytest.fixture(scope="module")
def two_evaluations(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> TwoEvaluations:
    """Evaluate a hostile benchmark twice: the second time `clip` does worse."""
    folder = tmp_path_factory.mktemp("report")
    with module_database.connect() as connection:
        fill(connection, folder / "example.png")
    others = [uri for uri in FILES if uri not in ("good.jpg", "copy.jpg")]
    pages = []
    for ranking in (["good.jpg", *others], [*others, "good.jpg"]):
        rankings = {("shop", "clip", "q1"): ranking, ("shop", HOSTILE, "q2"): ["copy.jpg"]}
        with module_database.connect() as connection:
            add_evaluation(connection, rankings, FILES, timed=[("shop", "clip", "q3")])
        measure(module_database, folder / "dbt")
        with module_database.connect() as connection:
            pages.append(write_report(connection, folder / "reports"))
    return TwoEvaluations(module_database, *pages)


def fill(connection: Connection, example: Path) -> None:
    example.write_bytes(png((900, 600)))
    queries = (
        Query("q1", HOSTILE, None, "by_look", "en"),
        Query("q2", "", example, HOSTILE, ""),
        Query("q3", "nothing is found", None, "by_look", "fr"),
    )
    made = benchmark({query.query_id: {"good.jpg": 1, "copy.jpg": 1} for query in queries})
    store_benchmark(connection, "shop", replace(made, queries=queries))
    add_images(connection, "shop", FILES)
    add_thumbnails(connection, ("good.jpg",), "WEBP")
    add_thumbnails(connection, ("bad.jpg",), "JPEG")
    connection.execute(
        "insert into quarantine (collection, uri, size_bytes, version, fingerprint, reason, message) "
        "values ('shop', 'broken.jpg', 1, '1', 'f', 'truncated', 'cut off')"
    )


def test_the_page_is_whole_escaped_and_needs_no_network(two_evaluations: TwoEvaluations) -> None:
    page = two_evaluations.second.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert two_evaluations.second.name == "evaluation-2.html"
    assert "script" not in tags.tags
    assert "img" not in tags.tags
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert "{{ 7 * 7 }}" in page
    assert page.count("</style>") == 1
    assert not re.search(r"https?:|//[a-z]|@import", page)
    assert all(reference.startswith("#") for reference in tags.attributes["href"])
    assert set(re.findall(r"url\((.{0,10})", page)) == {"data:image"}
    assert len(tags.attributes["id"]) == len(set(tags.attributes["id"]))
    assert {reference[1:] for reference in tags.attributes["href"]} <= set(tags.attributes["id"])


def test_the_page_tells_changes_and_every_ranking(two_evaluations: TwoEvaluations) -> None:
    page = two_evaluations.second.read_text(encoding="utf-8")
    assert "Published guide, other data" in page
    assert "Changes since evaluation 1" in page
    assert "Is it better?" in page
    assert "This evaluation against evaluation 1" in page
    # Three queries, one of which got worse, tell nothing.
    assert "<td>no difference seen</td>" in page
    assert 'class="up">better' not in page
    assert "nothing found" in page
    assert "clip 3" in page
    assert "<b>✓</b> copy.jpg" in page, "a near-duplicate of a relevant image is right"
    assert "<b>?</b> bad.jpg" in page, "nobody judged it"
    assert "in quarantine" in page
    assert re.findall(r"<h3>(\w[\w ]*) <small", page)[-4:] == ["All languages", "no language", "en", "fr"]
    # The example, good.jpg and bad.jpg; the third image has no thumbnail.
    assert page.count("data:image/webp;base64,") == 3
    assert page.count('class="picture "') > 0


def test_the_first_evaluation_has_no_changes(two_evaluations: TwoEvaluations) -> None:
    assert "Changes since" not in two_evaluations.first.read_text(encoding="utf-8")


def test_table_markdown_and_plot_of_the_newest_evaluation(two_evaluations: TwoEvaluations) -> None:
    with two_evaluations.database.connect() as connection:
        rows = metrics_table(connection)
        before = metrics_table(connection, 1)
        markdown = metrics_markdown(connection)
        plot = metrics_plot_png(connection)
    assert {(row["benchmark"], row["method"]) for row in rows} == {
        (name, method) for name in ("all", "shop") for method in ("clip", HOSTILE)
    }
    assert {row["evaluation"] for row in rows} == {2}
    assert {row["evaluation"] for row in before} == {1}
    assert rows[0]["benchmark"] == "all"
    assert len(markdown.splitlines()) == 2 + len(rows)
    assert "<script" not in markdown
    assert Image.open(io.BytesIO(plot)).format == "PNG"


def test_a_thumbnail_is_small_and_upright_whatever_it_was() -> None:
    for picture in (png((2000, 1000)), png((2000, 1000), "RGBA"), png((2000, 1000), "L")):
        assert Image.open(io.BytesIO(shrink(picture))).size == (SIDE, SIDE // 2)
    assert shrink(b"no picture") == b""


def test_what_is_over_the_budget_or_unreadable_is_counted_and_left_out() -> None:
    sheet = ThumbnailSheet(budget_bytes=500)
    for name in ("first", "second", "third"):
        sheet.add(name, png((64, 64)))
    sheet.add("broken", b"")
    kept = [name for name in ("first", "second", "third") if sheet.css_class(name)]
    assert kept
    assert kept[0] == "first"
    assert sheet.left_out == 4 - len(kept)
    assert len(sheet.css) < 600
    assert sheet.css_class("broken") == ""
    assert sheet.css_class(None) == ""
