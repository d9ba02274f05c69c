"""Tests of benchmarks/: the harness, and that rows run. No test judges a time."""
