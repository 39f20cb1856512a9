"""zlib's streams: a structure by pointer, whose pointers lead to memory of the C library."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest

from noodle.errors import ReferenceReleasedError
from tests.bridges.native.libraries.conftest import LoadLibrary

LIBC = """
void *malloc(size_t size); void free(void *memory);
void *memcpy(void *to, const void *from, size_t size);
"""


def test_a_stream_is_compressed_piece_by_piece(load: LoadLibrary) -> None:
    z = load("libz.so.1", "zlib1g-dev", header="zlib.h")
    libc = load("libc.so.6", prototypes=LIBC, infer=False)
    pieces = [bytes([number]) * 1000 for number in range(20)]
    given, made, packed = libc.malloc(1000), libc.malloc(256), b""

    stream_type = z.struct("z_stream")
    stream = stream_type()
    assert z.deflateInit_(stream, 9, z.ZLIB_VERSION, stream_type.size) == z.Z_OK
    for piece in [*pieces, b""]:
        libc.memcpy(given, piece, len(piece))
        stream.next_in, stream.avail_in = given, len(piece)
        status = z.Z_OK
        while stream.avail_in or (not piece and status != z.Z_STREAM_END):
            stream.next_out, stream.avail_out = made, 256
            status = z.deflate(stream, z.Z_NO_FLUSH if piece else z.Z_FINISH)
            assert status in (z.Z_OK, z.Z_STREAM_END)
            packed += made.content(256 - stream.avail_out)
    assert stream.total_in == 20_000
    assert z.deflateEnd(stream) == z.Z_OK
    libc.free(given)
    libc.free(made)
    assert zlib.decompress(packed) == b"".join(pieces)


def test_a_file_that_was_closed_cannot_be_used(load: LoadLibrary, tmp_path: Path) -> None:
    z = load("libz.so.1", "zlib1g-dev", header="zlib.h")
    path = str(tmp_path / "file.gz")
    file = z.gzopen(path, "wb")
    assert z.gzwrite(file, b"hello") == 5
    assert z.gzclose(file) == z.Z_OK
    assert gzip.decompress((tmp_path / "file.gz").read_bytes()) == b"hello"
    with pytest.raises(ReferenceReleasedError, match="gzclose has released"):
        z.gzclose(file)
    with z.gzopen(path, "rb") as file:
        read = bytearray(8)
        assert z.gzread(file, read) == 5
    assert read == b"hello\0\0\0"
    with pytest.raises(ReferenceReleasedError, match="gzclose has released"):
        z.gzread(file, read)
