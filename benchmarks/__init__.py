"""Side-by-side timings: each comparison in one run, interleaved, several rounds, reported as medians and ratios."""
