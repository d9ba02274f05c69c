"""What bytes are, told from the bytes alone: a format to decode, something to refuse by name, or unknown."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Literal

Family = Literal["raster", "heif", "tiff", "pdf", "refused"]


@dataclass(frozen=True)
class Kind:
    """`format` is Pillow's name of the format, empty when Pillow has to find out; `reason` is set when refused."""

    family: Family
    format: str = ""
    reason: str = ""
    message: str = ""


_HEAD = 4096
_HTML = re.compile(r"<(!doctype html|html)", re.IGNORECASE)
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}
_RASTER = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "JPEG2000"),
    (b"\xff\x4f\xff\x51", "JPEG2000"),
    (b"8BPS", "PSD"),
    (b"DDS ", "DDS"),
    (b"qoif", "QOI"),
    (b"icns", "ICNS"),
)  # fmt: skip
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"heif"}
_AVIF_BRANDS = {b"avif", b"avis"}

_DRAWING = "is a drawing and has no pixels. Export it as PNG or PDF"
_NO_DECODER = "is an image format that is not decoded here. Convert it to JPEG, PNG or TIFF"
_UNSUPPORTED = (
    (b"%!PS", f"A PostScript file {_DRAWING}"),
    (b"\xc5\xd0\xd3\xc6", f"An EPS file {_DRAWING}"),
    (b"\xd7\xcd\xc6\x9a", f"A Windows metafile {_DRAWING}"),
    (b"\xff\x0a", f"JPEG XL {_NO_DECODER}"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", f"JPEG XL {_NO_DECODER}"),
    (b"II\xbc\x01", f"JPEG XR {_NO_DECODER}"),
    (b"AT&TFORM", f"DjVu {_NO_DECODER}"),
    (b"v/1\x01", f"OpenEXR {_NO_DECODER}"),
    (b"#?RADIANCE", f"Radiance HDR {_NO_DECODER}"),
    (b"gimp xcf", f"GIMP's XCF {_NO_DECODER}"),
    (b"BPG\xfb", f"BPG {_NO_DECODER}"),
    (b"FUJIFILMCCD-RAW", f"A camera's raw file {_NO_DECODER}"),
    (b"IIRO", f"A camera's raw file {_NO_DECODER}"),
    (b"IIRS", f"A camera's raw file {_NO_DECODER}"),
    (b"MMOR", f"A camera's raw file {_NO_DECODER}"),
    (b"IIU\x00", f"A camera's raw file {_NO_DECODER}"),
    (b"FOVb", f"A camera's raw file {_NO_DECODER}"),
    (b"GRIB", f"GRIB {_NO_DECODER}"),
    (b"BUFR", f"BUFR {_NO_DECODER}"),
    (b"\x89HDF\r\n\x1a\n", f"HDF5 {_NO_DECODER}"),
)
_FOREIGN = (
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"\x00\x00\x01\xba", "an MPEG video"),
    (b"\x00\x00\x01\xb3", "an MPEG video"),
    (b"FLV\x01", "a Flash video"),
    (b"OggS", "an Ogg recording"),
    (b"fLaC", "a FLAC recording"),
    (b"ID3", "an MP3 recording"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE file, such as an old Word, Excel or Outlook document"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"(\xb5/\xfd", "a Zstandard file"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"SQLite format 3\x00", "an SQLite database"),
    (b"{\\rtf", "an RTF document"),
    (b"wOFF", "a font"),
    (b"wOF2", "a font"),
    (b"OTTO", "a font"),
    (b"\x00\x01\x00\x00\x00", "a font"),
)
_OFFICE = (
    (b"word/", "a Word document (.docx)"),
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"ppt/", "a PowerPoint presentation (.pptx)"),
    (b"opendocument", "an OpenDocument file"),
    (b"epub+zip", "an EPUB book"),
)


def kind_of(data: bytes) -> Kind:
    """Tell what `data` is from its first bytes. What nothing here knows is left to Pillow's less common formats."""
    head = data[:_HEAD]
    return _image(head) or _unsupported(data, head) or _foreign(data, head) or Kind("raster")


def name_unknown(data: bytes) -> str:
    """What to call bytes that no decoder knows."""
    text = _as_text(data[:_HEAD])
    if text is not None:
        what = "an HTML page" if _HTML.match(text.lstrip()) else "text"
        return f"It is {what}, not an image."
    return "The bytes are of no image format that can be read."


def ends_early(kind: Kind, data: bytes) -> bool:
    """Whether the file lacks its own end. Asked only of files that failed to decode: many good ones lack it too."""
    tail = data[-1024:]
    if kind.family == "heif" or kind.format == "AVIF":
        return _boxes_end_early(data)
    if kind.family == "pdf":
        return b"%%EOF" not in tail
    if kind.format in ("JPEG", "JPEG2000"):
        return b"\xff\xd9" not in tail
    if kind.format == "PNG":
        return b"IEND" not in tail
    if kind.format == "GIF":
        return not tail.rstrip(b"\0").endswith(b";")
    if kind.format == "WEBP":
        return len(data) < 12 or int.from_bytes(data[4:8], "little") + 8 > len(data)
    if kind.format == "BMP":
        return int.from_bytes(data[2:6], "little") > len(data)
    return False


def _image(head: bytes) -> Kind | None:
    for magic, name in _RASTER:
        if head.startswith(magic):
            return Kind("raster", name)
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return Kind("tiff", "TIFF")
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Kind("raster", "WEBP")
    # Two letters are little to go by: "BMW" begins like a bitmap.
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return Kind("raster", "BMP")
    if b"%PDF-" in head[:1024]:
        return Kind("pdf", "PDF")
    brands = _brands(head)
    if brands & _AVIF_BRANDS:
        return Kind("raster", "AVIF")
    return Kind("heif", "HEIF") if brands & _HEIF_BRANDS else None


def _unsupported(data: bytes, head: bytes) -> Kind | None:
    for magic, message in _UNSUPPORTED:
        if head.startswith(magic):
            return _refused("unsupported", f"{message}.")
    if head[:4] == b"\x01\0\0\0" and head[40:44] == b" EMF":
        return _refused("unsupported", f"A Windows metafile {_DRAWING}.")
    if head[128:132] == b"DICM":
        return _refused("unsupported", f"DICOM {_NO_DECODER}.")
    if b"crx " in _brands(head):
        return _refused("unsupported", f"A camera's raw file {_NO_DECODER}.")
    if _is_svg(data, head):
        return _refused("unsupported", f"SVG {_DRAWING}.")
    return None


def _foreign(data: bytes, head: bytes) -> Kind | None:
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _refused("not_an_image", f"It is {_name_zip(data, head)}, not an image.")
    if head[4:8] == b"ftyp":
        return _refused("not_an_image", "It is an MP4 or QuickTime video, not an image.")
    if head.startswith(b"RIFF") and head[8:12] in (b"AVI ", b"WAVE"):
        return _refused("not_an_image", "It is a video or sound recording (RIFF), not an image.")
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            return _refused("not_an_image", f"It is {what}, not an image.")
    return None


def _refused(reason: str, message: str) -> Kind:
    return Kind("refused", "", reason, message)


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO base media file (ISO/IEC 14496-12, `ftyp`), empty for anything else."""
    if head[4:8] != b"ftyp":
        return set()
    size = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))}


def _name_zip(data: bytes, head: bytes) -> str:
    # The names of the entries stand before them and once more at the end.
    names = head + data[-65536:]
    return next((what for mark, what in _OFFICE if mark in names), "a ZIP archive")


def _is_svg(data: bytes, head: bytes) -> bool:
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(31).decompress(data[: 4 * _HEAD], _HEAD)
        except zlib.error:
            return False
    text = (_as_text(head) or "").lstrip()
    # A page may show a drawing; it is often what a failed download left under an image's name.
    return text.startswith("<") and not _HTML.match(text) and re.search(r"<(\w+:)?svg[\s>]", text) is not None


def _as_text(head: bytes) -> str | None:
    """`head` as text, or None when it has bytes that no text has."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[: len(head) & ~1].decode("utf-16", "replace")
    if any(byte < 9 or 13 < byte < 27 for byte in head):
        return None
    return head.decode("utf-8-sig", "replace")


def _boxes_end_early(data: bytes) -> bool:
    """Whether the boxes of an ISO base media file reach beyond its end."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size == 1 and at + 16 <= len(data):
            (size,) = struct.unpack_from(">Q", data, at + 8)
        if size == 0:
            return False
        if size < 8:
            return True
        at += size
    return at != len(data)
