"""What the page says of one result, without a browser."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagerag_assets.retrieval.search import Result
from imagerag_assets.serving.page import views

RESULT = Result("shop", "a.png", "c" * 64, "c" * 64, 1.0, {}, None, 10, 10, "a red mug", "mug", (), "")


@pytest.mark.parametrize(("confidence", "is_flagged"), [(0.3, True), (0.5, False), (None, False)])
def test_a_description_that_is_not_to_be_trusted_is_flagged(confidence: float | None, is_flagged: bool) -> None:
    told = views.details(replace(RESULT, confidence=confidence), "mug", trust=0.5)
    assert ("not to be trusted: confidence 0.30" in told) == is_flagged
    assert "a red mug" in told
