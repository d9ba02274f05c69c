"""How old an asset may be before the UI says so. It says only that: nothing runs because of it."""

from collections.abc import Iterable
from datetime import timedelta

import dagster as dg

from imagerag_assets.assets.common import EVALUATION

# A run with nothing to do materializes all the same, so what is old was not even looked at.
INDEX_POLICY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=14), warn_window=timedelta(days=2))
EVALUATION_POLICY = dg.FreshnessPolicy.time_window(fail_window=timedelta(days=31), warn_window=timedelta(days=8))
"""Beyond the schedule daily_evaluation, and as far as dbt's own freshness of the evaluations goes."""


def with_freshness(assets: Iterable[object]) -> list[dg.AssetsDefinition]:
    """Give every asset of the graph the policy of its group."""
    return [one.map_asset_specs(_with_policy) for one in assets if isinstance(one, dg.AssetsDefinition)]


def _with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
    policy = EVALUATION_POLICY if spec.group_name == EVALUATION else INDEX_POLICY
    return spec.replace_attributes(freshness_policy=policy)
