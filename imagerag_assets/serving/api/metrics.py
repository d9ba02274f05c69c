"""What Prometheus reads. Labels name routes, methods, models and collections, and never anything that a user wrote."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import psycopg
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from psycopg import sql

from imagerag_assets.errors import DatabaseError
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_log = logging.getLogger("imagerag.api")


class Metrics:
    """The metrics of one application, in a registry of its own."""

    def __init__(self, project: Project) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "imagerag_http_requests", "Requests answered", ("route", "method", "status"), registry=self.registry
        )
        self.latency = Histogram(
            "imagerag_http_request_seconds", "Time to the end of the answer", ("route",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.search = Histogram(
            "imagerag_search_seconds", "Encoding a query and the statement", ("method",), buckets=_SECONDS,
            registry=self.registry,
        )  # fmt: skip
        self.model_load = Gauge(
            "imagerag_model_load_seconds", "Time to load a model, once", ("model",), registry=self.registry
        )
        self.registry.register(_IndexFacts(project))


class _IndexFacts:
    """What the tables say when Prometheus asks."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Nothing beforehand: otherwise registering would ask the database."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("imagerag_database_up", "Whether the database answers")
        try:
            facts = list(self._facts())
        except (psycopg.Error, DatabaseError) as error:
            _log.warning("metrics: the database does not answer: %s", type(error).__name__)
            facts = []
        up.add_metric((), 1.0 if facts else 0.0)
        yield up
        yield from facts

    def _facts(self) -> Iterator[GaugeMetricFamily]:
        live = GaugeMetricFamily("imagerag_index_generation", "Number of the live generation; 0: there is none")
        indexed = GaugeMetricFamily("imagerag_index_images", "Images in the live index", labels=["collection"])
        known = GaugeMetricFamily("imagerag_images", "Images that the collections have", labels=["collection"])
        unusable = GaugeMetricFamily("imagerag_quarantined", "Files in quarantine", labels=["collection"])
        count = sql.SQL("select collection, count(*) from {} group by 1 order by 1")
        with self._project.database.connect() as connection:
            generation = generations.find_live(connection)
            live.add_metric((), generation.number if generation else 0)
            if generation:
                _add(indexed, connection.execute(count.format(generation.table("images"))).fetchall())
            _add(
                known,
                connection.execute(
                    "select collection, count(*) from raw_images where removed_at is null group by 1 order by 1"
                ).fetchall(),
            )
            _add(unusable, connection.execute(count.format(sql.Identifier("quarantine"))).fetchall())
        yield from (live, indexed, known, unusable)


def _add(family: GaugeMetricFamily, rows: list[tuple[str, int]]) -> None:
    for collection, images in rows:
        family.add_metric((collection,), images)
