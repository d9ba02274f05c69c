"""How the legs' scores become one: the guide's reciprocal rank fusion, and the evidence of standardised scores.

Evidence of a leg is the logarithm of how much more likely its score is for the right image than for any other:

    evidence(x) = ln(1 − π + π · exp(α + β · x))

x is the leg's standardised score: standard deviations above the background of this search for the vector legs, the
share of the best possible BM25 score for the lexical leg. π is how often the leg knows anything about a query: a low
score can take away no more than ln(1 − π), so that a leg that knows nothing does not drown the one that does. α and β
are the log-likelihood ratio where it does know; for two normal distributions of equal spread, β apart, α is −β²/2.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagerag_assets.retrieval.methods import Leg, Method

# The guide's weighted reciprocal rank fusion: k from Cormack, Clarke & Büttcher (2009), 0.7 for the visual leg.
RRF_K = 60
RRF_VISUAL = 0.7


@dataclass(frozen=True)
class LegEvidence:
    """π, α and β of one leg."""

    knows: float
    offset: float
    slope: float


# One setting for all collections, chosen where the legs' worth differs most: photos without text whose encoder knows
# something, and screenshots whose encoder knows nothing (docs/fusion.md has the figures).
EVIDENCE: dict[Leg, LegEvidence] = {
    "clip": LegEvidence(0.5, -4.5, 3.0),
    "description": LegEvidence(0.3, -0.5, 1.0),
    "text": LegEvidence(0.8, -2.0, 30.0),
}

_STANDARDISED: dict[Leg, str] = {"clip": "clip_z", "description": "description_z", "text": "text_share"}


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


def parameters() -> dict[str, float]:
    """Query parameters of the evidence expression."""
    return {
        f"{leg}_{name}": value
        for leg, one in EVIDENCE.items()
        for name, value in (("knows", one.knows), ("offset", one.offset), ("slope", one.slope))
    }


def _evidence() -> str:
    """The sum of all legs' evidence; a leg that did not run says nothing. exp is cut off where it would overflow."""
    parts = [
        f"coalesce(ln(1 - %({leg}_knows)s + %({leg}_knows)s"
        f" * exp(greatest(least(%({leg}_offset)s + %({leg}_slope)s * {score}, 60), -700))), 0)"
        for leg, score in _STANDARDISED.items()
    ]
    return "(" + " + ".join(parts) + ")"
