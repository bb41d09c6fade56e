"""`contact-sync status`."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from reconciler.cli.operator import Operator, ago, as_json
from reconciler.ledger import Ledger
from reconciler.lifecycle import EXIT_CODES, State, current_state
from reconciler.model import SIDES

_STYLES: Final = {"orange": "bold dark_orange", "green": "bold green", "grey": "bold bright_black",
                  "red": "bold red"}  # fmt: skip
_RECENT_RUNS: Final = 6


@click.command()
@click.option("--json", "json_", is_flag=True, help="Everything as one JSON object.")
@click.pass_obj
def status(operator: Operator, json_: bool) -> None:
    """Show the state of the sync and what it stands on.

    Exits with 0 when it is active (green), 3 while the first pass is not confirmed (orange), 4 when
    it is paused or deleted (grey), 5 on an error (red).

    Example: contact-sync status --json
    """
    ledger = operator.ledger
    state = current_state(ledger)
    facts = _facts(ledger)
    if json_:
        as_json(
            {
                "state": state.name,
                "colour": state.colour,
                "why": state.why,
                "next": state.next,
                **facts,
            }
        )
    else:
        _show(operator, state, facts)
    raise SystemExit(EXIT_CODES[state.name])


def _facts(ledger: Ledger) -> dict[str, Any]:
    read_at = ledger.overview.read_at()
    recent = ledger.runs.history(_RECENT_RUNS)
    return {
        "pairs": ledger.overview.pairs_by_object(),
        "skips": {side: ledger.plans.count_skips(side) for side in SIDES},
        "conflicts": ledger.overview.conflicts_since(recent[-1].run) if recent else 0,
        "open_writes": ledger.overview.open_writes(),
        "unconfirmed_writes": ledger.overview.open_writes(2),
        "read_at": {side: read_at.get(side) for side in SIDES},
        "runs": [run._asdict() for run in recent],
    }


def _show(operator: Operator, state: State, facts: dict[str, Any]) -> None:
    console = operator.console
    console.print(Text("● ", _STYLES[state.colour]) + Text(f"{state.name}", _STYLES[state.colour]))
    console.print(f"  {state.why}")
    if state.next:
        console.print(f"  next: {state.next}")
    console.print()
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bright_black")
    grid.add_column()
    grid.add_row("pairs", _counts(facts["pairs"]))
    for side, skips in facts["skips"].items():
        grid.add_row(f"skipped, {side}", _counts(skips))
    grid.add_row("conflicts", f"{facts['conflicts']:,} in the last {len(facts['runs'])} runs")
    grid.add_row(
        "open writes",
        f"{facts['open_writes']:,} sent and not seen to arrive yet, "
        f"{facts['unconfirmed_writes']:,} of them sent again",
    )
    for side, moment in facts["read_at"].items():
        grid.add_row(f"{side} read", ago(moment))
    console.print(grid)
    if not facts["runs"]:
        return
    console.print()
    table = Table("run", "pipe", "started", "outcome", "read", "written", box=None, pad_edge=False)
    for run in facts["runs"]:
        summary = run["summary"]
        written = sum(summary.get(name, 0) for name in ("created", "updated", "deleted"))
        table.add_row(
            str(run["run"]),
            run["pipe"],
            ago(run["started_at"]),
            Text(run["outcome"], "red" if run["outcome"] == "failed" else ""),
            f"{summary.get('read', 0):,}",
            f"{written:,}",
        )
    console.print(table)


def _counts(counts: dict[str, int]) -> str:
    if not counts:
        return "none"
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())
