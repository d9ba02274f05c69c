"""The report's pages, as text and in a browser, and the small table and plot beside them."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page
from psycopg.types.json import Jsonb
from scipy import stats

from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.evaluation import report
from imagerag_assets.evaluation.benchmarks import Benchmark, Query, store_benchmark
from imagerag_assets.evaluation.metrics import metrics_markdown, metrics_plot_png, metrics_table, read
from imagerag_assets.evaluation.report import Section, write_report
from imagerag_assets.evaluation.report.drilldown import query_views
from imagerag_assets.evaluation.thumbnails import SIDE, ThumbnailSheet, shrink
from imagerag_assets_tests.evaluation.corpus import (
    add_evaluation,
    add_images,
    add_thumbnails,
    benchmark,
    content_of,
    measure,
)

HOSTILE = '$x$ <a href="/x">%{y}</a></script></style><script>alert(1)</script>"><img src=x onerror=alert(1)> {{ 7*7 }}'
FILES = {uri: uri for uri in ("good.jpg", "bad.jpg", '</style></script><img src="x">.jpg')} | {"copy.jpg": "good.jpg"}
OWN_SCRIPTS = ["application/json", "application/json", "", ""]
"""The types of the page's own: its data, Plotly, and what draws and searches."""


class Tags(HTMLParser):
    """Collects tags and attributes, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, list[str]] = {}
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append(dict(attrs).get("type") or "")
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
    handed = Section(HOSTILE, HOSTILE, ("collection", "recall"), [(HOSTILE, "0.99")])
    pages = []
    for ranking in (["good.jpg", *others], [*others, "good.jpg"]):
        rankings = {("shop", "clip", "q1"): ranking, ("shop", HOSTILE, "q2"): ["copy.jpg"]}
        with module_database.connect() as connection:
            add_evaluation(connection, rankings, FILES, timed=[("shop", "clip", "q3")])
            describe(connection)
        measure(module_database, folder / "dbt")
        with module_database.connect() as connection:
            pages.append(write_report(connection, folder / "reports", [handed]))
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


def describe(connection: Connection) -> None:
    """The part of the index that the report reads: what was described of an image, after its text, and how surely."""
    connection.execute("create schema if not exists imagerag_generation_1")
    connection.execute(
        "create table if not exists imagerag_generation_1.images "
        "(collection text, uris text[], content text primary key, description text, confidence real)"
    )
    connection.execute(
        "insert into imagerag_generation_1.images values ('shop', %s, %s, %s, 0.07) on conflict do nothing",
        (["good.jpg"], content_of("good.jpg"), f"A sign that says {HOSTILE}"),
    )


@pytest.fixture
def opened(browser: Browser, two_evaluations: TwoEvaluations) -> Iterator[Page]:
    """The second page, opened from disk on a phone; at the end nothing was fetched, said or alerted."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    address = two_evaluations.second.as_uri()
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
    page.on("request", lambda request: None if request.url == address else faults.append(f"request: {request.url}"))
    page.goto(address)
    yield page
    context.close()
    assert faults == []


def test_the_page_is_whole_escaped_and_needs_no_network(two_evaluations: TwoEvaluations) -> None:
    page = two_evaluations.second.read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(page)
    assert two_evaluations.second.name == "evaluation-2.html"
    assert tags.scripts == OWN_SCRIPTS
    assert "img" not in tags.tags
    assert not {"src", "srcset", "action", "onerror", "onload"} & set(tags.attributes)
    assert not [name for name in tags.attributes if name.startswith("on")]
    assert "{{ 7*7 }}" in page
    assert page.count("</style>") == 1
    assert "@import" not in page
    assert {reference for reference in tags.attributes["href"] if not reference.startswith("#")} == {"index.html"}
    assert set(re.findall(r"url\((.{0,10})", page.partition("<body>")[0])) == {"data:image"}
    assert len(tags.attributes["id"]) == len(set(tags.attributes["id"]))
    assert {one[1:] for one in tags.attributes["href"] if one.startswith("#")} <= set(tags.attributes["id"])


def test_a_browser_opens_the_page_from_disk_without_a_request_or_an_error(opened: Page) -> None:
    assert opened.locator(".plot .main-svg").count() >= 3
    assert opened.locator("img, a[href='/x']").count() == 0
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it fits a phone"
    assert HOSTILE in opened.locator("summary .question").all_inner_texts()
    names = opened.locator("#recall .legendtext").all_text_contents()
    assert any('<a href="/x">' in name for name in names), "a name is text to Plotly too"
    opened.locator("#find").fill("Nothing FOUND")
    assert opened.locator("details.query:visible").count() == 1


def test_no_script_runs_that_is_not_the_packages_own(browser: Browser, two_evaluations: TwoEvaluations) -> None:
    """What if an escape were forgotten: the page's policy names its scripts by their hashes."""
    spoilt = two_evaluations.second.with_name("spoilt.html")
    text = two_evaluations.second.read_text(encoding="utf-8")
    spoilt.write_text(text.replace("<main>", "<main><script>document.title = 'mine'</script>"), encoding="utf-8")
    page = browser.new_page()
    page.goto(spoilt.as_uri())
    assert page.title() == "Imagerag: evaluation 2"
    page.close()


def test_the_figures_in_the_page_are_those_of_the_database(opened: Page, two_evaluations: TwoEvaluations) -> None:
    with two_evaluations.database.connect() as connection:
        rows = [row for row in metrics_table(connection, 2) if row["benchmark"] == "all"]
        curves = read(connection, "select * from imagerag_eval.eval_curves where evaluation = 2 order by method, k")
    shown = opened.locator("#methods + .wide tbody tr:not(.group)").all()
    assert len(shown) == len(rows)
    for line, row in zip(shown, rows, strict=True):
        cells = [cell.inner_text().split() for cell in line.locator("td").all()]
        for place, name in enumerate(
            ("precision_at_5", "precision_at_5_ceiling", "recall_at_10", "ndcg_at_10", "mrr", "map_at_10", "hit_at_1")
        ):
            assert cells[1 + place][0] == f"{row[name]:.3f}", name
        margin = row["recall_at_10_margin"]
        assert cells[3][1:3] == (["±", "unknown"] if margin is None else [f"±{margin:.2f}"]), row["method"]
    figures: dict[str, Any] = json.loads(opened.locator("#figures").text_content() or "")
    drawn = {
        (trace["method"], x): y for trace in figures["recall"]["choices"][0]["traces"]
        for x, y in zip(trace["x"], trace["y"], strict=True)
    }  # fmt: skip
    assert drawn == {
        (row["method"], row["k"]): pytest.approx(row["recall_at_k"], abs=1e-5)
        for row in curves if row["benchmark"] == "all"
    }  # fmt: skip


def test_the_margins_in_the_table_are_students(two_evaluations: TwoEvaluations) -> None:
    with two_evaluations.database.connect() as connection:
        rows = {row["method"]: row for row in metrics_table(connection, 2) if row["benchmark"] == "all"}
        values = read(connection, "select method, ndcg_at_10 from imagerag_eval.query_metrics where evaluation = 2")
    samples = {method: [one["ndcg_at_10"] for one in values if one["method"] == method] for method in rows}
    assert {len(sample) for sample in samples.values()} == {3}
    for method, sample in samples.items():
        expected = stats.t.ppf(0.975, 2) * stats.sem(sample)
        assert rows[method]["ndcg_at_10_margin"] == pytest.approx(expected, rel=1e-4), method


def test_the_curves_end_in_the_means_of_the_table(two_evaluations: TwoEvaluations) -> None:
    with two_evaluations.database.connect() as connection:
        curves = {
            (row["evaluation"], row["benchmark"], row["method"], row["k"]): row
            for row in read(connection, "select * from imagerag_eval.eval_curves")
        }
        means = [row for number in (1, 2) for row in metrics_table(connection, number)]
    assert len(curves) == 10 * len(means)
    for row in means:
        key = (row["evaluation"], row["benchmark"], row["method"])
        assert curves[*key, 5]["precision_at_k"] == pytest.approx(row["precision_at_5"])
        assert curves[*key, 10]["recall_at_k"] == pytest.approx(row["recall_at_10"])
        assert curves[*key, 1]["precision_at_k"] == pytest.approx(row["hit_at_1"])


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
    assert "1 truncated" in page
    assert "2 files, perceptual" in page
    assert "<b>0.07</b> shop: good.jpg" in page
    assert page.count('class="up"') == page.count('class="down"') == 0, "no colour without a test that passed"
    assert "Student's t, unknown for a single query" in page
    assert re.findall(r"<h3>(\w[\w ]*) <small", page)[-3:] == ["en", "fr", "shop"]
    # The example, good.jpg and bad.jpg, each once; the third image has no thumbnail.
    assert page.count("data:image/webp;base64,") == 3
    assert page.count('class="picture "') > 0


def test_the_first_evaluation_has_no_changes(two_evaluations: TwoEvaluations) -> None:
    page = two_evaluations.first.read_text(encoding="utf-8")
    assert "Changes since" not in page
    assert "Got worse" not in page


def test_what_got_worse_comes_first_whatever_else_scores_less(two_evaluations: TwoEvaluations) -> None:
    changes = [
        {"benchmark": "shop", "query_id": "q1", "method": "clip", "before": 1.0, "now": 0.4},
        {"benchmark": "shop", "query_id": "q3", "method": HOSTILE, "before": 1.0, "now": 0.0},
    ]
    with two_evaluations.database.connect() as connection:
        views, total = query_views(connection, 2, ["clip", HOSTILE], changes)
    assert total == 3
    assert [(view.query_id, view.is_worse) for view in views] == [("q1", True), ("q2", False), ("q3", False)]


def test_the_index_names_every_evaluation_and_links_the_pages_that_there_are(two_evaluations: TwoEvaluations) -> None:
    index = two_evaluations.second.with_name("index.html").read_text(encoding="utf-8")
    tags = Tags()
    tags.feed(index)
    assert tags.attributes["href"] == ["evaluation-2.html", "evaluation-1.html"]
    assert "script" not in tags.tags
    # What decides whether two evaluations compare.
    for told in (">in run the-run-<", "9.8.7", "search 41, metrics 42", 'shop <span title="'):
        assert index.count(told) == 2, told
    assert "Best method" not in index


def test_a_refused_benchmark_is_told_where_no_page_can_tell_it(two_evaluations: TwoEvaluations, tmp_path: Path) -> None:
    refused = Benchmark((), (), digest="refused")
    with two_evaluations.database.connect() as connection, connection.transaction(force_rollback=True):
        write_report(connection, tmp_path)
        store_benchmark(connection, "shop", refused, [f"qrels.tsv, line 7: the grade is {HOSTILE}"])
        page = write_report(connection, tmp_path)
    index = page.read_text(encoding="utf-8")
    assert page.name == "index.html"
    assert "Nothing is measured of what is live now." in index
    assert "Not measured: qrels.tsv, line 7: the grade is" in index
    assert HOSTILE not in index
    assert 'href="evaluation-2.html"' in index, "history stays"


def test_a_page_that_would_come_out_the_same_is_not_written_again(
    two_evaluations: TwoEvaluations, tmp_path: Path
) -> None:
    with two_evaluations.database.connect() as connection, connection.transaction(force_rollback=True):
        page = write_report(connection, tmp_path)
        whole, written = page.read_bytes(), page.stat().st_ino
        assert write_report(connection, tmp_path).stat().st_ino == written

        write_report(connection, tmp_path, [Section("What a study found", "", ("a",), [("1",)])])
        assert "What a study found" in page.read_text(encoding="utf-8")
        write_report(connection, tmp_path)
        assert page.read_bytes() == whole

        picture = (png((8, 8)), content_of("good.jpg"))
        connection.execute("update contents set thumbnail = %s where content = %s", picture)
        written = page.stat().st_ino
        assert write_report(connection, tmp_path).stat().st_ino != written, "the same row, another picture"


def test_marks_of_today_stand_beside_no_figure_of_then(two_evaluations: TwoEvaluations, tmp_path: Path) -> None:
    """A generation that is live again is told of by its last evaluation, whatever has been judged since."""
    with two_evaluations.database.connect() as connection, connection.transaction(force_rollback=True):
        before = write_report(connection, tmp_path).read_text(encoding="utf-8")
        connection.execute("update imagerag_eval.stg_grades set judged_as = 'anew' where query_id = 'q1'")
        judged_anew, _ = query_views(connection, 2, ["clip", HOSTILE], [])
        page = write_report(connection, tmp_path).read_text(encoding="utf-8")
    assert {view.query_id: view.is_judged_otherwise for view in judged_anew} == {"q1": True, "q2": False, "q3": False}
    assert "Judged otherwise since then" not in before
    assert page.count("Judged otherwise since then") == 1
    assert 0 < page.count("<b>✓</b>") < before.count("<b>✓</b>")


def test_marks_that_do_not_add_up_to_the_figures_are_left_out(two_evaluations: TwoEvaluations) -> None:
    """The judgements are the same and fall on another group: a duplicate became the canonical image."""
    with two_evaluations.database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("update imagerag_eval.stg_grades set group_id = 'another' where query_id = 'q2'")
        views, _ = query_views(connection, 2, ["clip", HOSTILE], [])
    assert {view.query_id for view in views if view.is_judged_otherwise} == {"q2"}


def test_a_query_that_left_its_benchmark_is_still_told(two_evaluations: TwoEvaluations) -> None:
    with two_evaluations.database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute("delete from benchmark_queries where query_id = 'q1'")
        connection.execute("delete from imagerag_eval.stg_grades where query_id = 'q1'")
        views, total = query_views(connection, 2, ["clip", HOSTILE], [])
    (gone,) = (view for view in views if view.query_id == "q1")
    assert (total, gone.text, gone.is_judged_otherwise) == (3, "q1", True)


def test_print_shows_that_precision_has_a_ceiling(opened: Page) -> None:
    """With one relevant image it cannot pass 0.2: whoever reads it on paper has to know."""
    opened.emulate_media(media="print")
    note = opened.get_by_text("queries have fewer than five relevant images")
    assert note.is_visible()
    assert opened.locator("nav").is_hidden()


def test_the_tables_begin_with_the_highest_ndcg(two_evaluations: TwoEvaluations) -> None:
    """By Precision@5 methods are often tied: one relevant image makes 0.2 of it wherever it is in the first five."""
    with two_evaluations.database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "update imagerag_eval.eval_metrics set precision_at_5 = 0.2, recall_at_10 = 1, "
            "ndcg_at_10 = case method when 'clip' then 0.9 else 0.4 end"
        )
        clip_leads = {row["method"] for row in metrics_table(connection, 2)[:1]}
        connection.execute("update imagerag_eval.eval_metrics set ndcg_at_10 = 0.3 where method = 'clip'")
        clip_follows = {row["method"] for row in metrics_table(connection, 2)[:1]}
    assert (clip_leads, clip_follows) == ({"clip"}, {HOSTILE})


def test_a_search_is_free_because_it_called_nothing(two_evaluations: TwoEvaluations, tmp_path: Path) -> None:
    with two_evaluations.database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "update generations set parameters = %s", (Jsonb({"models": {"image_text": "/m/our", "text": "mini"}}),)
        )
        free = write_report(connection, tmp_path).read_text(encoding="utf-8")
        connection.execute(
            "insert into model_calls (stage, item, collection, run_id, preset, model, attempt, outcome, latency_ms) "
            "values ('retrieval_runs', 'q1', 'shop', 'r', 'cohere', 'embed', 1, 'ok', 1)"
        )
        paid = write_report(connection, tmp_path).read_text(encoding="utf-8")
    assert (
        "called no served model: their queries are encoded on this machine (models.image_text: our, models.text: mini)."
        in free
    )
    assert re.search(r"<td>6</td><td>0</td><td>\$0\.00</td>", free)
    assert "they made 1 calls of served models" in paid
    assert re.search(r"<td>6</td><td>1</td><td>unknown</td>", paid)


def test_a_candidate_has_a_page_of_its_own_beside_what_is_live(two_evaluations: TwoEvaluations, tmp_path: Path) -> None:
    with two_evaluations.database.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(
            "insert into generations (generation, fingerprint, status, parameters) overriding system value "
            "values (2, 'other', 'candidate', '{}')"
        )
        connection.execute("create schema imagerag_generation_2")
        connection.execute("create table imagerag_generation_2.images ()")
        # The second evaluation was the candidate's.
        connection.execute("update evaluations set generation = 2 where evaluation = 2")
        for table in ("query_metrics", "eval_metrics", "eval_curves"):
            connection.execute(f"update imagerag_eval.{table} set generation = 2 where evaluation = 2")
        live = write_report(connection, tmp_path)
    candidate = (tmp_path / "evaluation-2.html").read_text(encoding="utf-8")
    assert live.name == "evaluation-1.html"
    assert 'href="evaluation-2.html"' in live.read_text(encoding="utf-8")
    assert "Changes since live generation 1 (evaluation 1)" in candidate
    assert "Candidate generation 2 against live generation 1 (evaluation 1)" in candidate


def test_plotly_is_the_file_that_its_makers_publish() -> None:
    """plotly.js-basic-dist-min 4.1.1. Whoever changes it says so here."""
    source = (Path(report.__file__).parent / "plotly-basic.min.js").read_bytes()
    assert hashlib.sha256(source).hexdigest() == "99784e3abfb07b142a15e521a439e6d9addceadb3f79553fd24c72774f0649ba"
    assert b"</script" not in source.lower()


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
