"""A measured figure with its target, and the Markdown table of all figures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One row of the table. The target applies to `value`; `note` explains it."""

    group: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Return whether the target is met, or None if there is no target."""
        if self.at_most is not None:
            return self.value <= self.at_most
        return self.value >= self.at_least if self.at_least is not None else None

    def cells(self) -> list[str]:
        target = f"≤ {self.at_most:g}" if self.at_most is not None else ""
        target = f"≥ {self.at_least:g}" if self.at_least is not None else target
        verdict = {None: "", True: "yes", False: "**no**"}[self.met]
        return [self.name, f"{written(self.value)} {self.unit}", target, verdict, self.note]


def written(value: float) -> str:
    """Return the value with three digits, or all digits of a whole number."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as Markdown, with a table for each group."""
    lines: list[str] = []
    for group in dict.fromkeys(figure.group for figure in figures):
        lines += ["", f"## {group}", "", "| | measured | target | met | |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(figure.cells())} |" for figure in figures if figure.group == group]
    return "\n".join(lines[1:]) + "\n"


def median_ratio(values: Sequence[float], others: Sequence[float]) -> float:
    """Return the median of the ratios of values that were measured in pairs."""
    return statistics.median(value / other for value, other in zip(values, others, strict=True))
