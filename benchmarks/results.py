"""A result: what ours and theirs took, how they compare, and whether that keeps the budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from measure import Sample

HEADINGS = (
    "id",
    "what",
    "ours",
    "theirs",
    "theirs is",
    "ratio",
    "difference",
    "budget",
    "verdict",
)


@dataclass(frozen=True)
class Budget:
    """The most that ours may take.

    Args:
        kind: Whether the limit holds for ours over theirs, ours minus theirs, or ours alone.
        limit: As a factor, or in the unit of the row.
        alternative: Another budget; it is enough to keep one of the two.
    """

    kind: Literal["ratio", "difference", "ours"]
    limit: float
    alternative: Budget | None = None

    def text(self, unit: str) -> str:
        sign = "+" if self.kind == "difference" else ""
        limit = f"{self.limit:.3g}×" if self.kind == "ratio" else f"{sign}{self.limit:g} {unit}"
        other = f" or {self.alternative.text(unit)}" if self.alternative else ""
        return f"≤ {limit}{other}"

    def is_kept(self, row: Row) -> bool:
        kept: bool = getattr(row, self.kind).median <= self.limit
        return kept or (self.alternative is not None and self.alternative.is_kept(row))

    def as_json(self) -> dict[str, Any]:
        other = {"alternative": self.alternative.as_json()} if self.alternative else {}
        return {"kind": self.kind, "limit": self.limit} | other


@dataclass(frozen=True)
class Row:
    """One line of the results.

    Args:
        id: The item of the design's budget, or ``context`` for a figure without a budget.
        what: What was done.
        unit: The unit of ours and theirs.
        ours: Through Noodle.
        theirs: The same without it; None where there is nothing like it.
        against: What theirs is.
        budget: None where there is none.
    """

    id: str
    what: str
    unit: str
    ours: Sample
    theirs: Sample | None = None
    against: str = ""
    budget: Budget | None = None

    @property
    def ratio(self) -> Sample | None:
        return self.ours.over(self.theirs) if self.theirs else None

    @property
    def difference(self) -> Sample | None:
        return self.ours.minus(self.theirs) if self.theirs else None

    @property
    def verdict(self) -> str:
        if self.budget is None:
            return ""
        return "met" if self.budget.is_kept(self) else "missed"

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "what": self.what,
            "unit": self.unit,
            "against": self.against or None,
            "ours": _spread(self.ours),
            "theirs": _spread(self.theirs),
            "ratio": _spread(self.ratio),
            "difference": _spread(self.difference),
            "budget": self.budget.as_json() if self.budget else None,
            "verdict": self.verdict or None,
        }

    def cells(self) -> tuple[str, ...]:
        return (
            self.id,
            self.what,
            _with_range(self.ours, self.unit),
            _with_range(self.theirs, self.unit),
            self.against,
            _factor(self.ratio.median) if self.ratio else "",
            f"{self.difference.median:+.1f} {self.unit}" if self.difference else "",
            self.budget.text(self.unit) if self.budget else "",
            self.verdict,
        )


def _spread(sample: Sample | None) -> dict[str, float] | None:
    if sample is None:
        return None
    return {
        "median": round(sample.median, 4),
        "min": round(sample.least, 4),
        "max": round(sample.most, 4),
        "repeats": len(sample.values),
    }


def _factor(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def _with_range(sample: Sample | None, unit: str) -> str:
    if sample is None:
        return ""
    if sample.least == sample.most:
        return f"{sample.median:.4g} {unit}" if sample.median % 1 else f"{sample.median:.0f} {unit}"
    digits = 2 if sample.median < 10 else 1
    low, high = f"{sample.least:.{digits}f}", f"{sample.most:.{digits}f}"
    return f"{sample.median:.{digits}f} {unit} ({low}–{high})"


def table(rows: Sequence[Row]) -> str:
    """Return the rows as aligned text; in brackets the least and the most of all repeats."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
