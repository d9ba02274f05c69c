"""The rows of BENCHMARKS.md: a file each, whose `make(bench)` gives comparisons and scalings, in order."""

ROWS = (
    "decode",
    "embedding",
    "query",
    "reading",
    "writing",
    "index",
    "search",
    "million",
    "duplicates",
    "no_op",
    "no_op_million",
    "adding",
    "memory",
    "start",
    "gpu",
    "peer",
)
"""In the order of the page."""
