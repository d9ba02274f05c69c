from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imagerag_assets.models.dual_encoder import assemble_bundled
from imagerag_assets.sample import training, training_set
from imagerag_assets.sample.scene import Drawing, Region, SceneModule
from imagerag_assets.sample.training import Corpus, Run, export, fact_targets, held_out_recall, new_tower

fractions = st.floats(0.0, 0.8)


@given(left=fractions, top=fractions, seed=st.integers(0, 1000), landscape=st.booleans())
def test_crop_shows_its_region_wholly(left: float, top: float, seed: int, landscape: bool) -> None:
    region = Region("lift", (left, top, left + 0.1, top + 0.1))
    size = (700, 500) if landscape else (500, 700)
    image = Image.new("RGB", size)
    x, y, right, bottom = (round(edge * side) for edge, side in zip(region.box, size * 2, strict=True))
    image.paste((255, 0, 0), (x, y, right, bottom))

    rng = np.random.default_rng(seed)
    example = training_set._crop_example(cast("SceneModule", _Plan()), Drawing(image, (region,)), rng)

    red = (example.pixels[:, :, 0] > 128).sum() / example.pixels[:, :, 0].size
    whole = size[0] * 0.1 * size[1] * 0.1
    largest, smallest = (np.array(training_set._TILE_SIDES[::-1]) * max(size)) ** 2
    assert whole / largest * 0.9 < red < whole / smallest * 1.15
    assert example.captions == ("a lift",)
    assert example.facts == {"region": "lift"}


def test_training_set_is_drawn_once_and_is_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_set, "CHUNK", 2)
    paths = training_set.draw_training_set(tmp_path / "a", "train", 3, ("products",))
    written = [path.stat().st_mtime_ns for path in paths]
    again = training_set.draw_training_set(tmp_path / "a", "train", 3, ("products",))
    other = training_set.draw_training_set(tmp_path / "b", "train", 3, ("products",))

    assert [path.stat().st_mtime_ns for path in again] == written
    pairs = zip(training_set.read_examples(paths), training_set.read_examples(other), strict=True)
    for one, same in pairs:
        assert one.captions == same.captions
        np.testing.assert_array_equal(one.pixels, same.pixels)


def test_held_out_scenes_are_not_training_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_set, "CHUNK", 4)
    splits: tuple[training_set.Split, ...] = ("train", "held_out")
    pixels = [
        {example.pixels.tobytes() for example in training_set.read_examples(paths)}
        for paths in (training_set.draw_training_set(tmp_path, split, 4, ("it_support",)) for split in splits)
    ]

    assert pixels[0].isdisjoint(pixels[1])


def test_facts_become_classes_and_free_text_does_not() -> None:
    facts = tuple({"p.colour": ("red", "blue")[n % 2], "p.words": f"text {n}"} for n in range(100))

    targets = fact_targets((*facts, {"p.colour": "mauve"}, {}))

    assert targets.classes == (("p.colour", "blue"), ("p.colour", "red"))
    assert targets.wanted[:2, 0].tolist() == [1, 0]
    assert targets.wanted[-2:, 0].tolist() == [-1, -1]  # too rare, and not told


def test_recall_counts_the_pictures_that_score_above_the_right_one() -> None:
    assert training._recall(np.array([0, 3, 7, 30])) == (0.25, 0.5, 0.75)


def test_caption_of_two_pictures_is_right_for_both() -> None:
    import torch

    logits = torch.tensor([[9.0, 9.0, 0.0]])

    both = training._likelihood_of_right(logits, torch.tensor([[True, True, False]]))
    one = training._likelihood_of_right(logits, torch.tensor([[True, False, False]]))

    assert float(both) == pytest.approx(np.log(0.5), abs=1e-3)
    assert float(one) == pytest.approx(float(both))


def test_exported_tower_gives_the_vectors_of_the_trained_one(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(3)
    tower = new_tower(fact_classes=1)
    pixels = np.random.default_rng(3).integers(0, 256, (20, 64, 64, 3), dtype=np.uint8)
    captions = np.arange(20)[:, None]
    run = Run(20, 20, 1, 0.5, {"products": (0.1, 0.2, 0.3)})
    export(tower, 64, run, tmp_path / "tower")
    encoder = assemble_bundled(tmp_path / "tower", "cpu")
    vectors = encoder.encode([Image.fromarray(square) for square in pixels])

    # Each picture's own vector as its caption: the tower must rank it first among twenty near-equal ones.
    corpus = Corpus(pixels, captions, vectors, np.zeros(20, dtype=np.int64), ({},) * 20)
    assert held_out_recall(tower, corpus, 64)["products"][1] == 1.0
    assert sum(path.stat().st_size for path in (tmp_path / "tower").rglob("*")) < 15_000_000
    assert "| products | 0.100 | 0.200 | 0.300 |" in (tmp_path / "tower" / "README.md").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["tower"]


class _Plan:
    """The part of a scene module that a crop needs."""

    COLLECTION = "real_estate"

    def region_captions(self, region: Region, rng: np.random.Generator) -> list[str]:
        del rng
        return [f"a {region.label}"]
