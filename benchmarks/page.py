"""Renews what `docs/performance.md` shows of the results: the parts between its markers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from benchmarks.chart import drawn

if TYPE_CHECKING:
    from pathlib import Path


def renew(page: Path) -> None:
    """Put the results of the JSON file beside a page into it, and draw the chart beside it.

    Args:
        page: The page; what it shows stands between `<!-- NAME -->` and `<!-- /NAME -->`.
    """
    results = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    text = page.read_text(encoding="utf-8")
    for name, part in _PARTS.items():
        opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
        before, _, rest = text.partition(opening)
        _, _, after = rest.partition(closing)
        text = before + opening + part(results) + closing + after
    page.write_text(text, encoding="utf-8")
    page.with_suffix(".svg").write_text(drawn(results), encoding="utf-8")


def _machine(results: dict[str, Any]) -> str:
    machine = results["machine"]
    return (
        f"Measured on {results['date']}: {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}.\n"
    )


def _rows(results: dict[str, Any]) -> str:
    return _markdown(
        ["row", "what", "against", "records/s", "ratio", "target", "", "to floor"],
        (
            [
                f"`{row['name']}`",
                row["what"],
                row["yardstick"],
                f"{row['records_per_second']:,}",
                f"{row['ratio']:.2f}",
                f"{row['target']:.2f}",
                "met" if row["met"] else "**missed**",
                _ratio(row["to_floor"]),
            ]
            for row in results["rows"]
        ),
    )


def _stages(results: dict[str, Any]) -> str:
    return _markdown(
        ["stage", "contacts a side", "s", "CPU s", "MB", "records/s", "to peer", "to floor"],
        (
            [
                one["stage"],
                f"{one['contacts']:,}",
                f"{one['wall']:.1f}",
                f"{one['cpu']:.1f}",
                str(one["memory_mb"]),
                f"{one['records_per_second']:,}",
                _ratio(one["to_peer"]),
                _ratio(one["to_floor"]),
            ]
            for one in results["stages"]
        ),
    )


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _answers(results: dict[str, Any]) -> str:
    return _markdown(
        ["command", "process, ms", "answer alone, ms"],
        (
            [one["command"], str(one["process_ms"]), str(one["answer_ms"])]
            for one in results["answers"]
        ),
    )


_PARTS: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "machine": _machine,
    "rows": _rows,
    "stages": _stages,
    "answers": _answers,
}


def _markdown(headings: list[str], rows: Iterable[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
