"""What is sent of an image: its size, its true type, and nothing that a provider refuses for its weight."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imagerag_assets.models.describers.picture import prepare


def test_a_heavy_scan_in_shades_of_grey_is_sent_as_a_photograph() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2000, 2000), dtype=np.uint8)
    sent = prepare(Image.fromarray(noise).convert("RGB"), 8192)
    assert (sent.mime, Image.open(io.BytesIO(sent.data)).format) == ("image/jpeg", "JPEG")
    assert prepare(Image.fromarray(noise[:300, :300]).convert("RGB"), 8192).mime == "image/png"


@pytest.mark.parametrize("size", [(1, 1), (1, 9000), (9000, 1), (513, 512)])
def test_any_shape_is_sent_whole_and_no_larger_than_asked(size: tuple[int, int]) -> None:
    sent = prepare(Image.new("RGB", size, "red"), 512)
    picture = Image.open(io.BytesIO(sent.data))
    assert picture.size == (sent.width, sent.height)
    assert max(picture.size) <= 512
    assert min(picture.size) >= 1
    assert sent.url.startswith(f"data:{Image.MIME[str(picture.format)]};base64,")
