"""`contact-sync status`."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reconciler.cli.listing import print_runs
from reconciler.cli.operator import Operator, ago, as_json
from reconciler.ledger import Ledger
from reconciler.ledger.runs import Run
from reconciler.lifecycle import EXIT_CODES, State, current_state
from reconciler.model import SIDES
from reconciler.progress import said

#: Terminals with few colours would show an orange as a red.
_STYLES: Final = {"orange": "bold yellow", "green": "bold green", "grey": "bold bright_black",
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
    recent = ledger.runs.history(_RECENT_RUNS)
    facts = _facts(ledger, recent)
    if json_:
        as_json(
            {
                "state": state.name,
                "colour": state.colour,
                "why": state.why,
                "next": state.next,
                **facts,
                "runs": [run._asdict() for run in recent],
            }
        )
    else:
        _show(operator, state, facts, recent)
    raise SystemExit(EXIT_CODES[state.name])


def _facts(ledger: Ledger, recent: list[Run]) -> dict[str, Any]:
    read_at = ledger.overview.read_at()
    holders = ledger.holders()
    approved = ledger.controls.get("approved")
    objects = (ledger.controls.get("settings") or {}).get("objects", ())
    # Accounts that are there only to name their Contacts' company are not left out.
    named_only = (
        {"Account", "PersonAccount"} if {"Account", "PersonAccount"}.isdisjoint(objects) else ()
    )
    return {
        "running": ", ".join(one.holder for one in holders) or None,
        "progress": next((one.progress for one in holders if one.progress), None),
        "workers": [one._asdict() for one in holders],
        "approved_plan": approved["plan"] if approved else None,
        "pairs": ledger.overview.pairs_by_object(),
        "skips": {side: ledger.plans.count_skips(side, sorted(named_only)) for side in SIDES},
        "conflicts": ledger.overview.conflicts_since(recent[-1].run) if recent else 0,
        "open_writes": ledger.overview.open_writes(),
        "unconfirmed_writes": ledger.overview.open_writes(2),
        "parked_writes": ledger.overview.parked_writes(),
        "read_at": {side: read_at.get(side) for side in SIDES},
    }


def _show(operator: Operator, state: State, facts: dict[str, Any], recent: list[Run]) -> None:
    console = operator.console
    console.print(Text("● ", _STYLES[state.colour]) + Text(f"{state.name}", _STYLES[state.colour]))
    console.print(Padding(Text(state.why), (0, 2), expand=False))
    if state.next:
        console.print(Padding(Text(f"next: {state.next}"), (0, 2), expand=False))
    console.print()
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bright_black")
    grid.add_column()
    for worker in facts["workers"]:
        grid.add_row("running", worker["holder"])
        if worker["progress"]:
            grid.add_row("so far", said(**worker["progress"]))
    if facts["approved_plan"]:
        grid.add_row("approved", f"plan {facts['approved_plan']}: the next run writes no other")
    grid.add_row("pairs", _counts(facts["pairs"]))
    for side, skips in facts["skips"].items():
        grid.add_row(f"skipped, {side}", _counts(skips))
    grid.add_row("conflicts", f"{facts['conflicts']:,} in the last {len(recent)} runs")
    grid.add_row(
        "open writes",
        f"{facts['open_writes']:,} sent and not seen to arrive yet, "
        f"{facts['unconfirmed_writes']:,} of them sent again, {facts['parked_writes']:,} parked",
    )
    for side, moment in facts["read_at"].items():
        grid.add_row(f"{side} read", ago(moment))
    console.print(grid)
    if recent:
        console.print()
        print_runs(console, recent)


def _counts(counts: dict[str, int]) -> str:
    if not counts:
        return "none"
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())
