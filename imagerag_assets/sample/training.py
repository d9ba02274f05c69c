"""Train the bundled image tower against the unchanged all-MiniLM-L6-v2.

Run by `python -m imagerag_assets.sample.training`. The result is a sentence-transformers folder with the
image tower alone; `models.dual_encoder` joins the two towers. The pictures come from `training_set`, the
random choices from fixed seeds; but how many steps fit into the minutes given depends on the machine, so
another machine makes a model of the same kind, not the same bytes.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import math
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from imagerag_assets.models.text_encoder import load_text_encoder
from imagerag_assets.sample.training_set import COLLECTIONS, draw_training_set, read_examples

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import ResNetModel

logger = logging.getLogger(__name__)

DIMENSION = 384
WIDTHS = (48, 96, 192, 384)
DEPTHS = (1, 1, 2, 2)
MEAN_AND_STD = 0.5
HELD_OUT_PER_COLLECTION = 250

BATCH = 128
CAPTIONS_PER_IMAGE = 2
EXTRA_CAPTIONS = 1024
LEARNING_RATE = 1.5e-3
WARM_UP_STEPS = 150
EMA_DECAY = 0.997
FACT_WEIGHT = 0.3
EXPORT_SECONDS = 300.0
SIZES = ((0.5, 128, 160), (0.85, 160, 192), (1.01, 192, 192))
"""(until this share of the time, train at this side, evaluate at this side). Small squares first: there a
convolutional tower learns most of what it needs at a third of the cost. Random crops magnify, hence the
larger evaluation."""


@dataclass(frozen=True)
class Corpus:
    """Examples as arrays. Captions are numbered; `captions_of` is padded with -1."""

    pixels: npt.NDArray[np.uint8]
    """Shape (n, side, side, 3)."""
    captions_of: npt.NDArray[np.int64]
    """Shape (n, most captions of an example)."""
    vectors: npt.NDArray[np.float32]
    """Shape (captions, DIMENSION), unit length, by all-MiniLM-L6-v2."""
    collections: npt.NDArray[np.int64]
    facts: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Run:
    """What the model card tells of the training so far."""

    pictures: int
    captions: int
    steps: int
    minutes: float
    held_out: dict[str, tuple[float, float, float]]
    """Recall at 1, 5 and 10 per collection."""


@dataclass
class Tower:
    """The image tower in training: a ResNet, its projection, and what only training needs."""

    backbone: ResNetModel
    projection: nn.Module
    fact_head: nn.Module
    log_scale: nn.Parameter

    def features(self, images: Tensor) -> Tensor:
        pooled: Tensor = self.backbone(pixel_values=images).last_hidden_state.mean(dim=(2, 3))
        return pooled

    def modules(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        return self.backbone, self.projection, self.fact_head


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="wall-clock time of the training steps")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished image tower; replaced")
    parser.add_argument("--cache", type=Path, required=True, help="folder for the drawn pictures (about 3 GB)")
    parser.add_argument("--scenes", type=int, default=3500, help="training scenes per collection")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)

    held_out = draw_training_set(arguments.cache, "held_out", HELD_OUT_PER_COLLECTION, COLLECTIONS)
    paths = draw_training_set(arguments.cache, "train", arguments.scenes, COLLECTIONS)
    corpus, test = read_corpus(paths), read_corpus(held_out)
    logger.info("%d pictures and %d captions", len(corpus.pixels), len(corpus.vectors))
    train(corpus, test, arguments.minutes, arguments.out)


def read_corpus(paths: list[Path]) -> Corpus:
    """Read the chunk files and embed every distinct caption once."""
    examples = list(read_examples(paths))
    numbers: dict[str, int] = {}
    lists = [[numbers.setdefault(text, len(numbers)) for text in example.captions] for example in examples]
    captions_of = np.full((len(lists), max(map(len, lists))), -1, dtype=np.int64)
    for row, captions in zip(captions_of, lists, strict=True):
        row[: len(captions)] = captions
    encoder = load_text_encoder("bundled", None, "cpu")
    return Corpus(
        np.stack([example.pixels for example in examples]),
        captions_of,
        encoder.encode_texts(list(numbers)),
        np.array([COLLECTIONS.index(example.collection) for example in examples]),
        tuple({f"{example.collection}.{key}": value for key, value in example.facts.items()} for example in examples),
    )


def train(corpus: Corpus, test: Corpus, minutes: float, out: Path) -> None:
    """Train for `minutes`; `out` always has the averaged weights of the best held-out recall so far."""
    import torch

    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    targets = fact_targets(corpus.facts)
    tower = new_tower(len(targets.classes))
    average = copy.deepcopy(tower)
    optimizer = _optimizer(tower)
    captions_of, vectors = torch.from_numpy(corpus.captions_of), torch.from_numpy(corpus.vectors)

    started = exported = time.monotonic()
    best = progress = 0.0
    for step, rows in enumerate(_batches(len(corpus.pixels), rng), start=1):
        side, test_side = next(sides for until, *sides in SIZES if progress < until)
        _set_learning_rate(optimizer, step, progress)
        images = augment(torch.from_numpy(corpus.pixels[rows]), side, rng)
        contrast, fact = losses(tower, images, captions_of[rows], vectors, targets, rows)
        optimizer.zero_grad()
        (contrast + FACT_WEIGHT * fact).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        _update_average(average, tower, min(EMA_DECAY, (1 + step) / (10 + step)))

        now = time.monotonic()
        progress = min(1.0, (now - started) / (60 * minutes))
        if step % 50 == 0:
            logger.info(
                "step %d, %.0f s: contrast %.3f, facts %.3f",
                step,
                now - started,
                contrast.item(),
                fact.item(),
            )
        if progress == 1.0 or now - exported > EXPORT_SECONDS:
            exported = now
            recalls = held_out_recall(average, test, test_side)
            logger.info("held out, at %d pixels: %s", test_side, json.dumps(recalls))
            if (mean := float(np.mean([at_5 for _, at_5, _ in recalls.values()]))) >= best:
                best = mean
                size = (len(corpus.pixels), len(corpus.vectors))
                export(average, test_side, Run(*size, step, (now - started) / 60, recalls), out)
        if progress == 1.0:
            return


def _set_learning_rate(optimizer: torch.optim.Optimizer, step: int, progress: float) -> None:
    """Warm up linearly, then fall by a half cosine over the time that is left."""
    rate = LEARNING_RATE * min(1.0, step / WARM_UP_STEPS) * 0.5 * (1 + math.cos(math.pi * progress))
    for group in optimizer.param_groups:
        group["lr"] = rate


def new_tower(fact_classes: int) -> Tower:
    """Make a ResNet of basic blocks: from scratch on ten thousand pictures it learns faster than a ViT."""
    import torch
    from transformers import ResNetConfig, ResNetModel

    config = ResNetConfig(
        embedding_size=WIDTHS[0],
        hidden_sizes=list(WIDTHS),
        depths=list(DEPTHS),
        layer_type="basic",
        hidden_act="relu",
    )
    backbone = ResNetModel(config)
    backbone.to(memory_format=torch.channels_last)  # type: ignore[call-arg]
    return Tower(
        backbone,
        torch.nn.Linear(WIDTHS[-1], DIMENSION),
        torch.nn.Linear(WIDTHS[-1], fact_classes),
        torch.nn.Parameter(torch.tensor(math.log(1 / 0.07))),
    )


def losses(
    tower: Tower,
    images: Tensor,
    captions_of: Tensor,
    vectors: Tensor,
    targets: FactTargets,
    rows: npt.NDArray[np.int64],
) -> tuple[Tensor, Tensor]:
    """InfoNCE between the pictures and captions, and cross-entropy of the scenes' facts.

    A caption is right for every picture that has it among its own. `captions_of` is the batch's, (batch, k).
    """
    import torch
    from torch.nn import functional

    with torch.autocast("cpu", torch.bfloat16):
        features = tower.features(images)
    features = features.float()
    embedded = functional.normalize(tower.projection(features), dim=1)

    weights = (captions_of >= 0).float()
    own = captions_of.gather(1, torch.multinomial(weights, CAPTIONS_PER_IMAGE)).flatten()
    shown = torch.cat([own, torch.randint(len(vectors), (EXTRA_CAPTIONS,))])
    right = (captions_of[:, None, :] == shown[None, :, None]).any(dim=2)
    logits = tower.log_scale.exp().clamp(max=100.0) * embedded @ vectors[shown].T
    to_text = _likelihood_of_right(logits, right)
    to_image = _likelihood_of_right(logits[:, : len(own)].T, right[:, : len(own)].T)
    return -(to_text + to_image) / 2, targets.loss(tower.fact_head(features), rows)


def _likelihood_of_right(logits: Tensor, right: Tensor) -> Tensor:
    """Mean log-softmax over the right columns of each row."""
    chances = logits.log_softmax(dim=1)
    return ((chances * right).sum(dim=1) / right.sum(dim=1)).mean()


@dataclass(frozen=True)
class FactTargets:
    """What is known of each scene ("products.colour" = "red"), as classes of one linear head.

    Learning to name the facts from the pictures' features is a second, denser teacher than captions, which
    name only some of them, and shortens training. The head is not part of the result.
    """

    classes: tuple[tuple[str, str], ...]
    spans: tuple[tuple[int, int], ...]
    """(start, end) of each fact's values among the classes."""
    wanted: npt.NDArray[np.int64]
    """Shape (n, facts): index within the span, -1 where the fact is not known."""

    def loss(self, logits: Tensor, rows: npt.NDArray[np.int64]) -> Tensor:
        import torch
        from torch.nn import functional

        wanted = torch.from_numpy(self.wanted[rows])
        terms = [
            functional.cross_entropy(logits[:, start:end], wanted[:, fact], ignore_index=-1, reduction="sum")
            for fact, (start, end) in enumerate(self.spans)
        ]
        return torch.stack(terms).sum() / max(1, int((wanted >= 0).sum()))


def fact_targets(facts: tuple[dict[str, str], ...], most_values: int = 48, least_seen: int = 20) -> FactTargets:
    """Take the facts with up to `most_values` values, and of those the values seen `least_seen` times."""
    seen: dict[str, Counter[str]] = {}
    for row in facts:
        for key, value in row.items():
            seen.setdefault(key, Counter())[value] += 1
    values = {
        key: [value for value, count in sorted(counter.items()) if count >= least_seen]
        for key, counter in sorted(seen.items())
        if len(counter) <= most_values
    }
    values = {key: known for key, known in values.items() if len(known) > 1}
    classes = tuple((key, value) for key, known in values.items() for value in known)
    ends = np.cumsum([len(known) for known in values.values()]).tolist()
    wanted = np.full((len(facts), len(values)), -1, dtype=np.int64)
    for fact, (key, known) in enumerate(values.items()):
        index = {value: number for number, value in enumerate(known)}
        wanted[:, fact] = [index.get(row.get(key, ""), -1) for row in facts]
    spans = tuple(zip([0, *ends[:-1]], ends, strict=True))
    return FactTargets(classes, spans, wanted)


def augment(pixels: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """Crop, stretch, turn, blur, lighten and grain a batch: (n, h, w, 3) bytes → (n, 3, side, side) in -1..1.

    Hues stay, since colours are asked for, and nothing is mirrored, since text and plans are not.
    """
    import torch

    # A whole batch at once spends most of its time on page faults: 0.5 s instead of 0.1 s at 192 pixels.
    parts = [_augment_few(few, side, rng) for few in torch.split(pixels, 16)]
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def _augment_few(pixels: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    import torch
    from torch.nn import functional

    n = len(pixels)
    near = min(pixels.shape[1], round(side * 1.15))
    images = functional.interpolate(pixels.permute(0, 3, 1, 2), (near, near), mode="bilinear", antialias=True)
    grid = functional.affine_grid(_crops(n, rng), [n, 3, side, side], align_corners=False)
    images = images.float().contiguous(memory_format=torch.contiguous_format).div_(255)
    images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)

    blurred = torch.from_numpy(rng.random(n) < 0.2)
    images[blurred] = functional.avg_pool2d(images[blurred], 3, stride=1, padding=1, count_include_pad=False)
    light = rng.normal([1.0, 1.0, 0.0], [0.12, 0.12, 0.025], (n, 3)).astype(np.float32)
    contrast, brightness, noise = torch.from_numpy(light)[:, :, None, None, None].unbind(1)
    images.sub_(0.5).mul_(contrast).add_(0.5).mul_(brightness).add_(torch.randn_like(images).mul_(noise.abs()))
    return images.clamp_(0, 1).sub_(MEAN_AND_STD).div_(MEAN_AND_STD)


def _crops(n: int, rng: np.random.Generator) -> Tensor:
    """Draw affine maps, shape (n, 2, 3), of slightly turned and stretched windows within the picture."""
    import torch

    scale = rng.uniform(0.72, 1.04, (n, 1)) * rng.uniform(0.92, 1.08, (n, 2))
    angle = rng.normal(0.0, 0.05, n)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(n, 2, 2)
    shift = rng.uniform(-1, 1, (n, 2)) * np.clip(1 - scale, 0.02, None)
    maps = np.concatenate([turn * scale[:, None, :], shift[:, :, None]], axis=2)
    return torch.from_numpy(maps.astype(np.float32))


def held_out_recall(tower: Tower, test: Corpus, side: int) -> dict[str, tuple[float, float, float]]:
    """Recall at 1, 5 and 10 of each caption's picture among all of `test`, per collection."""
    import torch
    from torch.nn import functional

    for module in tower.modules():
        module.eval()
    parts = []
    with torch.inference_mode():
        for start in range(0, len(test.pixels), 100):
            images = torch.from_numpy(test.pixels[start : start + 100]).permute(0, 3, 1, 2)
            images = functional.interpolate(images, (side, side), mode="bilinear", antialias=True)
            with torch.autocast("cpu", torch.bfloat16):
                features = tower.features((images.float() / 255 - MEAN_AND_STD) / MEAN_AND_STD)
            parts.append(functional.normalize(tower.projection(features.float()), dim=1))
    scores = test.vectors @ torch.cat(parts).numpy().T
    rows, columns = np.nonzero(test.captions_of >= 0)
    captions = test.captions_of[rows, columns]
    own = scores[captions, rows]
    ranks = (scores[captions] > own[:, None]).sum(axis=1)
    return {
        COLLECTIONS[number]: _recall(ranks[test.collections[rows] == number]) for number in np.unique(test.collections)
    }


def _recall(ranks: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    at_1, at_5, at_10 = (round(float((ranks < k).mean()), 3) for k in (1, 5, 10))
    return at_1, at_5, at_10


def export(tower: Tower, side: int, run: Run, out: Path) -> None:
    """Write the tower as a sentence-transformers folder in half precision; `out` is never half written."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Dense, Normalize, Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import ViTImageProcessorPil

    unfinished = out.with_name(f"{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    backbone = unfinished / "backbone"
    tower.backbone.save_pretrained(backbone)
    statistics = [MEAN_AND_STD] * 3
    ViTImageProcessorPil(
        size={"height": side, "width": side}, image_mean=statistics, image_std=statistics, do_convert_rgb=True
    ).save_pretrained(backbone)
    dense = Dense(WIDTHS[-1], DIMENSION, activation_function=None)
    dense.linear.load_state_dict(tower.projection.state_dict())
    modules = [Transformer(str(backbone)), Pooling(WIDTHS[-1], "mean"), dense, Normalize()]
    SentenceTransformer(modules=modules, device="cpu").save(str(unfinished / "model"), create_model_card=False)
    finished = unfinished / "model"
    for weights in finished.rglob("*.safetensors"):
        _halve(weights)
    (finished / "README.md").write_text(model_card(run), encoding="utf-8")
    former = out.with_name(f"{out.name}.former")
    if out.exists():
        out.rename(former)
    finished.rename(out)
    for leftover in (former, unfinished):
        shutil.rmtree(leftover, ignore_errors=True)
    logger.info("exported to %s", out)


def model_card(run: Run) -> str:
    """Say what the model is, how it came about, and how good it is on scenes that it was not trained on."""
    table = "\n".join(
        f"| {collection} | {' | '.join(f'{recall:.3f}' for recall in recalls)} |"
        for collection, recalls in run.held_out.items()
    )
    return f"""\
---
library_name: sentence-transformers
pipeline_tag: sentence-similarity
---
# The bundled image tower

The image half of Imagerag's default image–text dual encoder. `imagerag_assets.models.dual_encoder` joins it
with the unchanged all-MiniLM-L6-v2 (Apache-2.0), so that its {DIMENSION}-dimensional vectors are compared by
cosine with plain MiniLM vectors. Standard sentence-transformers modules only; weights in half precision,
computed in single precision.

**For the sample corpus only.** It has seen nothing but drawn scenes of that corpus' four collections; it
exists so that a fresh clone works without network and without key. For images of your own set
`models.image_text` to CLIP, SigLIP or the like.

- Tower: ResNet of basic blocks, widths {WIDTHS}, depths {DEPTHS}; mean pooling, Dense, Normalize.
- Data: {run.pictures:,} pictures of random scenes and of crops around their details, with {run.captions:,}
  distinct captions, drawn by `imagerag_assets.sample.training_set` from seeds that the corpus does not use.
- Training: {run.steps:,} steps of {BATCH} pictures in {run.minutes:.0f} minutes on CPU; InfoNCE against the
  frozen caption vectors, and cross-entropy of the scenes' facts on a head that was dropped; averaged weights;
  seed 0.

Text → image recall on {HELD_OUT_PER_COLLECTION} held-out scenes of each collection: every caption against the
pictures of all collections together. A short caption is true of many pictures, so Recall@1 cannot reach 1.

| collection | R@1 | R@5 | R@10 |
| --- | --- | --- | --- |
{table}
"""


def _optimizer(tower: Tower) -> torch.optim.AdamW:
    """AdamW that leaves norms, biases and the temperature undecayed."""
    import torch

    parameters = [p for module in tower.modules() for p in module.parameters()]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        {"params": [tower.log_scale], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.98))


def _update_average(average: Tower, tower: Tower, decay: float) -> None:
    import torch

    with torch.no_grad():
        for slow, fast in zip(average.modules(), tower.modules(), strict=True):
            for old, new in zip(slow.state_dict().values(), fast.state_dict().values(), strict=True):
                if old.is_floating_point():
                    old.lerp_(new, 1 - decay)


def _batches(n: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    while True:
        order = rng.permutation(n)
        for start in range(0, n - BATCH + 1, BATCH):
            yield order[start : start + BATCH]


def _halve(weights: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    tensors = load_file(weights)
    halved = {name: t.to(torch.float16) if t.is_floating_point() else t for name, t in tensors.items()}
    save_file(halved, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # safetensors writes files that only their owner reads


if __name__ == "__main__":
    main()
