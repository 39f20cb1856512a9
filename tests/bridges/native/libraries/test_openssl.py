"""OpenSSL: a digest of several pieces, with a context that is released."""

from __future__ import annotations

import hashlib

import pytest

from noodle.errors import ReferenceReleasedError
from tests.bridges.native.libraries.conftest import LoadLibrary


def test_a_digest_is_made_piece_by_piece(load: LoadLibrary) -> None:
    crypto = load(
        "libcrypto.so.3",
        "libssl-dev",
        header="openssl/evp.h",
        functions={
            "EVP_MD_CTX_new": {"free": "EVP_MD_CTX_free"},
            "EVP_DigestFinal_ex": {
                "buffers": {"md": {"length": "s", "size": 64}},
                "result": False,
            },
        },
    )
    with crypto.EVP_MD_CTX_new() as context:
        assert crypto.EVP_DigestInit_ex(context, crypto.EVP_sha256(), None) == 1
        for piece in (b"first, ", b"second"):
            assert crypto.EVP_DigestUpdate(context, piece, len(piece)) == 1
        assert crypto.EVP_DigestFinal_ex(context) == hashlib.sha256(b"first, second").digest()
    with pytest.raises(ReferenceReleasedError):
        crypto.EVP_DigestUpdate(context, b"more", 4)
