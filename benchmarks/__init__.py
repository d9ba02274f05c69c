"""Side-by-side timings of every stage: ours, the plain way, a well-known library, and the least that it can take.

`python -m benchmarks` runs what `rows/` holds, a file per row of BENCHMARKS.md, and writes that page. Beside it stand
studies of quality, each with a command of its own: `composed`, `duplicates`, `fusion`, `ocr`, `scale`.
"""
