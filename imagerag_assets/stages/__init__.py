"""What each asset computes, without Dagster: one module per stage with its `stage()` (what is pending) and `run()`.

The pending rule itself is `database.stages`'; Dagster's side of an asset is `assets/`.
"""
