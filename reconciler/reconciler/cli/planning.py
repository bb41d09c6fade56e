"""`contact-sync plan`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import click
from rich.text import Text

from reconciler.cli.operator import Operator, ago, as_json, shown, shown_errors
from reconciler.ledger import Ledger
from reconciler.model import PHONEIQ, SALESFORCE, Side, Write, allows
from reconciler.plan import Planner
from reconciler.settings import Settings
from reconciler.summary import Summary


@click.command()
@click.option("--to", type=click.Choice([SALESFORCE, PHONEIQ]), help="Only writes to one side.")
@click.option("--limit", default=50, show_default=True, help="Show at most so many writes.")
@click.option("--json", "json_", is_flag=True, help="The whole plan for programs.")
@click.pass_obj
def plan(operator: Operator, to: Side | None, limit: int, json_: bool) -> None:
    """Show what the next run would write, from what the ledger holds, without writing it.

    Example: contact-sync plan --to phoneiq --limit 10
    """
    ledger, settings = operator.ledger, operator.settings()
    observed = ledger.runs.complete()
    if len(observed) < 2:
        raise click.ClickException(
            "both sides have to be read completely before anything is planned: "
            "meltano run contact-sync"
        )
    digest = hashlib.sha256()
    counts: dict[str, dict[str, int]] = {}
    shown_writes: list[Write] = []
    with shown_errors(), ledger.copy() as copy:
        for write in planned(copy, settings, to):
            digest.update(json.dumps(_for_programs(write), sort_keys=True).encode())
            by_action = counts.setdefault(write.side, {})
            by_action[write.action] = by_action.get(write.action, 0) + 1
            if json_ or len(shown_writes) < limit:
                shown_writes.append(write)
    name = digest.hexdigest()[:12]
    if json_:
        as_json(
            {
                "plan": name,
                "counts": counts,
                "read_at": ledger.overview.read_at(),
                "writes": [_for_programs(write) for write in shown_writes],
            }
        )
        return
    _show(operator, name, counts, shown_writes)


def planned(copy: Ledger, settings: Settings, to: Side | None = None) -> Iterator[Write]:
    """The writes that a run would emit, on a copy of the ledger.

    Args:
        copy: A copy; the plan changes it.
        settings: The settings of the job.
        to: Only writes to this side.
    """
    run = copy.runs.latest() + 1
    sides: tuple[Side, Side] = (PHONEIQ, SALESFORCE)
    for side in sides:
        if to in {None, side} and allows(settings.sync_direction, side):
            summary = Summary("observe-phoneiq")
            planner = Planner(copy, settings, side, run, summary)
            planner.pair()
            for writes in planner.writes():
                yield from writes


def _for_programs(write: Write) -> dict[str, Any]:
    return {
        "side": write.side,
        "object": write.object,
        "id": write.id,
        "action": write.action,
        "changes": {
            field: {"old": change.old, "new": change.new, "why": change.why}
            for field, change in write.changes.items()
        },
    }


def _show(
    operator: Operator, name: str, counts: dict[str, dict[str, int]], writes: list[Write]
) -> None:
    console = operator.console
    total = sum(sum(by_action.values()) for by_action in counts.values())
    if not total:
        console.print("in sync: the next run has nothing to write")
    else:
        parts = [
            f"{side}: " + ", ".join(f"{number:,} {action}" for action, number in by_action.items())
            for side, by_action in counts.items()
        ]
        console.print(f"plan {name}: {total:,} writes ({'; '.join(parts)})", style="bold")
    for write in writes:
        console.print()
        target = write.id or f"a new {write.object if write.side == SALESFORCE else 'contact'}"
        style = {"create": "green", "update": "yellow", "delete": "red"}[write.action]
        console.print(Text(f"{write.action} ", style) + Text(f"{write.side} {target}"))
        for field, change in write.changes.items():
            line = Text(f"    {field}: ")
            if write.action == "update":
                line.append(shown(change.old), "red").append(" → ")
            line.append(shown(change.new), "green").append(f"  {change.why}", "bright_black")
            console.print(line)
    if total > len(writes):
        console.print(f"\n… and {total - len(writes):,} more: contact-sync plan --limit {total}")
    for side, moment in operator.ledger.overview.read_at().items():
        console.print(f"{side} as read {ago(moment)}", style="bright_black")
