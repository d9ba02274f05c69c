"""OCR: what real engines read in small drawn pictures, turned, tiny, huge, empty and hostile ones."""

from __future__ import annotations

import os
import signal
from functools import cache
from importlib import util
from itertools import pairwise
from pathlib import Path

import font_roboto
import numpy as np
import onnxruntime
import psutil
import pytesseract
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from imagerag_assets.errors import ItemError, ModelError
from imagerag_assets.images.processes import ProcessPool
from imagerag_assets.models import ocr
from imagerag_assets.models.ocr import rapid, tesseract, tesseract_process, windows
from imagerag_assets.models.ocr.both import join
from imagerag_assets.models.ocr.subnormals import _float_weights, without_subnormals
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


def test_a_machine_without_tesseract_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    tesseract.version.cache_clear()
    with pytest.raises(ModelError, match=r"no language pack for xyz; it has eng, fra.*tesseract-ocr-xyz"):
        ocr.engine_identity(Ocr(engine="tesseract"), frozenset({"eng", "xyz"}))
    monkeypatch.setattr(tesseract_process, "find_library", {}.get)
    monkeypatch.setenv("PATH", "/nowhere")
    nothing = tesseract_process.installed()
    assert nothing is None
    alone = ProcessPool(tesseract._Reader)
    monkeypatch.setattr(tesseract, "readers", lambda: alone)
    with alone.process() as process:
        monkeypatch.setattr(process, "said", nothing)
    with pytest.raises(ModelError, match="Tesseract is not installed, or its library is not found"):
        ocr.engine_identity(Ocr(engine="tesseract"), frozenset({"eng"}))
    alone.close()


@pytest.mark.parametrize("mode", [3, 11])
def test_tesseracts_library_reads_what_its_program_reads(mode: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tesseract, "ENLARGE_BELOW", 0)
    # An empty page between two others: nothing of one picture is left for the next.
    # Words side by side and a lone one: each mode reads them differently.
    scattered = Image.new("RGB", (900, 400), "white")
    scattered.paste(drawn(("Accès refusé", "Paper jam"), (400, 120), 30), (0, 0))
    scattered.paste(drawn(("Total 41.20", "Toner low"), (400, 120), 30), (480, 20))
    scattered.paste(drawn(("K7",), (120, 60), 20), (300, 300))
    for picture in (receipt()[0], Image.new("RGB", (90, 60), "white"), scattered):
        table = pytesseract.image_to_data(
            picture, lang="eng+fra", config=f"--psm {mode}", output_type=pytesseract.Output.DICT
        )
        rows = zip(*(table[name] for name in ("text", "left", "top", "width", "height", "conf")), strict=True)
        by_program = [
            (text, left, top, left + width, top + height, confidence / 100)
            for text, left, top, width, height, confidence in rows
            if text.strip() and confidence >= 100 * tesseract.MINIMUM_CONFIDENCE
        ]
        words = tesseract.read_words(picture, ("eng", "fra"), mode)
        assert [(w.text, w.x0, w.y0, w.x1, w.y1, w.confidence) for w in words] == by_program


def dying(monkeypatch: pytest.MonkeyPatch, by: signal.Signals) -> None:
    """The next picture does that to the process that reads it, and no later one does."""
    real = tesseract._Reader.ask

    def ask(self: tesseract._Reader, picture: tesseract_process.Picture) -> object:
        os.kill(self.pid, by)
        monkeypatch.setattr(tesseract._Reader, "ask", real)
        return real(self, picture)

    monkeypatch.setattr(tesseract._Reader, "ask", ask)


@pytest.mark.parametrize(("by", "reason"), [("SIGSEGV", "ocr_failed"), ("SIGSTOP", "ocr_timeout")])
def test_a_picture_that_crashes_or_hangs_tesseract_costs_only_itself(
    by: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = drawn(("Paper jam",), (300, 60), 30)
    dying(monkeypatch, signal.Signals[by])
    monkeypatch.setattr(tesseract, "_SECONDS", 1)
    with pytest.raises(ItemError, match=r"Tesseract: (The process .* ended by SIGSEGV|It took more than 1 s)") as told:
        read(picture, "tesseract")
    assert told.value.reason == reason
    monkeypatch.setattr(tesseract, "_SECONDS", 60)
    assert read(picture, "tesseract").text == "Paper jam"


def test_the_limit_on_tesseracts_threads_reaches_its_processes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "OMP_THREAD_LIMIT" not in os.environ, "torch computes wrongly under it"
    with tesseract.readers().process() as process:
        assert psutil.Process(process.pid).environ()["OMP_THREAD_LIMIT"] == "1"
    assert "OMP_THREAD_LIMIT" not in os.environ


def test_the_detector_without_its_subnormal_weights_says_the_same() -> None:
    def subnormal(model: bytes) -> int:
        data = bytearray(model)
        weights = np.concatenate([np.frombuffer(data[where], "<f4") for where in _float_weights(data)])
        return int(((weights != 0) & (np.abs(weights) < np.finfo(np.float32).tiny)).sum())

    model = rapid._models()[0].read_bytes()
    # Should a later wheel have none, `subnormals` can go.
    assert subnormal(model) > 100_000
    assert subnormal(without_subnormals(model)) == 0
    pixels = np.asarray(receipt()[0].resize((320, 256)), np.float32).transpose(2, 0, 1)[None] / 127.5 - 1
    plain = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (name,) = (one.name for one in plain.get_inputs())
    assert np.array_equal(rapid._detector().run(None, {name: pixels})[0], plain.run(None, {name: pixels})[0])
    rapid.read_words(receipt()[0])
    assert rapid._engine().text_det.session.session is rapid._detector()


def test_an_engines_identity_names_its_version_and_options() -> None:
    rapid.identity.cache_clear()
    tesseract.version.cache_clear()
    both = ocr.engine_identity(Ocr(engine="both", page_segmentation=6), frozenset({"eng"}))
    assert both["engine"] == "both"
    assert both["rapidocr"].startswith("3.")
    assert both["tesseract"].endswith("psm 6")
    assert "tesseract" not in ocr.engine_identity(Ocr(page_segmentation=6), frozenset({"xyz"}))
