"""Any mode and any colour profile → RGB in sRGB, on white."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

# Differences of up to two of 255 steps are those between profiles that all mean sRGB.
_SAME_COLOURS = 2
_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB as `profile` (ICC) means it; a profile that is broken or of another colour space than the image is ignored.

    A wide-gamut photo that is read as if it were sRGB is dull, and a print proof is garish.
    """
    if not profile or image.mode.startswith(("I", "F")):
        return to_rgb(image)
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    alpha = image.getchannel("A") if image.mode in ("RGBA", "LA") else None
    colours = image.convert({"RGBA": "RGB", "LA": "L"}[image.mode]) if alpha else image
    transform = _transform(profile, colours.mode)
    if transform is None:
        return to_rgb(image)
    meant = ImageCms.applyTransform(colours, transform)
    if meant is None:
        return to_rgb(image)
    # A colour that stands for "transparent" is one of the file's own colours, not of sRGB's.
    if alpha is None and image.has_transparency_data:
        alpha = image.convert("RGBA").getchannel("A")
    if alpha is not None:
        meant.putalpha(alpha)
    return to_rgb(meant)


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB, with transparency on white and 16-bit grey scaled to 8."""
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith(("I;16", "I", "F")):
        return _from_wide(image).convert("RGB")
    if image.mode == "LAB":
        lab = ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB")
        return ImageCms.applyTransform(image, lab) or image.convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return image.convert("RGB")


def _from_wide(image: Image.Image) -> Image.Image:
    """Samples of 16 or 32 bits or floats as 8 bits of grey. In place: a large scan is large enough once."""
    grey = np.array(image, dtype=np.float32)
    np.nan_to_num(grey, copy=False, posinf=0.0, neginf=0.0)
    low, high = float(grey.min()), float(grey.max())
    # A 32-bit container mostly holds 16-bit samples; anything else is stretched to what it uses.
    if low >= 0:
        low, high = 0.0, 65535.0 if 255 < high <= 65535 else max(high, 1.0)
    # By halves: the span between two floats near the largest is no float any more.
    grey *= 0.5
    grey -= low / 2
    grey *= 255 / max(high / 2 - low / 2, 1e-30)
    np.clip(grey, 0, 255, out=grey)
    return Image.fromarray(grey.astype(np.uint8))


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """The way from `profile` to sRGB for images of `mode`; None when there is none, or when it changes nothing."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _SPACES.get(source.profile.xcolor_space) != mode:
            return None
        # What browsers and image editors do: relative colorimetric, black to black.
        transform = ImageCms.buildTransform(
            source, _srgb(), mode, "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
        probe = _probe(mode)
        after = ImageCms.applyTransform(probe, transform)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if after is None:
        return None
    before = np.asarray(probe.convert("RGB"), dtype=np.int16)
    changed = np.abs(before - np.asarray(after)).max() > _SAME_COLOURS
    # Most photos say that they are sRGB: to leave them as they are saves a pass over their pixels.
    return transform if changed or mode == "CMYK" else None


def _probe(mode: str) -> Image.Image:
    """Colours all over the mode's space, in one row."""
    steps = np.linspace(0, 255, {1: 256, 3: 9, 4: 5}[len(mode)]).astype(np.uint8)
    colours = np.stack(np.meshgrid(*[steps] * len(mode)), axis=-1).reshape(-1, len(mode))
    return Image.frombytes(mode, (len(colours), 1), colours.tobytes())
