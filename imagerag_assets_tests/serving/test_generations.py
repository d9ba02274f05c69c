"""What `imagerag generations` tells a program. The gate's story is told in assets/test_gate.py."""

from __future__ import annotations

import json

import numpy as np

from imagerag_assets.evaluation.gate import HEADER, comparison_rows
from imagerag_assets.evaluation.significance import compared
from imagerag_assets.serving.comparisons import comparison_json

ONE_QUERY = [("clip", compared("hit_at_1", np.array([0.0]), np.array([1.0])))]


def test_the_interval_of_a_single_query_is_unknown_to_people() -> None:
    (row,) = comparison_rows(ONE_QUERY)
    assert row[HEADER.index("95 % interval")] == "unknown"


def test_the_interval_of_a_single_query_is_valid_json() -> None:
    (told,) = comparison_json(ONE_QUERY)
    again = json.loads(json.dumps(told, allow_nan=False))
    assert (again["low"], again["high"], again["verdict"]) == (None, None, "no difference seen")
