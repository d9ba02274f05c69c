"""candidate_comparison and live_generation: what the gate stands on, and the promotion of what passes it."""

import dagster as dg

from imagerag_assets.assets.common import (
    EVALUATION,
    NO_CONFIG,
    OWNERS,
    ProjectResource,
    clear_failure,
    table_metadata,
)
from imagerag_assets.assets.evaluation import retrieval_runs
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import fingerprint
from imagerag_assets.evaluation import gate
from imagerag_assets.evaluation.current import report_what_is_live
from imagerag_assets.retrieval import generations, switching
from imagerag_assets.stages import retrieval_runs as runs_stage


@dg.asset(
    deps=[dg.AssetKey("eval_metrics"), retrieval_runs],
    group_name=EVALUATION,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version="1",
    config_schema=NO_CONFIG,
    description=(
        "The candidate generation against the live one, on the same queries: every metric that must not fall, its "
        "change with an interval, and whether that is more than chance."
    ),
)
def candidate_comparison(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            decision = gate.decide(connection, opened)
            version = fingerprint(runs=runs_stage.data_version(connection), action=decision and decision.action)
            if decision is None:
                return dg.MaterializeResult(
                    data_version=dg.DataVersion(version), metadata={"comparison": "There is no candidate."}
                )
        context.log.info(f"candidate_comparison: {decision.reason}")
        return dg.MaterializeResult(
            data_version=dg.DataVersion(version),
            metadata={
                "candidate": decision.candidate.number,
                "comparison": dg.MetadataValue.md(gate.findings_markdown(decision.reason, decision.findings)),
                **gate.changes(decision.findings),
            },
        )


@dg.asset(
    deps=[candidate_comparison],
    group_name=EVALUATION,
    kinds={"python", "postgres", "pgvector"},
    owners=OWNERS,
    code_version="1",
    config_schema=NO_CONFIG,
    description=(
        "Which generation search reads. Promotes the candidate when the gate lets it and no person is to be asked, in "
        "one transaction; held back, the run ends before this."
    ),
)
def live_generation(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            switching.lock(connection)
            # Not what the comparison or its check decided: a person, or another run, may have been here since.
            decision = gate.decide(connection, opened)
            promoted = decision is not None and decision.action == "promote"
            if decision is not None and promoted:
                generations.promote(connection, decision.candidate)
                context.log.info(f"live_generation: generation {decision.candidate.number} is live")
        # The report of this run is about the one that was live until now.
        page = report_what_is_live(opened) if promoted else None
        with opened.database.connect() as connection:
            live = generations.live(connection)
            return dg.MaterializeResult(
                data_version=dg.DataVersion(str(live.number)),
                metadata={
                    "generation": live.number,
                    "said by the gate": decision.reason if decision else "There is no candidate.",
                    "parameters": dg.MetadataValue.json(live.parameters),
                    "generations": _listed(connection),
                    **({"report": dg.MetadataValue.path(str(page))} if page else {}),
                },
            )


def _listed(connection: Connection) -> dg.MarkdownMetadataValue:
    rows = connection.execute(
        "select generation, status, coalesce(to_char(live_at, 'YYYY-MM-DD HH24:MI'), ''), held from generations "
        "where not parameters ? 'compared' order by generation desc limit 20"
    ).fetchall()
    return table_metadata(("generation", "status", "live at", "held back"), rows)
