"""What a run of the benchmarks found: for the terminal, as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.rows import Found, Row


@dataclass
class Results:
    """Everything that was measured.

    Attributes:
        size: Which sizes were asked for.
        rows: As in `Found`.
        stages: Likewise.
        answers: Likewise.
    """

    size: str
    rows: list[Row] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)

    def add(self, found: Found) -> None:
        """Add what a benchmark has measured."""
        self.rows += found.rows
        self.stages += found.stages
        self.answers += found.answers

    def closing_line(self) -> str:
        """One line of JSON: every row, and whether its target is met."""
        return json.dumps({"rows": [row.as_dict() for row in self.rows]})

    def save(self, path: Path) -> None:
        """Write everything into a JSON file."""
        content = {
            "size": self.size,
            "date": datetime.now(timezone.utc).date().isoformat(),
            "machine": {
                "cores": os.cpu_count(),
                "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
                "system": f"{platform.system()} {platform.machine()}",
                "python": sys.version.split()[0],
            },
            "rows": [
                row.as_dict()
                | {"what": row.what, "yardstick": row.yardstick, "to_floor": row.to_floor}
                | row.figures
                for row in self.rows
            ],
            "stages": self.stages,
            "answers": self.answers,
        }
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def tables(self) -> Iterator[Table]:
        """The table of everything that was measured, and that of the commands' answers."""
        yield _figures_table(self.stages, self.rows)
        if self.answers:
            yield _answers_table(self.answers)


def _table(title: str, text: str, numbers: list[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, padding=(0, 1, 0, 0))
    table.add_column(text)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _figures_table(stages: list[dict[str, Any]], rows: list[Row]) -> Table:
    numbers = ["records", "wall s", "CPU s", "MB", "records/s", "to peer", "to floor", "target", ""]
    title = "Seconds and MB of whole processes; how many times as fast as peer, floor, yardstick"
    table = _table(title, "", numbers)
    for one in stages:
        table.add_row(
            f"{one['stage']} {one['contacts']:,}",
            f"{one['records']:,}",
            f"{one['wall']:.1f}",
            f"{one['cpu']:.1f}",
            f"{one['memory_mb']}",
            f"{one['records_per_second']:,}",
            _ratio(one["to_peer"]),
            _ratio(one["to_floor"]),
            end_section=one["stage"] == "whole job",
        )
    for row in rows:
        table.add_row(
            f"{row.name} : {row.yardstick}",
            f"{row.records:,}",
            f"{row.taken.wall:.1f}",
            f"{row.taken.cpu:.1f}",
            f"{row.taken.memory / 1e6:.0f}",
            f"{row.records_per_second:,}",
            "",
            _ratio(row.to_floor),
            f"{row.ratio:.2f} of {row.target:.2f}",
            "met" if row.is_met else "missed",
        )
    return table


def _ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _answers_table(answers: list[dict[str, Any]]) -> Table:
    table = _table("contact-sync, milliseconds", "", ["process", "answer alone"])
    for one in answers:
        table.add_row(one["command"], str(one["process_ms"]), str(one["answer_ms"]))
    return table
