"""Benchmarks, their runs, and the report. No metric is computed here: dbt_eval does that in SQL."""
