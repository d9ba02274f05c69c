"""The rows of BENCHMARKS.md: a file each, whose `make(bench)` gives comparisons and scalings, in order."""

ROWS = (
    "writing",
)  # fmt: skip
"""In the order of the page."""
