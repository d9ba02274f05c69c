"""OCR: what real engines read in small drawn pictures, turned, tiny, huge, empty and hostile ones."""

from __future__ import annotations

import os
from functools import cache
from importlib import util
from itertools import pairwise
from pathlib import Path

import font_roboto
import pytesseract
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from imagerag_assets.errors import ModelError
from imagerag_assets.models import ocr
from imagerag_assets.models.ocr import rapid, tesseract, windows
from imagerag_assets.models.ocr.both import join
from imagerag_assets.models.ocr.text import Word
from imagerag_assets.models.ocr.windows import read_in_windows
from imagerag_assets.retrieval.tokens import terms
from imagerag_assets.settings import Ocr

ENGINES = ("rapidocr", "tesseract", "both")
FONT = str(next(Path(font_roboto.__file__).parent.rglob("Roboto-Regular.ttf")))
RECEIPT = ("LIBRAIRIE DU CANAL", "Café crème 2,40", "Thé à la menthe 3,10", "Total 5,50", "Ticket 004182")


def drawn(lines: tuple[str, ...], size: tuple[int, int], points: int, left: int = 20) -> Image.Image:
    """Black lines on white, evenly over the height."""
    picture = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(FONT, points)
    for number, line in enumerate(lines):
        pen.text((left, (number + 0.3) * size[1] / len(lines)), line, font=font, fill="black")
    return picture


def read(picture: Image.Image, engine: str = "rapidocr") -> ocr.OcrText:
    return ocr.read(picture, Ocr.model_validate({"engine": engine}), ("eng", "fra"))


@cache
def receipt(engine: str = "rapidocr", turn: int = 0) -> tuple[Image.Image, ocr.OcrText]:
    """A receipt that lies on its side, and what was read in it."""
    picture = drawn(RECEIPT, (360, 300), 24).rotate(turn, expand=True)
    return picture, read(picture, engine)


@pytest.mark.parametrize("engine", ENGINES)
def test_french_is_read_with_its_accents(engine: str) -> None:
    _, found = receipt(engine)
    assert found.text.split() == " ".join(RECEIPT).split()
    assert (found.engine, found.turned) == (engine, 0)
    assert found.languages == (() if engine == "rapidocr" else ("eng", "fra"))
    assert found.mean_confidence is not None
    assert found.mean_confidence > 0.8


@pytest.mark.parametrize(
    ("engine", "turn"), [("rapidocr", 90), ("rapidocr", 180), ("rapidocr", 270), ("tesseract", 90)]
)
def test_a_receipt_on_its_side_reads_the_same(engine: str, turn: int) -> None:
    _, found = receipt(engine, turn)
    assert found.text == receipt(engine)[1].text
    assert found.turned == 360 - turn


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_word_boxes_are_in_the_pictures_own_pixels_whichever_way_it_is_read(turn: int) -> None:
    picture, found = receipt(turn=turn)
    for word in found.words:
        assert 0 <= word.x0 < word.x1 <= picture.width
        assert 0 <= word.y0 < word.y1 <= picture.height
        inside = picture.crop((word.x0, word.y0, word.x1, word.y1))
        assert inside.convert("L").histogram()[:60] != [0] * 60, word
    box = next(word for word in found.words if word.text == "LIBRAIRIE")
    around = Image.new("L", picture.size)
    around.paste(255, (box.x0, box.y0, box.x1, box.y1))
    # Drawn at (20, 18), about 110 wide and 20 high, before it was turned.
    back = around.rotate(-turn, expand=True).getbbox()
    assert back == pytest.approx((20, 20, 132, 44), abs=8)


def test_small_letters_are_read() -> None:
    found = read(drawn(("Paper jam in tray three", "Accès refusé 0x80070035"), (170, 50), 11, left=6))
    assert found.text.splitlines() == ["Paper jam in tray three", "Accès refusé 0x80070035"]


def test_a_very_large_scan_is_read_without_cutting_a_line() -> None:
    lines = tuple(f"{row}0{row} " + " ".join(f"mot{row}{number:02d}" for number in range(13)) for row in (1, 2))
    picture = drawn(lines, (2500, 260), 40)
    found = read(picture)
    assert found.text.splitlines() == list(lines)
    assert all(word.x1 <= picture.width for word in found.words)


def test_letters_larger_than_a_window_are_found_in_the_picture_as_a_whole() -> None:
    seen: list[tuple[int, int]] = []

    def reader(picture: Image.Image) -> list[Word]:
        seen.append(picture.size)
        # Sees large letters in a small picture only.
        return [] if max(picture.size) < windows.WHOLE else [Word("OUVERT", 100, 100, 1900, 500, 0.9, 0)]

    (word,) = read_in_windows(Image.new("RGB", (4000, 1200)), reader)
    assert (word.x0, word.y0, word.x1, word.y1) == (200, 200, 3800, 1000)
    assert seen[-1] == (2000, 600)


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_windows_cover_a_picture_and_share_enough_for_a_word(width: int, height: int) -> None:
    boxes = windows.windows(width, height)
    for low, high, end in ((0, 2, width), (1, 3, height)):
        spans = sorted({(box[low], box[high]) for box in boxes})
        assert (spans[0][0], spans[-1][1]) == (0, end)
        for (_, stop), (start, _) in pairwise(spans):
            assert stop - start >= windows.OVERLAP - 1
        assert all(stop - start <= windows.SIDE for start, stop in spans)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("size", [(1, 1), (300, 1), (1, 300), (64, 64)])
def test_a_picture_without_text_is_a_result(engine: str, size: tuple[int, int]) -> None:
    found = read(Image.new("RGB", size, "white"), engine)
    assert (found.text, found.words, found.mean_confidence, found.turned) == ("", (), None, 0)


def test_words_without_accents_find_what_was_read_with_them() -> None:
    assert set(terms("cafe creme menthe the")) <= set(terms(receipt()[1].text))


def word(text: str, x0: int, confidence: float, line: int = 0) -> Word:
    return Word(text, x0, 0, x0 + 50, 20, confidence, line)


def test_both_take_the_surer_engine_line_by_line() -> None:
    sure, unsure = (
        [word("Ticket", 0, 0.95), word("004182", 60, 0.95)],
        [word("Tlcket", 0, 0.6), word("OO4182", 60, 0.6)],
    )
    assert [one.text for one in join(sure, unsure)] == ["Ticket", "004182"]
    assert [one.text for one in join(unsure, sure)] == ["Ticket", "004182"]


def test_both_take_accents_from_tesseract_when_the_letters_agree() -> None:
    assert [one.text for one in join([word("expire", 0, 0.99)], [word("expiré", 0, 0.5)])] == ["expiré"]


def test_both_divide_words_as_tesseract_does_when_the_letters_agree() -> None:
    apart = [word("Remplacez", 0, 0.6), word("le", 60, 0.6), word("filtre", 120, 0.6)]
    glued = Word("Remplacezlefiltre", 0, 0, 170, 20, 0.9, 0)
    assert [(one.text, one.confidence) for one in join([glued], apart)] == [
        ("Remplacez", 0.9), ("le", 0.9), ("filtre", 0.9),
    ]  # fmt: skip
    assert [one.text for one in join([word("garçon", 0, 0.9)], [word("garcon", 0, 0.95)])] == ["garçon"]


def test_both_add_what_only_tesseract_is_sure_of() -> None:
    alone = [word("Sortie", 200, 0.9), word("~|", 300, 0.9), word("fumée", 400, 0.5)]
    assert [one.text for one in join([word("Hall", 0, 0.9)], alone)] == ["Hall", "Sortie"]


def test_an_engine_that_is_not_installed_is_told_and_no_other_steps_in(monkeypatch: pytest.MonkeyPatch) -> None:
    rapid.identity.cache_clear()
    real = util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "onnxruntime" else real(name))
    with pytest.raises(ModelError, match=r"ocr.engine rapidocr is not installed.*pip install"):
        ocr.engine_identity(Ocr(), frozenset())
    tesseract.version.cache_clear()
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ModelError, match="Tesseract is not installed, or not on the PATH"):
        ocr.engine_identity(Ocr(engine="tesseract"), frozenset({"eng"}))


def test_the_limit_on_tesseracts_threads_reaches_its_processes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_THREAD_LIMIT", raising=False)
    program = tmp_path / "tesseract"
    program.write_text(f'#!/bin/sh\necho "$OMP_THREAD_LIMIT" > {tmp_path}/limit\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(pytesseract.TesseractError):
        pytesseract.image_to_string(Image.new("RGB", (40, 40)))
    assert (tmp_path / "limit").read_text() == "1\n"
    assert "OMP_THREAD_LIMIT" not in os.environ, "torch computes wrongly under it"


def test_an_engines_identity_names_its_version_and_options() -> None:
    rapid.identity.cache_clear()
    tesseract.version.cache_clear()
    both = ocr.engine_identity(Ocr(engine="both", page_segmentation=6), frozenset({"eng"}))
    assert both["engine"] == "both"
    assert both["rapidocr"].startswith("3.")
    assert both["tesseract"].endswith("psm 6")
    assert "tesseract" not in ocr.engine_identity(Ocr(page_segmentation=6), frozenset({"xyz"}))
