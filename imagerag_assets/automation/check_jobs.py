"""Jobs that run asset checks alone, by what the checks mean. dbt's tests are not among them: dbt runs those."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from imagerag_assets.automation.checks import CHECKS

_COMPLETE = {"nothing_lost", "index_is_complete"}
_FAILURES = {"no_failed_items", "quarantine_is_small", "budget_not_reached"}


def meaning(check: str) -> str:
    """What a check of that name is about: `complete`, `failures`, or else what was measured, `evaluation`."""
    if check in _COMPLETE:
        return "complete"
    return "failures" if check in _FAILURES else "evaluation"


def _job(name: str, description: str) -> UnresolvedAssetJobDefinition:
    keys = [key for check in CHECKS for key in check.check_keys if meaning(key.name) == name]
    return dg.define_asset_job(
        f"checks_{name}",
        selection=dg.AssetSelection.checks(*keys),
        description=f"Only asset checks: {description}",
        executor_def=dg.in_process_executor,
    )


CHECK_JOBS = [
    _job("complete", "nothing is lost between the sources and the index."),
    _job("failures", "nothing fails quietly: failed items, the quarantine, budgets."),
    _job("evaluation", "what was measured is good enough, and is to be believed."),
]
