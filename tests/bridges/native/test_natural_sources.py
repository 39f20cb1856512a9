"""Functions of C and Rust sources are called naturally, in this process and in a worker."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from noodle.calls import LoadRequest
from noodle.errors import (
    ArgumentRangeError,
    FunctionFailedError,
    ReferenceReleasedError,
    RemoteCallError,
)
from tests.bridges.native.conftest import Functions

KERNEL = """
double mean(const double *values, long count)
{
    double sum = 0;
    for (long i = 0; i < count; i++)
        sum += values[i];
    return sum / count;
}
int halves(int whole, int *half, int *rest)
{
    *half = whole / 2, *rest = whole % 2;
    return whole < 0 ? 4 : 0;
}
"""

STOCK = """
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
static KEPT: AtomicI32 = AtomicI32::new(0);
pub struct Stock { items: Vec<f64> }

#[no_mangle]
pub extern "C" fn stock_new(items: &[f64]) -> Result<Box<Stock>, String> {
    if items.is_empty() { return Err("nothing to keep".into()); }
    KEPT.fetch_add(1, Relaxed);
    Ok(Box::new(Stock { items: items.to_vec() }))
}
#[no_mangle]
pub extern "C" fn stock_item(stock: &Stock, index: usize) -> f64 { stock.items[index] }
#[no_mangle]
pub extern "C" fn stock_ends(stock: &Stock, first: &mut f64, last: &mut f64) -> i32 {
    *first = stock.items[0];
    *last = stock.items[stock.items.len() - 1];
    (*first > *last) as i32
}
#[no_mangle]
pub extern "C" fn stock_free(stock: Box<Stock>) { drop(stock); KEPT.fetch_sub(1, Relaxed); }
#[no_mangle]
pub extern "C" fn stocks() -> i32 { KEPT.load(Relaxed) }
"""

LoadSource = Callable[..., Functions]


@pytest.fixture(params=["inprocess", "isolated"])
def load_source(request: pytest.FixtureRequest, bridges: Any, tmp_path: Path) -> LoadSource:
    """Write a source into a folder, and load its functions."""

    def load(name: str, text: str, **options: Any) -> Functions:
        tmp_path.joinpath(name).write_text(text)
        loading = LoadRequest(
            name,
            f"./{name}",
            directory=str(tmp_path),
            options=options,
            placement=request.param,
        )
        return Functions(bridges["compiled"][0].load(loading))

    return load


@pytest.fixture
def stock(load_source: LoadSource) -> Functions:
    said = {"stock_ends": {"out": ["first", "last"], "errors": "nonzero"}}
    return load_source("stock.rs", STOCK, free="stock_free", functions=said)


class TestC:
    def test_lengths_are_inferred_from_what_the_source_declares(
        self, load_source: LoadSource
    ) -> None:
        kernel = load_source("kernel.c", KERNEL)
        assert 2.0 == kernel.mean(np.array([1.0, 3.0])) == kernel.mean(np.array([1.0, 3.0]), 2)

    def test_options_annotate_its_functions(self, load_source: LoadSource) -> None:
        said = {"halves": {"out": ["half", "rest"], "errors": "nonzero"}}
        kernel = load_source("kernel.c", KERNEL, functions=said)
        assert (3, 1) == kernel.halves(7)
        with pytest.raises(FunctionFailedError, match="4"):
            kernel.halves(-1)

    def test_a_file_beside_the_program_annotates_them(
        self, load_source: LoadSource, tmp_path: Path
    ) -> None:
        tmp_path.joinpath("kernel.toml").write_text('[functions.halves]\nout = ["half", "rest"]\n')
        assert (0, 3, 1) == load_source("kernel.c", KERNEL).halves(7)


class TestRust:
    def test_a_box_is_released_once(self, stock: Functions) -> None:
        with stock.stock_new(np.array([1.0, 2.0])) as kept:
            assert (1, 2.0) == (stock.stocks(), stock.stock_item(kept, 1))
            assert (1.0, 2.0) == stock.stock_ends(kept)
        assert 0 == stock.stocks()
        with pytest.raises(ReferenceReleasedError):
            stock.stock_item(kept, 0)

    def test_a_box_that_is_dropped_is_released(self, stock: Functions) -> None:
        kept = stock.stock_new(np.array([1.0]))
        assert 1 == stock.stocks()
        del kept
        gc.collect()
        assert 0 == stock.stocks()

    def test_a_slice_is_compared_with_its_length(self, stock: Functions) -> None:
        with pytest.raises(ArgumentRangeError, match="shorter than items_len says"):
            stock.stock_new(np.zeros(1), 2)

    def test_errors_and_panics_are_raised_as_everywhere(self, stock: Functions) -> None:
        with pytest.raises(RemoteCallError, match="nothing to keep") as caught:
            stock.stock_new(np.zeros(0))
        assert caught.value.type_name == "error"
        with stock.stock_new(np.array([2.0, 1.0])) as kept:
            with pytest.raises(RemoteCallError, match="stock_item panicked: index out of bounds"):
                stock.stock_item(kept, 5)
            with pytest.raises(FunctionFailedError, match="stock_ends failed"):
                stock.stock_ends(kept)
        assert 0 == stock.stocks()
