"""How the legs' scores become one: the guide's reciprocal rank fusion, and the evidence of calibrated scores.

A leg's softmax over the searched images is its guess at the right one; N times that is how much more likely an image
is than before the leg was asked (what a contrastive encoder is trained to give: van den Oord et al. 2018, "density
ratio"). The evidence of image i is its logarithm, mixed with the chance that the leg knows nothing about the query:

    evidence(i) = ln(1 − π + π · exp(τ · s_i) / mean_j exp(τ · s_j))

s is the leg's own score: a cosine, or Okapi BM25, whose inverse document frequencies are log odds already. τ says what
a point of it is worth, π how often the leg knows anything: a low score takes away no more than ln(1 − π), and no score
gives more than ln(π · N). A query of which a leg's scores do not tell the images apart adds nothing.

`clip`'s τ and π and `description`'s τ are measured by each collection (`calibration`); what is not is in the settings
(`fusion`). A flagged
description (`trust`) knows less: its image's π is smaller, so that it neither finds its image nor hides it.
"""

from __future__ import annotations

from imagerag_assets.methods import Leg, Method
from imagerag_assets.settings import Fusion

# The guide's weighted reciprocal rank fusion: k from Cormack, Clarke & Büttcher (2009), 0.7 for the visual leg.
RRF_K = 60
RRF_VISUAL = 0.7

# Of a collection that is too small to measure anything.
_DEFAULTS: dict[str, float] = {
    "default_clip_scale": 30.0,
    "default_clip_knows": 0.5,
    "default_description_scale": 30.0,
}

_LEGS: tuple[Leg, ...] = ("clip", "description", "text")
_TRUSTED = "least(description, description * trust)"
"""A similarity to a description that is flagged counts less; one below zero not more."""


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
    if method == "description":
        return _TRUSTED, _TRUSTED
    return method, method


def relevance_expression() -> str:
    """SQL for a result's relevance, over search.sql's last columns and the calibration `k` of its collection.

    The legs' scores in spreads above the best that queries without an answer find; their sum on the same queries' own
    scale. The logistic function is within 0.01 of the normal distribution's (Bowling et al. 2009).
    """
    total = (
        "(least(f.description, f.description * f.trust) - k.description_median) / k.description_spread"
        " + k.clip_knows * (f.clip - k.clip_median) / k.clip_spread"
        " + (coalesce(f.text_share, 0) - k.text_median) / k.text_spread"
    )
    logit = f"1.702 * ({total} - k.best_median) / k.best_spread"
    # least() and greatest() pass over null.
    return f"case when {logit} is not null then 1 / (1 + exp(greatest(least(-({logit}), 700), -700))) end"


def parameters(rules: Fusion) -> dict[str, float]:
    """Query parameters of the evidence expression, of search.sql's calibration and of its tiles."""
    return {**_DEFAULTS, **rules.model_dump()}


def _evidence() -> str:
    """The sum of all legs' evidence over the columns of `weighed`; a leg that did not run says nothing."""
    return "(" + " + ".join(f"coalesce(ln(1 - {leg}_knows + {leg}_knows * {leg}_ratio), 0)" for leg in _LEGS) + ")"
