"""Results as a notebook shows them: a gallery in HTML that needs nothing but itself."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

from imagerag_assets.retrieval.images import THUMBNAIL_TYPE

if TYPE_CHECKING:
    from imagerag_assets.project import Project
    from imagerag_assets.retrieval.search import Result

_SHOWN_CHARACTERS = 160


class Results(list["Result"]):
    """The found images, best first. In a notebook it shows their thumbnails."""

    def __init__(self, found: Iterable[Result], project: Project) -> None:
        super().__init__(found)
        self._project = project

    def _repr_html_(self) -> str:
        if not self:
            return "<p>Nothing was found.</p>"
        with self._project.database.connect() as connection:
            thumbnails = dict(
                connection.execute(
                    "select content, thumbnail from contents where content = any(%s)", ([one.content for one in self],)
                ).fetchall()
            )
        cards = (_card(rank, one, thumbnails.get(one.content, b"")) for rank, one in enumerate(self, start=1))
        return f'<div style="display:flex;flex-wrap:wrap;gap:12px">{"".join(cards)}</div>'


def _card(rank: int, one: Result, thumbnail: bytes) -> str:
    name = escape(f"{one.collection}/{one.uri}")
    picture = base64.b64encode(thumbnail).decode()
    legs = ", ".join(f"{leg} #{score.rank}" for leg, score in one.legs.items())
    said = one.description[:_SHOWN_CHARACTERS] + ("…" if len(one.description) > _SHOWN_CHARACTERS else "")
    return (
        '<figure style="width:190px;margin:0;font-size:12px;overflow-wrap:anywhere">'
        f'<img alt="{name}" style="max-width:190px;max-height:150px" src="data:{THUMBNAIL_TYPE};base64,{picture}">'
        f"<figcaption><b>{rank}. {name}</b><br>{one.score:.3f} ({escape(legs)})<br>{escape(said)}</figcaption></figure>"
    )
