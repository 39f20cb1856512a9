"""Small functions that benchmarks call, bare and through a handle."""

from __future__ import annotations


def identity(value: object) -> object:
    return value


def add_three(first: float, second: float, third: float) -> float:
    return first + second + third


def scale(value: float, *, factor: float = 1.0, offset: float = 0.0) -> float:
    return value * factor + offset
