"""What the page shows, as HTML. Whatever comes from images, files or people is escaped here and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from imagerag_assets.answers import Answer
from imagerag_assets.evaluation.benchmarks.judging import Candidate
from imagerag_assets.retrieval.search import Result
from imagerag_assets.retrieval.tokens import terms
from imagerag_assets.serving.api.uploads import Upload

_WORD = re.compile(r"\w+")
_CITED = re.compile(r"\[(\d+)\]")
_SAID_OF_UPLOAD = {
    "stored": "stored: the next run indexes it",
    "indexed": "already indexed: searches find it",
    "quarantined": "in quarantine",
    "failed": "could not be indexed",
}


def header(*, signed_in: bool) -> str:
    """The page's title and its links."""
    sign_out = (
        '<form method="post" action="/logout"><button type="submit">Sign out</button></form>' if signed_in else ""
    )
    return f'<header><h1>Imagerag</h1><nav><a href="/reports">Reports</a>{sign_out}</nav></header>'


def status(message: str, *, trouble: bool = False) -> str:
    """One line that says what happened; screen readers read it out."""
    if not message:
        return ""
    role = "alert" if trouble else "status"
    return f'<p role="{role}" class="{role}">{escape(message)}</p>'


def caption(number: int, one: Result) -> str:
    """Plain text under a picture of the gallery."""
    more = f" (+{len(one.duplicates)})" if one.duplicates else ""
    return f"{number} · {one.score:.3f} · {one.collection}/{one.uri}{more}"


def details(one: Result, words: str, trust: float, note: str = "") -> str:
    """Everything about one result; the query's words are marked in the text that was read.

    A description of less confidence than `trust` is flagged.
    """
    parts = [f"<h2>{escape(f'{one.collection}/{one.uri}')}</h2>"]
    if note:
        parts.append(status(note, trouble=True))
    if one.confidence is not None and one.confidence < trust:
        parts.append(status(f"This description is not to be trusted: confidence {one.confidence:.2f}.", trouble=True))
    parts += [f"<p>{escape(one.description)}</p>", _tags(one), _legs(one)]
    if one.ocr.strip():
        parts.append(f'<h3>Text in the image</h3><div class="ocr">{marked(one.ocr, words)}</div>')
    files = [f"{one.collection}/{uri}" for uri in one.uris if uri != one.uri]
    parts += [_list("The same file elsewhere", files), _list("Duplicates behind it", one.duplicates)]
    parts.append(f'<p class="small">{one.width} × {one.height} pixels · <code>{escape(one.content)}</code></p>')
    return f'<section aria-label="The chosen image">{"".join(parts)}</section>'


def marked(text: str, words: str) -> str:
    """The text with the words that the query has marked, by the rule that the lexical leg compares by."""
    wanted = set(terms(words))
    parts, end = [], 0
    for found in _WORD.finditer(text):
        if wanted.isdisjoint(terms(found.group())):
            continue
        parts.append(f"{escape(text[end : found.start()])}<mark>{escape(found.group())}</mark>")
        end = found.end()
    return "".join(parts) + escape(text[end:])


def answer(one: Answer | str) -> str:
    """An answer, or as much of its text as is there; each citation is a button that leads to its image."""
    if isinstance(one, str):
        return f'<section aria-label="Answer" aria-busy="true"><div class="said">{escape(one)}</div></section>'
    cited = {citation.number for citation in one.citations}

    def link(found: re.Match[str]) -> str:
        number = int(found[1])
        if number not in cited:
            return found[0]
        return (
            f'<button type="button" class="cite" data-cite="{number}" aria-label="Image {number}">[{number}]</button>'
        )

    notes = "".join(f"<li>{escape(note)}</li>" for note in one.notes)
    by = one.model or "no language model"
    cost = f" · {one.usd:.4f} USD" if one.usd is not None else ""
    return (
        f'<section aria-label="Answer"><div class="said">{_CITED.sub(link, escape(one.text))}</div>'
        + (f"<ul>{notes}</ul>" if notes else "")
        + f'<p class="small">{escape(by)} · {one.latency_ms / 1000:.1f} s{cost}</p></section>'
    )


def uploads(stored: Sequence[Upload]) -> str:
    """What has become of the files that were sent."""
    return _list(
        "Added",
        [
            f"{one.collection}/{one.uri}: {_SAID_OF_UPLOAD[one.status]}{f' ({one.message})' if one.message else ''}"
            for one in stored
        ],
    )


def asked(candidate: Candidate, skipped: int) -> str:
    """The query that an image is judged for, and how far its benchmark is."""
    query, left = candidate.query, candidate.pooled - candidate.judged
    later = f", {skipped} of them skipped" if skipped else ""
    return (
        f'<section aria-label="The query"><h2>{escape(query.text or "Images like the example")}</h2>'
        f'<p class="small" id="left">{left} of {candidate.pooled} images are left{later}</p></section>'
    )


def to_judge(name: str, description: str, note: str) -> str:
    """What is known of the image that is to be judged."""
    return (
        '<section aria-label="The image to judge">'
        + status(note, trouble=True)
        + (f"<p>{escape(description)}</p>" if description else "")
        + f'<p class="small">{escape(name)}</p></section>'
    )


def _tags(one: Result) -> str:
    names = dict.fromkeys((*((one.category,) if one.category else ()), *one.tags))
    return '<p class="tags">' + "".join(f"<span>{escape(name)}</span>" for name in names) + "</p>" if names else ""


def _legs(one: Result) -> str:
    rows = "".join(
        f"<tr><td>{escape(leg)}</td><td>{score.rank}</td><td>{score.score:.3f}</td></tr>"
        for leg, score in one.legs.items()
    )
    relevance = "" if one.relevance is None else f" · relevance {one.relevance:.2f}"
    head = "<tr><th scope='col'>leg</th><th scope='col'>rank</th><th scope='col'>score</th></tr>"
    return f'<table class="legs"><caption>Score {one.score:.3f}{relevance}</caption>{head}{rows}</table>'


def _list(title: str, items: Sequence[str]) -> str:
    if not items:
        return ""
    return f"<h3>{escape(title)}</h3><ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"
