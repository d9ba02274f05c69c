"""pixeltable: python pixeltable_index.py MODEL FOLDER FOLDER_OF_MORE. Run by an interpreter that has pixeltable.

Prints JSON: seconds to start, from files to a searchable index, for some more files, and for nothing new; and how many
images a query finds.
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    import pixeltable as pxt  # type: ignore[import-not-found]
    from pixeltable.functions.huggingface import clip  # type: ignore[import-not-found]

    model, first, more = sys.argv[1:4]
    steps: dict[str, float] = {}
    started = time.perf_counter()
    pxt.init()
    steps["start"] = time.perf_counter() - started
    started = time.perf_counter()
    table = pxt.create_table("photos", {"path": pxt.Required[pxt.String], "image": pxt.Image}, primary_key="path")
    # Single precision, as ours; its graph has the parameters of ours.
    table.add_embedding_index("image", embedding=clip.using(model_id=model), precision="fp32")
    table.insert(_rows(first))
    steps["full"] = time.perf_counter() - started
    for name in ("more", "nothing"):
        started = time.perf_counter()
        known = {row["path"] for row in table.select(table.path).collect()}
        new = [row for row in (*_rows(first), *_rows(more)) if row["path"] not in known]
        if new:
            table.insert(new)
        steps[name] = time.perf_counter() - started
    nearest = table.order_by(table.image.similarity(string="a red mug"), asc=False).limit(10)
    print("\n" + json.dumps(steps | {"found": len(nearest.select(table.path).collect())}))


def _rows(folder: str) -> list[dict[str, str]]:
    return [{"path": str(file), "image": str(file)} for file in sorted(Path(folder).glob("*.jpg"))]


if __name__ == "__main__":
    main()
