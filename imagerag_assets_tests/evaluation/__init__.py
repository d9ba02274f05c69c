"""Benchmarks, dbt's metrics on a real database, and the report."""
