"""Faults that take long to make: large memory, and many starts in a row."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import numpy as np
import pytest
from tests.workers.faults import load_faults

import noodle


def _resident_kilobytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def test_an_array_of_256_megabytes_crosses_both_ways() -> None:
    with noodle.deadline(60), load_faults() as faults:
        array = np.zeros(32 << 20)
        filled = faults.fill(array, 2.5)
        assert (array.shape, 2.5, 2.5) == (filled.shape, filled[0], filled[-1])


@pytest.mark.slow
def test_an_array_of_a_gigabyte_crosses_both_ways() -> None:
    with noodle.deadline(120), load_faults() as faults:
        filled = faults.fill(np.zeros(128 << 20), 2.5)
        assert (128 << 20, 2.5, 2.5) == (filled.size, filled[0], filled[-1])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_500_starts_and_ends_leave_descriptors_and_memory_as_they_were() -> None:
    with load_faults() as faults:

        def cycle() -> None:
            with noodle.deadline(60):
                assert 3 == faults.add(1, 2)
                assert 20_000 == len(faults.floats(20_000))
                assert 8 == faults.Thing(4).double()
                faults.pool.stop()

        for _ in range(50):
            cycle()
        gc.collect()
        descriptors, memory = len(os.listdir("/proc/self/fd")), _resident_kilobytes()
        for _ in range(450):
            cycle()
        gc.collect()
        assert descriptors >= len(os.listdir("/proc/self/fd"))
        assert _resident_kilobytes() < memory + 4096
