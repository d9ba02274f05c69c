"""How the legs' scores become one: the guide's reciprocal rank fusion, and calibrated evidence.

Evidence of a leg is the logarithm of how much more likely its score is for the right image than for any other:

    evidence(x) = ln(1 − π + π · exp(α + β · x))

x is the leg's standardised score: standard deviations above the collection's background for the vector legs, the share
of the best possible BM25 score for the lexical leg. π is how often the leg knows anything about a query: a leg that
knows nothing can add or take away next to nothing (ln(1 − π)); α and β are the slope of the log-likelihood ratio where
it does know. `calibration` measures the three per collection and leg.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagerag_assets.retrieval.methods import Method

# The guide's weighted reciprocal rank fusion: k from Cormack, Clarke & Büttcher (2009), 0.7 for the visual leg.
RRF_K = 60
RRF_VISUAL = 0.7


@dataclass(frozen=True)
class LegCalibration:
    """π, α and β of one leg in one collection."""

    knows: float
    offset: float
    slope: float


DEFAULT_CALIBRATION = {
    "clip": LegCalibration(0.5, -4.0, 2.0),
    "description": LegCalibration(0.5, -4.0, 2.0),
    "text": LegCalibration(0.5, -3.0, 12.0),
}
"""Used for a collection that is too small to measure its own."""

_STANDARDISED = {"clip": "clip_z", "description": "description_z", "text": "text_share"}


def score_expressions(method: Method) -> tuple[str, str]:
    """SQL for (which image of a group of duplicates shows, the final score), over search.sql's columns."""
    if method == "rrf":
        ranks = (
            f"{RRF_VISUAL} / ({RRF_K} + clip_rank)",
            f"{1 - RRF_VISUAL:.1f} / ({RRF_K} + description_rank)",
        )
        return "coalesce(clip, description)", " + ".join(f"coalesce({part}, 0)" for part in ranks)
    if method == "hybrid":
        return _evidence(), "folding"
    return method, method


def default_parameters() -> dict[str, float]:
    """Query parameters of search.sql for collections without a calibration of their own."""
    return {
        f"{leg}_{name}": value
        for leg, one in DEFAULT_CALIBRATION.items()
        for name, value in (("knows", one.knows), ("offset", one.offset), ("slope", one.slope))
    }


def _evidence() -> str:
    """The sum of all legs' evidence; a leg that did not run says nothing. exp is cut off where it would overflow."""
    parts = [
        f"coalesce(ln(1 - {leg}_knows + {leg}_knows * exp(least({leg}_offset + {leg}_slope * {x}, 60))), 0)"
        for leg, x in _STANDARDISED.items()
    ]
    return "(" + " + ".join(parts) + ")"
