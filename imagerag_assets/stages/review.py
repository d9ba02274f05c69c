"""What a person should look at: descriptions that are not to be trusted, the least trusted first, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.rows import class_row

from imagerag_assets.database.connection import Connection
from imagerag_assets.project import Project
from imagerag_assets.stages import described, description_confidence, lanes

_REVIEWED = f"""
    from ({described.DESCRIBED}) d
    left join description_confidence t
      on t.content = d.content and t.context = d.context and t.fingerprint = %(confidence)s
     and t.described = d.described
"""


@dataclass(frozen=True)
class Doubt:
    """A flagged description with its signals: the confidence by each alone, None where it says nothing."""

    collection: str
    uri: str
    content: str
    confidence: float
    by_image: float | None
    by_text: float | None
    by_judge: float | None
    image_beaten: float | None
    text_beaten: float | None
    wrong: list[str]
    """What the judge says is wrong."""
    general: str
    visible_text: str
    model: str
    escalated: bool
    """A stronger model has described it anew already."""
    before: str
    """What was said before that."""

    @property
    def why(self) -> str:
        """The signals that speak against it, the strongest first, in words."""
        told = {
            "image": (self.by_image, f"{_percent(self.image_beaten)} of mismatched descriptions and images go better "
                      "together"),
            "text": (self.by_text, f"{_percent(self.text_beaten)} of mismatched texts are more alike than the text "
                     "that it sees and the text that was read"),
            "judge": (self.by_judge, "the judge: " + ("; ".join(self.wrong) or "it is not this image")),
        }  # fmt: skip
        against = sorted(
            (value, f"{name}: {words}" if name != "judge" else words)
            for name, (value, words) in told.items()
            if value is not None and value < _NEUTRAL
        )
        return "; ".join(words for _, words in against)


_NEUTRAL = 0.9 - 1e-6
"""The confidence by a signal that says nothing: the prior."""


@dataclass(frozen=True)
class Trusted:
    """How a collection's descriptions fare."""

    collection: str
    descriptions: int
    measured: int
    flagged: int
    lowest: float | None
    mean: float | None


def doubtful(
    connection: Connection, project: Project, collections: Sequence[str] = (), limit: int | None = None
) -> list[Doubt]:
    """The descriptions whose confidence is below descriptions.trust, the least trusted first."""
    query = f"""
        select d.collection, d.uri, d.content, t.confidence, t.by_image, t.by_text, t.by_judge, t.image_beaten,
               t.text_beaten, coalesce(j.wrong, '{{}}') as wrong, d.general, d.visible_text, v.model,
               e.content is not null as escalated, coalesce(e.before ->> 'general', '') as before
        {_REVIEWED}
        join vlm_descriptions v on v.content = d.content and v.context = d.context
        left join description_judgements j
          on j.content = d.content and j.context = d.context and j.inputs = d.described and t.by_judge is not null
        left join lateral (
            select x.content, x.before from description_escalations x
            where x.content = d.content and x.context = d.context and x.model = v.model
            order by x.at desc limit 1) e on true
        where t.confidence < %(trust)s
          and (%(only)s::text[] is null or d.collection = any(%(only)s::text[]))
        order by t.confidence, d.collection, d.uri limit %(limit)s
    """  # noqa: S608
    more = {"only": list(collections) or None, "limit": limit}
    with connection.cursor(row_factory=class_row(Doubt)) as cursor:
        return cursor.execute(query.encode(), {**_parameters(project), **more}).fetchall()


def by_collection(connection: Connection, project: Project) -> list[Trusted]:
    """One row for every collection that has descriptions."""
    query = f"""
        select d.collection, count(*) as descriptions, count(t.confidence) as measured,
               count(*) filter (where t.confidence < %(trust)s) as flagged,
               round(min(t.confidence)::numeric, 2)::float8 as lowest,
               round(avg(t.confidence)::numeric, 2)::float8 as mean
        {_REVIEWED} group by d.collection order by d.collection
    """
    with connection.cursor(row_factory=class_row(Trusted)) as cursor:
        return cursor.execute(query.encode(), _parameters(project)).fetchall()


def _parameters(project: Project) -> dict[str, object]:
    trust = project.settings.descriptions.trust
    # Confidences are measured with the live generation's models.
    project = lanes.serving(project) or project
    confidence = description_confidence.stage(project).fingerprint
    return {**described.parameters(project), "confidence": confidence, "trust": trust}


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %"
