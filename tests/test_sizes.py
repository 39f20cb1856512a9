"""Amounts of memory: how they are read and shown."""

from __future__ import annotations

import pytest

from noodle.sizes import format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("512MB", 512 * 10**6),
        ("512 mb", 512 * 10**6),
        ("2GiB", 2 * 2**30),
        ("1.5 GB", 1_500_000_000),
        ("64k", 64_000),
        ("1TiB", 2**40),
        ("123", 123),
        ("123B", 123),
        (4096, 4096),
    ],
)
def test_a_size_is_read(text: object, size: int) -> None:
    assert size == parse_size(text)


@pytest.mark.parametrize(
    "text", ["", "MB", "-1", "1 PB", "1ib", "1e9", "0", 0, -5, True, None, 1.5, "1 MB 2"]
)
def test_what_is_no_size_is_refused(text: object) -> None:
    assert parse_size(text) is None


@pytest.mark.parametrize(
    ("size", "text"),
    [(512_000_000, "512 MB"), (1_500_000_000, "1.5 GB"), (12, "12 bytes"), (2**20, "1.049 MB")],
)
def test_a_size_is_shown_in_few_letters(size: int, text: str) -> None:
    assert text == format_size(size)
