"""Made things to work on: photographs, a model of CLIP's size; and what a process took."""

from __future__ import annotations

import io
import string
from pathlib import Path

import numpy as np
from PIL import Image

SCALED_DOWN = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}


def photograph(number: int, size: tuple[int, int]) -> Image.Image:
    """Colours, edges and a camera's grain: it packs and unpacks as a photo does."""
    rng = np.random.default_rng(number)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 256, (size[1] // cell, size[0] // cell, 3), dtype=np.uint8)).resize(
                size, Image.Resampling.BICUBIC
            ),
            dtype=np.float32,
        )
        for cell in (40, 5)
    ]
    grain = rng.normal(0, 6, (size[1], size[0], 1)).astype(np.float32)
    pixels = 0.8 * layers[0] + 0.2 * layers[1] + grain
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_photographs(folder: Path, count: int, size: tuple[int, int]) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"photo-{number:05d}.jpg" for number in range(count)]
    for number, file in enumerate(files):
        file.write_bytes(jpeg(photograph(number, size)))
    return files


def clip_model(folder: Path, *, small: bool) -> Path:
    """A CLIP of random weights that spells its words: ViT-B/32, or `small`. What it says means nothing."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor, CLIPTokenizer

    letters = [letter for letter in string.printable[:94] if not letter.isupper()]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    numbered = {token: number for number, token in enumerate(tokens)}
    tokenizer = CLIPTokenizer(vocab=numbered, merges=[], model_max_length=77)
    ends = {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1, "vocab_size": len(tokens)}
    size = SCALED_DOWN if small else {}
    config = CLIPConfig(text_config=size | ends, vision_config=dict(size))
    CLIPModel(config).save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessorPil(), tokenizer).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def peak_mb() -> float:
    """Peak resident memory of this process since it was started.

    Not getrusage's, which a child takes over from the process that started it, however small it is itself.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
