"""What a signal is worth: shares of mismatched pairs, the shape of right descriptions, and what they add up to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from imagerag_assets.retrieval.trust import (
    IMAGE_KAPPA,
    JUDGE_RATIOS,
    PRIOR_WRONG,
    TEXT_KAPPA,
    Mismatched,
    Shape,
    TextFeatures,
    confidence,
    fit,
    says_something,
)

SHARES = st.floats(min_value=0.001, max_value=0.999)


def pairs(count: int, noise: float, swapped: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(descriptions, images) as unit vectors that go together but for noise; the first ones go with each other's."""
    rng = np.random.default_rng(5)
    shown = rng.normal(size=(count, 48))
    said = shown + noise * rng.normal(size=shown.shape)
    said[:swapped] = np.roll(said[:swapped], 1, axis=0)
    return said / np.linalg.norm(said, axis=1, keepdims=True), shown / np.linalg.norm(shown, axis=1, keepdims=True)


def test_the_share_of_mismatched_pairs_that_go_better_together_tells_the_swapped_from_the_right() -> None:
    beaten = Mismatched(*pairs(60, noise=1.0, swapped=6)).beaten_by_row()
    assert beaten[6:].max() < beaten[:6].min()
    assert beaten[6:].max() < 0.05
    shape = fit(beaten)
    right = [confidence([shape.ratio(float(one), IMAGE_KAPPA)]) or 0.0 for one in beaten]
    assert max(right[:6]) < 0.5 < min(right[6:])


def test_a_pair_outside_the_sample_is_measured_as_one_inside() -> None:
    said, shown = pairs(40, noise=1.0)
    with_all, without = Mismatched(said, shown), Mismatched(said[1:], shown[1:])
    assert without.beaten(said[0], shown[0]) == with_all.beaten(said[0], shown[0], row=0)


def test_a_description_that_goes_with_everything_is_no_better_for_it() -> None:
    said, shown = pairs(40, noise=1.0, swapped=2)
    # Nearer to all images, and still no nearer to its own.
    middle = shown.mean(axis=0)
    said[0] = 0.2 * said[0] + middle / np.linalg.norm(middle)
    assert Mismatched(said, shown).beaten_by_row()[0] > 0.1


def test_a_model_that_knows_nothing_here_says_nothing() -> None:
    rng = np.random.default_rng(6)
    said, shown = rng.normal(size=(2, 100, 48))
    shape = fit(Mismatched(said, shown).beaten_by_row())
    assert shape == Shape(1, 1)
    assert confidence([shape.ratio(0.9, IMAGE_KAPPA)]) == pytest.approx(1 - PRIOR_WRONG)


@given(SHARES, SHARES, st.sampled_from([Shape(0.5, 64), Shape(1, 4), Shape(0.1, 1)]))
def test_who_is_beaten_more_often_is_never_trusted_more(one: float, other: float, shape: Shape) -> None:
    less, more = sorted((one, other))
    assert shape.ratio(less, IMAGE_KAPPA) >= shape.ratio(more, IMAGE_KAPPA) - 1e-12


@given(SHARES, st.sampled_from([Shape(0.5, 64), Shape(0.1, 64), Shape(0.1, 1)]))
def test_a_signal_vouches_and_condemns_within_bounds(share: float, shape: Shape) -> None:
    assert shape.ratio(share, TEXT_KAPPA) <= 1 / (1 - TEXT_KAPPA)
    assert shape.ratio(share, IMAGE_KAPPA) >= 0.02
    alone = confidence([shape.ratio(share, IMAGE_KAPPA)])
    assert alone is not None
    assert 0.1 < alone < 1


def test_no_signal_is_no_confidence_and_a_judge_is_heard_against_all_others() -> None:
    assert confidence([]) is None
    best, worst = (Shape(0.1, 64).ratio(share, IMAGE_KAPPA) for share in (0.001, 0.999))
    assert (confidence([best, best, JUDGE_RATIOS["contradicted"]]) or 1) < 0.5
    assert (confidence([worst, JUDGE_RATIOS["supported"]]) or 0) > 0.5
    assert confidence([JUDGE_RATIOS["doubtful"]]) == pytest.approx(1 - PRIOR_WRONG)
    assert (confidence([JUDGE_RATIOS["supported"]]) or 0) > 0.95


OCR = "ERREUR 0x80070035\nLe chemin réseau n'a pas été trouvé\nRéessayer Annuler"


@pytest.mark.parametrize(
    "visible",
    [
        "Réessayer Annuler. Le chemin réseau n'a pas été trouvé: ERREUR 0x80070035",
        "erreur 0X80070035 le chemin reseau n a pas ete trouve reessayer annuler",
        "ERREVR 0x8007003S Le chernin réseau n'a pas été trouve Réessaye Annu1er",
        "Le chemin réseau n'a pas été trouvé",
    ],
    ids=["order", "case and accents", "misread", "a part"],
)
def test_text_agrees_in_whatever_order_case_or_accents_and_however_misread(visible: str) -> None:
    others = [f"Fenêtre {number}: le fichier a été enregistré. OK Annuler" for number in range(12)]
    features = TextFeatures([OCR, *others])
    mine, read, *rest = features.encode([visible, OCR, *others])
    assert mine @ read > 2 * max(float(mine @ other) for other in rest)


def test_letters_that_texture_was_taken_for_say_nothing() -> None:
    assert not says_something("")
    assert not says_something("| a *) & ec À\n—")
    assert says_something("OPEN")
    assert not TextFeatures(["abc"]).encode(["| — ?"]).any()
