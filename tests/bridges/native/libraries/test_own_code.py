"""Code of the program's own: a kernel in C, and a crate in Rust."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from noodle.errors import MissingToolError
from tests.bridges.native.libraries.conftest import LoadLibrary

KERNEL = """
#include <stddef.h>
void smooth(const double *values, double *means, size_t count)
{
    for (size_t i = 1; i + 1 < count; i++)
        means[i] = (values[i - 1] + values[i] + values[i + 1]) / 3;
}
"""
MANIFEST = '[package]\nname = "words"\nversion = "0.1.0"\nedition = "2021"\n'
CRATE = """
#[no_mangle]
pub extern "C" fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
"""


def test_a_kernel_in_c(load: LoadLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kernel.c").write_text(KERNEL)
    means = np.zeros(5)
    load("./kernel.c").smooth(np.array([0.0, 3.0, 6.0, 0.0, 9.0]), means, 5)
    assert means.tolist() == [0.0, 3.0, 3.0, 5.0, 0.0]


def test_a_crate_in_rust(
    load: LoadLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("words/src").mkdir(parents=True)
    Path("words/Cargo.toml").write_text(MANIFEST)
    Path("words/src/lib.rs").write_text(CRATE)
    try:
        words = load("./words")
    except MissingToolError as error:
        pytest.skip(str(error))
    assert words.largest(np.array([2.0, 7.5, -1.0]), 3) == 7.5
