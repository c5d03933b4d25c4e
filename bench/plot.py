"""Draw the main figures as bars in an SVG with a background of its own: it can be read on light and on dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bench.figures import Figure, written

WIDTH, LABELS, VALUES, BAR, GAP = 880, 300, 60, 18, 8
OURS, OTHERS, LIMIT = "#0b7285", "#868e96", "#d9480f"
PANELS = {
    "Cold start": ("Process start to first useful answer, beyond the remote calls, x a bare hello function", "x hello"),
    "Many accounts": ("Refreshing many accounts at once, x one after another", "x sequential"),
    "Memory and CPU": ("Memory of the whole container, MiB", "MiB"),
}
STYLE = f"text{{font:13px system-ui,sans-serif;fill:#212529}}.head,.value{{font-weight:600}}.target{{fill:{LIMIT}}}"


def plot(figures: Sequence[Figure]) -> str:
    """Return the SVG: a panel of bars for each group, with each target as a line."""
    parts: list[str] = []
    y = 10
    for group, (title, unit) in PANELS.items():
        shown = [figure for figure in figures if figure.group == group and figure.unit == unit]
        if shown:
            panel, y = _panel(title, shown, y)
            parts += panel
    parts.append(f'<text x="10" y="{y + 8}">The number before a bar is what was measured. A line is the target.</text>')
    y += 20
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" role="img">'
    name = "<title>Cold starts, many accounts and memory, as in RESULTS.md</title>"
    page = f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>'
    return "\n".join([head, name, f"<style>{STYLE}</style>", page, *parts, "</svg>"]) + "\n"


def _panel(title: str, figures: Sequence[Figure], top: int) -> tuple[list[str], int]:
    most = max(value for figure in figures for value in (figure.value, figure.at_most or 0, figure.at_least or 0))
    scale = (WIDTH - LABELS - VALUES - 70) / most
    parts = [f'<text class="head" x="10" y="{top + 14}">{escape(title)}</text>']
    y = top + 26
    for figure in figures:
        parts += _bar(figure, scale, y)
        y += BAR + GAP
    return parts, y + 14


def _bar(figure: Figure, scale: float, y: int) -> list[str]:
    label, middle, left = escape(figure.name.replace("`", "")), y + BAR - 5, LABELS + VALUES
    ours = not figure.name.startswith(("bare hello", "FastAPI"))
    length = figure.value * scale
    parts = [
        f'<text x="{LABELS}" y="{middle}" text-anchor="end">{label}</text>',
        f'<text class="value" x="{left - 8}" y="{middle}" text-anchor="end">{written(figure.value)}</text>',
        f'<rect x="{left}" y="{y}" width="{length:.0f}" height="{BAR}" rx="2" fill="{OURS if ours else OTHERS}"/>',
    ]
    return [*parts, *_target(figure, left, scale, y)]


def _target(figure: Figure, left: int, scale: float, y: int) -> list[str]:
    target, sign = (figure.at_most, "≤") if figure.at_most else (figure.at_least, "≥")
    if not target:
        return []
    x, past = left + target * scale, left + max(figure.value, target) * scale + 6
    return [
        f'<line x1="{x:.0f}" x2="{x:.0f}" y1="{y - 3}" y2="{y + BAR + 3}" stroke="{LIMIT}" stroke-width="2"/>',
        f'<text class="target" x="{past:.0f}" y="{y + BAR - 5}">{sign} {target:g}</text>',
    ]
