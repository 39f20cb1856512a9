"""OpenBLAS: matrices of NumPy, multiplied where they lie."""

from __future__ import annotations

import numpy as np

from tests.bridges.native.libraries.conftest import LoadLibrary


def test_dgemm_multiplies_arrays(load: LoadLibrary) -> None:
    blas = load("libopenblas.so.0", "libopenblas-dev", header="cblas.h")
    a, b, c = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4), np.ones((2, 4))
    expected = 2.0 * a @ b + 0.5 * c
    row_major, plain = blas.CblasRowMajor, blas.CblasNoTrans
    blas.cblas_dgemm(row_major, plain, plain, 2, 4, 3, 2.0, a, 3, b, 4, 0.5, c, 4)
    assert np.array_equal(c, expected)
