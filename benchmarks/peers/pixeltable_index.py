"""pixeltable: python pixeltable_index.py MODEL FOLDER FOLDER_OF_MORE. Run by an interpreter that has pixeltable.

Prints JSON: seconds from files to a searchable index, for some more files, for nothing new, and the peak memory in MB.
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    import pixeltable as pxt  # type: ignore[import-not-found]
    from pixeltable.functions.huggingface import clip  # type: ignore[import-not-found]

    model, first, more = sys.argv[1:4]
    steps = {}
    started = time.perf_counter()
    table = pxt.create_table("photos", {"path": pxt.Required[pxt.String], "image": pxt.Image}, primary_key="path")
    table.add_embedding_index("image", embedding=clip.using(model_id=model))
    table.insert(_rows(first))
    steps["full"] = time.perf_counter() - started
    for name in ("more", "nothing"):
        started = time.perf_counter()
        known = {row["path"] for row in table.select(table.path).collect()}
        new = [row for row in _rows(more) if row["path"] not in known]
        if new:
            table.insert(new)
        steps[name] = time.perf_counter() - started
    found = len(
        table.order_by(table.image.similarity(string="a red mug"), asc=False).limit(10).select(table.path).collect()
    )
    print("\n" + json.dumps(steps | {"peak": _peak_mb(), "found": found}))


def _peak_mb() -> float:
    """As benchmarks.made.peak_mb, which this interpreter does not have."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _rows(folder: str) -> list[dict[str, str]]:
    return [{"path": str(file), "image": str(file)} for file in sorted(Path(folder).glob("*.jpg"))]


if __name__ == "__main__":
    main()
