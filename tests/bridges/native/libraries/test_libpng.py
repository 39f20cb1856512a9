"""libpng's simplified interface: a structure by pointer, and the pixels of a picture."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from tests.bridges.native.libraries.conftest import LoadLibrary

RGBA = 3
"""PNG_FORMAT_RGBA: colours and transparency, a byte each."""


def picture(pixels: np.ndarray) -> bytes:
    """Return a picture in the PNG format, of red, green and blue bytes."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_a_picture_is_read_from_its_file(load: LoadLibrary, tmp_path: Path) -> None:
    png = load("libpng16.so.16", "libpng-dev", header="png.h")
    pixels = np.random.default_rng(1).integers(0, 256, (20, 30, 3), np.uint8)
    (tmp_path / "noise.png").write_bytes(picture(pixels))

    image = png.struct("png_image")(version=png.PNG_IMAGE_VERSION)
    assert png.png_image_begin_read_from_file(image, str(tmp_path / "noise.png")) == 1
    assert (image.width, image.height, image.message) == (30, 20, "")
    image.format = RGBA
    read = np.zeros((20, 30, 4), np.uint8)
    assert png.png_image_finish_read(image, None, read, 0, None) == 1
    assert np.array_equal(read[..., :3], pixels)
    assert (read[..., 3] == 255).all()


def test_what_is_no_picture_is_told_in_the_structure(load: LoadLibrary, tmp_path: Path) -> None:
    png = load("libpng16.so.16", "libpng-dev", header="png.h")
    (tmp_path / "text.png").write_bytes(b"this is no picture")
    image = png.struct("png_image")(version=png.PNG_IMAGE_VERSION)
    assert png.png_image_begin_read_from_file(image, str(tmp_path / "text.png")) == 0
    assert "PNG" in image.message
