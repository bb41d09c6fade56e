"""Draws `docs/performance.svg` from the results: stages by size, and rows by target."""

from __future__ import annotations

from math import log10
from typing import Any, Final
from xml.sax.saxutils import escape

_WIDTH: Final = 880
_LEFT: Final = 230
_RIGHT: Final = 90
_BAR: Final = 13
_INK, _FAINT, _PAPER = "#1f2328", "#57606a", "#f6f8fa"
_SHADES: Final = ("#9ec5fe", "#54aeff", "#0969da")
_MET, _MISSED = "#2da44e", "#cf222e"
#: The rows' axis reaches from a tenth of the target to a hundred times the target.
_DECADES: Final = (-1, 2)


def drawn(results: dict[str, Any]) -> str:
    """The chart of the results, as they stand in the JSON file."""
    stages, y = _stages(results["stages"], 50)
    rows, y = _rows(results["rows"], y + 50)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}" width="{_WIDTH}" '
        f'height="{y}" role="img" aria-labelledby="t" font-size="13" fill="{_INK}" '
        "font-family=\"-apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\">\n"
        '<title id="t">Records a second of each stage, and what was measured against its target'
        "</title>\n"
        f'<rect width="{_WIDTH}" height="{y}" rx="10" fill="{_PAPER}"/>\n'
        + "\n".join(stages + rows)
        + "\n</svg>\n"
    )


def _stages(stages: list[dict[str, Any]], y: float) -> tuple[list[str], int]:
    """Bars of records a second: one for each size, by stage."""
    sizes = sorted({one["contacts"] for one in stages})
    most = max(one["records_per_second"] for one in stages)
    shades = dict(zip(sizes, _SHADES[-len(sizes) :], strict=True))
    parts = [_text(20, y - 20, "Records a second, whole processes", "font-weight='600'")]
    for number, (size, shade) in enumerate(shades.items()):
        x = 420 + 150 * number
        parts.append(f'<rect x="{x}" y="{y - 30}" width="10" height="10" fill="{shade}"/>')
        parts.append(_text(x + 16, y - 21, f"{size:,} a side", _small()))
    for name in dict.fromkeys(one["stage"] for one in stages):
        bars = [one for one in stages if one["stage"] == name]
        parts.append(_text(20, y + _BAR * len(bars) / 2 + 4, name))
        for bar in bars:
            speed = bar["records_per_second"]
            width = speed / most * (_WIDTH - _LEFT - _RIGHT)
            parts.append(
                f'<rect x="{_LEFT}" y="{y:.0f}" width="{width:.1f}" height="{_BAR - 2}" '
                f'fill="{shades[bar["contacts"]]}"/>'
            )
            parts.append(_text(_LEFT + width + 6, y + 10, f"{speed:,}", _small()))
            y += _BAR
        y += 8
    return parts, round(y)


def _rows(rows: list[dict[str, Any]], y: float) -> tuple[list[str], int]:
    """How far each row is above or below its target, on a logarithmic axis."""
    least, most = _DECADES
    scale = (_WIDTH - _LEFT - _RIGHT) / (most - least)

    def place(factor: float) -> float:
        return _LEFT + (min(max(log10(max(factor, 1e-9)), least), most) - least) * scale

    bottom = y + 24 * len(rows)
    heading = "Ratio to its yardstick as a multiple of the target"
    parts = [_text(20, y - 20, heading, "font-weight='600'")]
    for decade in range(least, most + 1):
        x, width = place(10**decade), 2 if decade == 0 else 0.5
        parts.append(
            f'<path d="M{x:.1f} {y - 4} V{bottom}" stroke="{_FAINT}" stroke-width="{width}"/>'
        )
        label = "target" if decade == 0 else f"{10.0**decade:g} times"
        parts.append(_text(x, bottom + 16, label, _small("text-anchor='middle'")))
    for row in rows:
        factor = row["ratio"] / row["target"]
        start, end = sorted((place(1), place(factor)))
        colour = _MET if row["met"] else _MISSED
        parts.append(_text(20, y + 13, row["name"]))
        parts.append(
            f'<rect x="{start:.1f}" y="{y + 2}" width="{max(end - start, 1):.1f}" height="14" '
            f'fill="{colour}"/>'
        )
        figure = f"{row['ratio']:g} of {row['target']:g}"
        parts.append(_text(end + 6, y + 13, figure, _small()))
        y += 24
    return parts, round(bottom + 34)


def _small(more: str = "") -> str:
    return f"font-size='11' fill='{_FAINT}' {more}"


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'
