"""Dagster alone: a run of as many assets and checks as our graph has, none of which does anything.

    python -m benchmarks.idle_graph FOLDER

The instance and its event log are in FOLDER, as a project's are in its data folder. No line of ours is in the run.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

ASSETS, CHECKS = 18, 20
"""Steps of a run of the graph: assets that are ours, and the checks on them."""
MODELS, TESTS = 10, 25
"""Of the one step that is dbt's: its models, and the checks that its tests are."""


def _asset(name: str, upstream: list[str]) -> dg.AssetsDefinition:
    @dg.asset(name=name, deps=upstream)
    def idle() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(data_version=dg.DataVersion("1"))

    return idle


def _check(asset: str, number: int) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset, name=f"check_{number}")
    def idle() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    return idle


def _models(upstream: str) -> dg.AssetsDefinition:
    models = [f"model_{number}" for number in range(MODELS)]
    checks = [dg.AssetCheckSpec(f"test_{number}", asset=models[number % MODELS]) for number in range(TESTS)]

    @dg.multi_asset(specs=[dg.AssetSpec(name, deps=[upstream]) for name in models], check_specs=checks)
    def idle_models() -> Iterator[Any]:
        for name in models:
            yield dg.MaterializeResult(asset_key=name, data_version=dg.DataVersion("1"))
        for check in checks:
            yield dg.AssetCheckResult(passed=True, asset_key=check.asset_key, check_name=check.name)

    return idle_models


def main() -> None:
    os.environ["DAGSTER_HOME"] = sys.argv[1]
    names = [f"asset_{number}" for number in range(ASSETS)]
    assets = [_asset(name, names[max(0, number - 1) : number]) for number, name in enumerate(names)]
    defs = dg.Definitions(
        assets=[*assets, _models(names[-1])],
        asset_checks=[_check(names[number % ASSETS], number) for number in range(CHECKS)],
        jobs=[dg.define_asset_job("idle", executor_def=dg.in_process_executor)],
    )
    (Path(sys.argv[1]) / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    with dg.DagsterInstance.get() as instance:
        if not defs.resolve_job_def("idle").execute_in_process(instance=instance).success:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
