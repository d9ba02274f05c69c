"""Asset checks: nothing lost, nothing failing quietly, nothing half built."""

import dagster as dg

from imagerag_assets.assets.common import ProjectResource, clear_failure, table_metadata
from imagerag_assets.automation.health import STUDY_CHECKS
from imagerag_assets.database.connection import one_row
from imagerag_assets.evaluation import gate
from imagerag_assets.evaluation.benchmarks.findings import findings
from imagerag_assets.evaluation.report.evaluations import subjects
from imagerag_assets.images import listing
from imagerag_assets.retrieval import generations, index
from imagerag_assets.stages.review import by_collection

_STAGES = (
    "tiles", "ocr_text", "vlm_descriptions", "clip_embeddings", "description_embeddings", "description_confidence",
)  # fmt: skip
_INNER = {"description_confidence": ("description_confidence", "description_judgements", "description_escalations")}
"""The stages of an asset that has several."""
_MOST_FLAGGED = 0.1
_SHOWN = 20
STATE = "state"
"""Metadata of a check that may fail for several reasons: which it is. Another one is news to whoever is alerted."""


def failure_check(stage: str) -> dg.AssetChecksDefinition:
    """A warning while the stage has items that failed."""

    @dg.asset_check(
        asset=stage,
        name="no_failed_items",
        description="No image fails in this stage. Warns, and never blocks.",
    )
    def check(project: ProjectResource) -> dg.AssetCheckResult:
        with clear_failure(), project.open().database.connect() as connection:
            # Those with the live generation's models, too, while the settings name others.
            names = [name for inner in _INNER.get(stage, (stage,)) for name in (inner, f"{inner} beside")]
            (failed,) = one_row(
                connection.execute("select count(distinct item) from stage_failures where stage = any(%s)", (names,))
            )
            newest = connection.execute(
                "select item, error_class, message, attempts from stage_failures where stage = any(%s) "
                "order by last_try desc, item limit %s",
                (names, _SHOWN),
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not failed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={
                "failed": failed,
                "newest": table_metadata(("item", "error", "message", "attempts"), newest),
            },
        )

    return check


@dg.asset_check(
    asset="raw_images",
    name="quarantine_is_small",
    description="Less than a tenth of the files are in quarantine.",
)
def quarantine_is_small(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure(), project.open().database.connect() as connection:
        images, quarantined = one_row(
            connection.execute(
                "select (select count(*) from raw_images where removed_at is null), (select count(*) from quarantine)"
            )
        )
        reasons = connection.execute(
            "select reason, count(*) from quarantine group by reason order by 2 desc, 1"
        ).fetchall()
    return dg.AssetCheckResult(
        passed=quarantined * 10 <= images + quarantined,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "images": images,
            "quarantined": quarantined,
            "reasons": table_metadata(("reason", "files"), reasons),
        },
    )


@dg.asset_check(
    asset="raw_images",
    name="nothing_lost",
    description="Whatever the last listing of each collection showed is an image, in quarantine, ignored or a sidecar.",
)
def nothing_lost(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure():
        opened = project.open()
        names = [collection.name for collection in opened.settings.collections]
        with opened.database.connect() as connection:
            found = listing.balances(connection, names)
    header = ("collection", "listed", "images", "quarantined", "ignored", "sidecars", "lost")
    rows = [(one.collection, one.listed, one.images, one.quarantined, one.ignored, one.sidecars, one.lost)
            for one in found]  # fmt: skip
    return dg.AssetCheckResult(
        passed=not any(one.lost for one in found),
        metadata={
            "lost": sum(abs(one.lost) for one in found),
            "collections": table_metadata(header, rows),
        },
    )


def budget_check(asset: str) -> dg.AssetChecksDefinition:
    """A warning when the asset's last run ended because a budget was reached."""

    @dg.asset_check(
        asset=asset,
        name="budget_not_reached",
        description="The last run did not end because a budget was reached. Warns, and never blocks.",
    )
    def check(project: ProjectResource) -> dg.AssetCheckResult:
        with clear_failure(), project.open().database.connect() as connection:
            stop = connection.execute("select reason, at from budget_stops where stage = %s", (asset,)).fetchone()
        return dg.AssetCheckResult(
            passed=stop is None,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"reason": stop[0], "since": stop[1].isoformat(timespec="seconds")} if stop else {},
        )

    return check


budget_not_reached = budget_check("vlm_descriptions")


@dg.asset_check(
    asset="description_confidence",
    name="descriptions_are_trusted",
    description=(
        "At most a tenth of each collection's descriptions are flagged; imagerag review lists them. Warns, and never "
        "blocks."
    ),
)
def descriptions_are_trusted(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            rows = by_collection(connection, opened)
    table = [(row.collection, row.measured, row.flagged, row.lowest) for row in rows]
    return dg.AssetCheckResult(
        passed=not [row for row in rows if row.flagged > max(1, _MOST_FLAGGED * row.measured)],
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "flagged": sum(row.flagged for row in rows),
            "collections": table_metadata(("collection", "measured", "flagged", "lowest"), table),
        },
    )


@dg.asset_check(
    asset="pgvector_index",
    name="index_is_complete",
    blocking=True,
    description="Every image with vectors is in the live index with all its tiles, and nothing else is.",
)
def index_is_complete(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure(), project.open().database.connect() as connection:
        counts = index.faults(connection, generations.live(connection))
    return dg.AssetCheckResult(passed=not any(counts.values()), metadata=counts)


@dg.asset_check(
    asset="candidate_comparison",
    name="candidate_is_no_worse",
    blocking=True,
    description=(
        "No metric of gate.metrics is lower in the candidate generation than in the live one by more than its "
        "tolerance. Held back, it stays beside the live one until the settings or a person say otherwise."
    ),
)
def candidate_is_no_worse(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            decision = gate.decide(connection, opened)
    if decision is None:
        return dg.AssetCheckResult(passed=True, metadata={"candidate": "none"})
    return dg.AssetCheckResult(
        passed=decision.action in ("promote", "wait"),
        # What could not be measured is not worse; it is not promoted either.
        severity=dg.AssetCheckSeverity.ERROR if decision.action == "hold" else dg.AssetCheckSeverity.WARN,
        description=decision.reason,
        metadata={
            "candidate": decision.candidate.number,
            "live": decision.live.number if decision.live else "none",
            STATE: f"generation {decision.candidate.number}: {decision.action}",
            "comparison": dg.MetadataValue.md(gate.findings_markdown(decision.reason, decision.findings)),
        },
    )


@dg.asset_check(
    asset="eval_metrics",
    name="no_worse_than_last_run",
    description=(
        "No metric of gate.metrics is lower in the newest evaluation of what is live than in the one before it, on the "
        "same queries, by more than its tolerance: a worse prompt, describer or weight of the fusion is live at once. "
        "Warns, and never blocks."
    ),
)
def no_worse_than_last_run(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            live = next((one for one in subjects(connection) if not one.is_candidate), None)
            if live is None or not live.baselines:
                none = "There is no evaluation before the newest to compare with."
                return dg.AssetCheckResult(passed=True, description=none)
            rules = opened.settings.gate
            compared = gate.compare_evaluations(connection, rules, live.baselines[0].evaluation, live.number)
    gaps = compared.gaps(rules)
    said = f"Evaluation {compared.after} after evaluation {compared.before}: {compared.falls or 'nothing fell'}. "
    said += compared.basis + (f" Not all is known: {gaps}." if gaps else "")
    return dg.AssetCheckResult(
        passed=not compared.falls,
        severity=dg.AssetCheckSeverity.WARN,
        description=said,
        metadata={
            STATE: f"evaluation {compared.after}",
            "comparison": dg.MetadataValue.md(gate.findings_markdown(said, compared.findings)),
            **gate.changes(compared.findings),
        },
    )


@dg.asset_check(
    asset="benchmark_queries",
    name="benchmarks_are_sound",
    description="Every benchmark is measured, on all its queries and with judgements of images as they are now. "
    "What is to be known of its numbers stands in the metadata, also when it passes.",
)
def benchmarks_are_sound(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure(), project.open().database.connect() as connection:
        found = findings(connection)
    levels = {one.level for one in found}
    return dg.AssetCheckResult(
        passed=levels <= {"note"},
        severity=dg.AssetCheckSeverity.ERROR if "error" in levels else dg.AssetCheckSeverity.WARN,
        metadata={
            "findings": table_metadata(
                ("benchmark", "", "finding"), [(one.benchmark, one.level, one.message) for one in found]
            )
        },
    )


CHECKS: list[dg.AssetChecksDefinition] = [
    benchmarks_are_sound,
    quarantine_is_small,
    nothing_lost,
    budget_not_reached,
    budget_check("description_confidence"),
    descriptions_are_trusted,
    index_is_complete,
    candidate_is_no_worse,
    no_worse_than_last_run,
    *(failure_check(stage) for stage in _STAGES),
    *STUDY_CHECKS,
]
