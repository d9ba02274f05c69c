"""Puts the pages together and writes them. What stands in them is read elsewhere; here it only meets the templates."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation import thumbnails
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.evaluation.benchmarks.findings import findings
from imagerag_assets.evaluation.gate import HEADER, comparison_rows
from imagerag_assets.evaluation.guide import GUIDE
from imagerag_assets.evaluation.metrics import (
    DARK_OTHER_SHADE,
    DARK_SHADES,
    OTHER_SHADE,
    SHADES,
    Row,
    changes_of_means,
    changes_of_queries,
    comparability,
    metrics_table,
    milliseconds,
)
from imagerag_assets.evaluation.report import tables
from imagerag_assets.evaluation.report.drilldown import NOTICEABLE, RELEVANT_SHOWN, QueryView, query_views
from imagerag_assets.evaluation.report.evaluations import Subject, all_measured, page_name, subjects
from imagerag_assets.evaluation.report.plots import figures
from imagerag_assets.evaluation.report.section import Section
from imagerag_assets.evaluation.significance import Comparison
from imagerag_assets.evaluation.thumbnails import ThumbnailSheet

THUMBNAIL_BYTES = 4_500_000
"""With Plotly (1.2 MB) and 300 queries (2 MB) a page stays below 8 MB."""
CHANGES_SHOWN = 20
INDEX = "index.html"
_FOLDER = Path(__file__).parent
_STATE = "<!-- state {} -->\n"
"""The end of a page: what it was made of."""


def write_report(connection: Connection, folder: Path, sections: Sequence[Section] = ()) -> Path:
    """Write the page of what is live, that of its candidate where one was measured, and the index of all pages.

    `sections` stand at the end of each page. A page that would come out as it is is left alone. Returns the path of the
    first page, the live generation's. Where nothing is measured that is the index: it says so, and what is wrong with
    the benchmarks.
    """
    found = subjects(connection)
    if not all((folder / subject.file_name).is_file() for subject in found):
        tables.refresh_statistics(connection)
    folder.mkdir(parents=True, exist_ok=True)
    for subject in found:
        _write_page(connection, folder / subject.file_name, _values(connection, subject, found, sections))
    _write(folder / INDEX, _index(connection, folder, found))
    return folder / (found[0].file_name if found else INDEX)


def _write_page(connection: Connection, page: Path, values: dict[str, Any]) -> None:
    """Half of the time goes into small pictures and the template: not into those of a page that is there."""
    pictures = _pictures(connection, values["views"], values["groups"], values["doubtful"])
    end = _STATE.format(_state(values, pictures))
    if page.is_file() and page.read_bytes().endswith(end.encode()):
        return
    sheet = ThumbnailSheet(THUMBNAIL_BYTES)
    for name, picture in pictures.items():
        sheet.add(name, picture)
    _write(page, _render("report.html", sheet=sheet, **values) + end)


def _state(values: dict[str, Any], pictures: dict[str, bytes]) -> str:
    """A digest of all that a page is made of: what stands in it, its pictures, templates and scripts, and this code."""
    digest = hashlib.sha256(repr(values).encode("utf-8", "surrogatepass"))
    for name, picture in pictures.items():
        digest.update(name.encode("utf-8", "surrogatepass") + picture)
    files = (file for file in _FOLDER.iterdir() if file.is_file())
    for file in (Path(thumbnails.__file__), *sorted(files)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _values(
    connection: Connection, subject: Subject, others: Sequence[Subject], sections: Sequence[Section]
) -> dict[str, Any]:
    """All that stands in the page but its pictures."""
    number = subject.number
    table = metrics_table(connection, number)
    methods = [row["method"] for row in table if row["benchmark"] == ALL]
    baseline = subject.baselines[0] if subject.baselines else None
    changes = changes_of_queries(connection, number, baseline.evaluation) if baseline else []
    deltas = changes_of_means(connection, number, baseline.evaluation) if baseline else {}
    since = tables.since(connection, subject, methods)
    views, total = query_views(connection, number, methods, changes)
    groups, n_groups = tables.duplicates(connection)
    doubtful = tables.doubtful(connection, subject.generation)
    history = [one for one in all_measured(connection) if one.made.was_live or one.made.evaluation == number]
    return {
        "subject": subject,
        "others": [one for one in others if one is not subject],
        "baseline": baseline,
        "table": table,
        "guide": GUIDE.values(),
        "kinds": tables.slices(connection, number, methods, "kind"),
        "languages": tables.slices(connection, number, methods, "language"),
        "deltas": deltas,
        "comparability": comparability(deltas, baseline.evaluation) if baseline else "",
        "verdicts": dict(since.get(baseline.name, ())) if baseline else {},
        "better_header": HEADER[2:],
        "better": _told(since, subject, tables.between_methods(connection, subject, methods)),
        "moved": _moved(changes, methods),
        "lost": _lost(changes, views),
        "views": views,
        "total_queries": total,
        "judged_otherwise": sum(view.is_judged_otherwise for view in views),
        "by_collection": tables.costs_by_collection(connection),
        "by_model": tables.costs_by_model(connection),
        "encoders": tables.encoders(connection, subject.generation),
        "judgements": tables.judgements(connection, number),
        "corpus": tables.corpus(connection),
        "groups": groups,
        "n_groups": n_groups,
        "doubtful": doubtful,
        "findings": findings(connection),
        "sections": sections,
        "relevant_shown": RELEVANT_SHOWN,
        "figures": figures(tables.curves(connection, number), tables.latencies(connection, number), history, methods),
        "palette": {method: (_light(method), _dark(method)) for method in methods},
    }


def _index(connection: Connection, folder: Path, found: Sequence[Subject]) -> str:
    """A line per evaluation; those from before the pages were kept have no page."""
    return _render(
        "index.html",
        is_measured=any(not one.is_candidate for one in found),
        findings=findings(connection),
        evaluations=all_measured(connection),
        page_name=page_name,
        written={page.name for page in folder.glob("evaluation-*.html")},
    )


def _told(
    since: tables.Asked, subject: Subject, methods: list[tuple[str, Comparison]]
) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Comparisons by what is asked, each as (who is compared, the cells of `comparison_rows` after the metric)."""
    asked = {"Methods of this evaluation": methods}
    what = f"Candidate generation {subject.generation}" if subject.is_candidate else "This evaluation"
    asked |= {f"{what} against {name}": pairs for name, pairs in since.items()}
    return {
        question: [(row[0], row[2:]) for row in comparison_rows(pairs)] for question, pairs in asked.items() if pairs
    }


def _moved(changes: list[Row], methods: Sequence[str]) -> list[Row]:
    """How many queries gained and lost nDCG@10, per method."""
    moved = {
        method: [row["now"] - row["before"] for row in changes if row["method"] == method] for method in methods
    }  # fmt: skip
    return [
        {
            "method": method,
            "queries": len(values),
            "gained": sum(value > NOTICEABLE for value in values),
            "lost": sum(value < -NOTICEABLE for value in values),
        }
        for method, values in moved.items()
        if values
    ]


def _lost(changes: list[Row], views: list[QueryView]) -> list[Row]:
    """Rows of `changes_of_queries` that lost most, each with its text and its anchor where it is in the drill-down."""
    there = {(view.benchmark, view.query_id): view for view in views}
    worse = [row for row in changes if row["now"] < row["before"] - NOTICEABLE][:CHANGES_SHOWN]
    return [
        row | {"anchor": view.anchor if view else None, "text": (view.text if view else "") or row["query_id"]}
        for row in worse
        for view in [there.get((row["benchmark"], row["query_id"]))]
    ]


def _pictures(
    connection: Connection, views: Iterable[QueryView], groups: Iterable[Row], doubtful: Iterable[Row]
) -> dict[str, bytes]:
    """The examples by their path and then every shown image's thumbnail by its content."""
    examples = {view.example: Path(view.example) for view in views if view.example}
    found = {name: file.read_bytes() if file.is_file() else b"" for name, file in examples.items()}
    wanted = [row["group_id"] for view in views for rows in (view.relevant, *view.results.values()) for row in rows]
    wanted += [content for row in groups for content in row["contents"]]
    wanted += [row["content"] for row in doubtful]
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.content, c.thumbnail from unnest(%s::text[]) with ordinality as w (content, place) "
            "join contents c using (content) order by w.place",
            (list(dict.fromkeys(wanted)),),
        )
        return found | dict(cursor.fetchall())


def _render(template: str, **values: Any) -> str:
    """The page, allowed to run no script but the package's own: what escapes the escaping still does nothing."""
    scripts = (_source("plotly-basic.min.js"), _source("report.js"))
    return (
        _environment().get_template(template).render(scripts=scripts, hashes=[_hash(one) for one in scripts], **values)
    )


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        ms=milliseconds,
        shade=lambda method: f"light-dark({_light(method)}, {_dark(method)})",
        dollars=_dollars,
        change=_change,
    )
    return environment


def _light(method: str) -> str:
    return SHADES.get(method, OTHER_SHADE)


def _dark(method: str) -> str:
    return DARK_SHADES.get(method, DARK_OTHER_SHADE)


def _dollars(value: float | None) -> str:
    """Cents, or two digits of what is less than ten. What nobody knows is not nothing."""
    if value is None:
        return "unknown"
    return f"${value:,.2f}" if value >= 0.1 or not value else f"${value:.2g}"


def _change(value: float) -> str:
    """Three digits with a sign; what rounds to nothing has none."""
    return f"{value:+.3f}".replace("-", "−") if abs(value) >= 0.0005 else "0.000"


@cache
def _source(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """Of an inline script, as a Content-Security-Policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}"


def _write(path: Path, page: str) -> None:
    """All or nothing: a reader never sees half a page."""
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(path)
