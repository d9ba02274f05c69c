"""The embedders of comparison.embedders: their vectors, made like the configured one's, and their evaluations.

What is embedded is kept under the model's name in `clip_embeddings`, so only new images cost anything, and a model that
becomes the configured one brings its vectors along.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagerag_assets.database import stages
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import StageReport, fingerprint
from imagerag_assets.errors import ModelError
from imagerag_assets.evaluation.runs import METRICS_VERSION
from imagerag_assets.evaluation.studies import embedders, store
from imagerag_assets.evaluation.studies.embedders import Compared, Labelled
from imagerag_assets.evaluation.studies.store import Study
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.search import SEARCH_VERSION
from imagerag_assets.stages import clip_embeddings, tiles
from imagerag_assets.stages.benchmark_queries import benchmark_folder
from imagerag_assets.stages.common import RunOptions

STAGE = embedders.STUDY


@dataclass(frozen=True)
class Prepared:
    """What is to be compared, its evaluations saved; `study` is there already when nothing has changed."""

    compared: tuple[Compared, ...]
    labels: tuple[Labelled, ...]
    failed: dict[str, str]
    state: str
    report: StageReport
    study: Study | None


def prepare(project: Project, options: RunOptions) -> Prepared | None:
    """Embed and evaluate what has changed; None where the settings name no embedder to compare.

    A model that cannot be found or loaded is told in `failed`; the others are compared. Raises `BenchmarkError`.
    """
    named = project.settings.comparison.embedders
    if not named:
        with project.database.connect() as connection:
            embedders.forget_others(connection, ())
        return None
    report = StageReport(STAGE)
    models = project.settings.models
    projects = {_name(models.image_text, models.image_text_revision): project}
    for one in named:
        name = _name(one.model, one.revision)
        other = project.with_models({"image_text": one.model, "image_text_revision": one.revision}, lane=f"of {name}")
        projects.setdefault(name, other)
    compared, failed = [], {}
    for name, other in projects.items():
        try:
            if other is not project:
                report.add(tiles.run(other, options))
                report.add(clip_embeddings.run(other, options))
            with project.database.connect() as connection:
                compared.append(_compared(connection, name, other))
        except ModelError as error:
            failed[name] = str(error)
    labels = tuple(filter(None, (_labels(project, one.name) for one in project.settings.collections if one.benchmark)))
    state = embedders.comparison_state(compared, labels, failed)
    with project.database.connect() as connection:
        study = store.kept(connection, STAGE, state)
        if study is None:
            embedders.forget_others(connection, compared)
            connection.commit()
            _evaluate(connection, compared, failed, options, report)
            compared = [one for one in compared if one.name not in failed]
            state = embedders.comparison_state(compared, labels, failed)
    return Prepared(tuple(compared), labels, failed, state, report, study)


def _evaluate(
    connection: Connection, compared: list[Compared], failed: dict[str, str], options: RunOptions, report: StageReport
) -> None:
    live = generations.live(connection)
    for one in compared:
        try:
            generation = embedders.register(connection, one)
            connection.commit()
            report.new += embedders.evaluate(connection, one, live, generation, options.run_id)
        except ModelError as error:
            connection.rollback()
            failed[one.name] = str(error)


def _compared(connection: Connection, name: str, other: Project) -> Compared:
    stage = clip_embeddings.stage(other)
    state = fingerprint(
        vectors=stages.data_version(connection, stage),
        images=embedders.images_digest(connection, generations.live(connection)),
        benchmarks=embedders.benchmarks_digest(connection),
        tile_weight=other.settings.fusion.tile_weight,
        # What was measured before a metric was introduced has no value of it, and would keep none.
        metrics=METRICS_VERSION,
        search=SEARCH_VERSION,
    )
    return Compared(name, other, other.dual_encoder_identity(), stage.fingerprint, state)


def _labels(project: Project, collection: str) -> Labelled | None:
    return embedders.read_labels(collection, benchmark_folder(project, project.settings.collection(collection)))


def _name(model: str, revision: str | None) -> str:
    return f"{model}@{revision}" if revision else model
