"""A shop of thirty drawn products with twenty queries, and encoders for it: the bundled one, and damaged copies."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

import imagerag_assets
from imagerag_assets.sample import products
from imagerag_assets.sample.scene import Scene

PICTURES, QUERIES = 30, 20


def scenes() -> list[Scene]:
    """Products without words in the picture, of as many kinds as there are: only their look can find them."""
    by_kind: dict[tuple[object, object], list[Scene]] = defaultdict(list)
    for scene in products.corpus_scenes():
        if not scene.text and scene.facts["object"]:
            by_kind[scene.facts["colour"], scene.facts["object"]].append(scene)
    turns = [scene for rank in range(3) for same in by_kind.values() for scene in same[rank : rank + 1]]
    return turns[:PICTURES]


def write_shop(root: Path) -> tuple[Path, Path]:
    """(folder of pictures, folder of the benchmark)."""
    pictures, benchmark = root / "shop", root / "benchmark"
    pictures.mkdir()
    benchmark.mkdir()
    relevant: dict[str, list[str]] = defaultdict(list)
    for scene in scenes():
        products.draw(scene, 160).image.save(pictures / f"{scene.name}.png")
        relevant[f"a {scene.facts['colour']} {scene.facts['object']}"].append(f"{scene.name}.png")
    asked = dict(list(relevant.items())[:QUERIES])
    queries = [json.dumps({"_id": f"q{number}", "text": text}) for number, text in enumerate(asked)]
    (benchmark / "queries.jsonl").write_text("\n".join(queries))
    qrels = "".join(f"q{number}\t{uri}\t1\n" for number, uris in enumerate(asked.values()) for uri in uris)
    (benchmark / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    return pictures, benchmark


def write_encoder(folder: Path, noise: float) -> str:
    """The bundled dual encoder as a folder of its own, with normal noise on the image tower's weights.

    `noise` is a share of each weight matrix's own spread.
    """
    import torch

    from imagerag_assets.models.dual_encoder import assemble_bundled

    model = assemble_bundled(Path(imagerag_assets.__file__).parent / "sample" / "dual_encoder", "cpu")
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if ".image." in name and weights.dim() > 1:
                weights.add_(torch.randn(weights.shape, generator=generator), alpha=noise * float(weights.std()))
    model.save(str(folder))
    return str(folder)
