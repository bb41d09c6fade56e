"""`contact-sync plan` and `contact-sync approve`."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Final

import click
from rich.text import Text

from reconciler.cli.operator import Operator, ago, as_json, named, shown, shown_errors
from reconciler.commands import command, job
from reconciler.ledger import Ledger
from reconciler.lifecycle import waiting
from reconciler.model import PHONEIQ, SALESFORCE, Side, Write, allows
from reconciler.preview import (
    PlanId,
    Unguarded,
    approved_ends,
    approved_writes,
    plan_of,
    prepare,
)
from reconciler.preview import as_json as write_as_json

#: Seconds after which what was read of a side is called old.
_OLD: Final = 3_600
#: Pairs that end and are named.
_NAMED: Final = 5
_STYLES: Final = {"create": "green", "update": "yellow", "delete": "red"}


@click.command()
@click.option("--to", type=click.Choice([SALESFORCE, PHONEIQ]), help="Only writes to one side.")
@click.option("--limit", default=50, show_default=True, help="Show at most so many writes.")
@click.option("--json", "json_", is_flag=True, help="The whole plan for programs.")
@click.pass_obj
def plan(operator: Operator, to: Side | None, limit: int, json_: bool) -> None:
    """Show what the next run would write, from what the ledger holds, without writing it.

    The job itself does the same, on new data, with RECONCILER_DRY_RUN=true.

    Example: contact-sync plan --to phoneiq --limit 10
    """
    ledger, settings = operator.ledger, operator.settings()
    name, unguarded = PlanId(), Unguarded()
    counts: dict[str, dict[str, int]] = {}
    first: list[Write] = []
    sides: tuple[Side, ...] = (PHONEIQ, SALESFORCE) if to is None else (to,)
    with shown_errors(), ledger.copy() as copy:
        prepare(copy, settings)
        check_read(copy)
        for writes in plan_of(copy, settings, unguarded, sides):
            name.add(writes)
            for write in writes:
                by_action = counts.setdefault(write.side, {})
                by_action[write.action] = by_action.get(write.action, 0) + 1
            first += writes if json_ else writes[: max(0, limit - len(first))]
    name.end(unguarded.ended)
    if json_:
        as_json(
            {
                "plan": str(name),
                "counts": counts,
                "ended_pairs": [list(pair) for pair in unguarded.ended],
                "name_mismatches": (unguarded.by_phone or (0,))[0],
                "open_writes": ledger.overview.open_writes(),
                "stopped": list(unguarded.stopped.values()),
                "read_at": ledger.overview.read_at(),
                "writes": [write_as_json(write) for write in first],
            }
        )
        return
    _show(operator, str(name), counts, first, unguarded, is_whole=to is None)


@click.command()
@click.argument("plan", required=False)
@click.option("--withdraw", is_flag=True, help="Let runs write without approval again.")
@click.pass_obj
def approve(operator: Operator, plan: str | None, withdraw: bool) -> None:
    """Let the next run write exactly this PLAN, or stop and say what has changed since.

    PLAN is what `contact-sync plan` calls it. After a run that wrote it, runs need no approval.

    Example: contact-sync approve 2392c6142ff2
    """
    ledger = operator.ledger
    if withdraw:
        ledger.approvals.clear()
        ledger.controls.set({"approved": None})
        click.echo("withdrawn: runs write without approval again")
        return
    if plan is None:
        raise click.UsageError(f"which plan? To see it: {command('plan')}")
    settings = operator.settings()
    name, unguarded = PlanId(), Unguarded()
    with shown_errors(), ledger.copy() as copy:
        prepare(copy, settings)
        check_read(copy)
        copy.approvals.clear()
        for writes in plan_of(copy, settings, unguarded):
            name.add(writes)
            copy.approvals.add(approved_writes(writes))
        name.end(unguarded.ended)
        copy.approvals.add(approved_ends(unguarded.ended))
        if str(name) != plan:
            raise click.ClickException(
                f"plan {plan} is not what the next run would write now; that is plan {name}: "
                f"{command('plan')}"
            )
        ledger.approvals.clear()
        for chunk in copy.approvals.all():
            ledger.approvals.add(chunk)
    sides: tuple[Side, Side] = (PHONEIQ, SALESFORCE)
    left = [side for side in sides if allows(settings.sync_direction, side)]
    ledger.rounds.end()
    ledger.controls.set({"approved": {"plan": plan, "left": left}})
    click.echo(f"approved: the next run writes plan {plan} and no other. {job()}")


def check_read(ledger: Ledger) -> None:
    """Refuse to plan from a side that was not read.

    Raises:
        click.ClickException: No run has read both sides.
    """
    if len(ledger.runs.complete()) < 2:
        raise click.ClickException(
            f"both sides have to be read completely before anything is planned: {job()}"
        )


def _show(
    operator: Operator,
    name: str,
    counts: dict[str, dict[str, int]],
    writes: list[Write],
    unguarded: Unguarded,
    *,
    is_whole: bool,
) -> None:
    console = operator.console
    total = sum(sum(by_action.values()) for by_action in counts.values())
    if total:
        parts = [
            f"{side}: " + ", ".join(f"{number:,} {action}" for action, number in by_action.items())
            for side, by_action in counts.items()
        ]
        console.print(Text(f"plan {name}: {total:,} writes ({'; '.join(parts)})", "bold"))
    elif unguarded.ended:
        console.print(Text(f"plan {name}: nothing is written", "bold"))
    elif open_writes := operator.ledger.overview.open_writes():
        console.print(f"nothing new to write; {waiting(open_writes)}: {job()}")
    else:
        console.print("in sync: the next run has nothing to write")
    mismatches, by_phone = unguarded.by_phone or (0, 0)
    if mismatches:
        console.print(
            f"{mismatches:,} of {by_phone:,} pairs by phone join people with different names: "
            f"{command('pairs --planned --name-mismatch')}"
        )
    for write in writes:
        _show_write(operator, write)
    console.print()
    if unguarded.ended:
        _show_ended(operator, list(unguarded.ended))
    if total > len(writes):
        console.print(f"and {total - len(writes):,} more: {command(f'plan --limit {total}')}")
    _show_standing(operator)
    for message in dict.fromkeys(unguarded.stopped.values()):
        console.print(f"a run stops before this: {message}", markup=False)
    if (total or unguarded.ended) and is_whole:
        console.print(f"to let the next run write exactly this: {command(f'approve {name}')}")


def _show_ended(operator: Operator, pairs: list[tuple[str, str]]) -> None:
    named_pairs = ", ".join(f"{record} and {contact}" for record, contact in pairs[:_NAMED])
    more = f" and {len(pairs) - _NAMED:,} more" if len(pairs) > _NAMED else ""
    operator.console.print(
        f"ends {len(pairs):,} pairs, since one record of each was deleted: {named_pairs}{more}",
        markup=False,
    )


def _show_write(operator: Operator, write: Write) -> None:
    console = operator.console
    target = named(write.side, write.object, write.id)
    console.print()
    console.print(Text.assemble((f"{write.action} ", _STYLES[write.action]), target))
    for field, change in write.changes.items():
        old = shown(change.old)
        parts: tuple[Any, ...] = ((str(old), "red"), " → ") if write.action == "update" else ()
        console.print(
            Text.assemble(
                f"    {field}: ",
                *parts,
                (str(shown(change.new)), "green"),
                (f"  {change.why}", "bright_black"),
            )
        )


def _show_standing(operator: Operator) -> None:
    """How old the data is, and what keeps a run from writing."""
    ledger, console = operator.ledger, operator.console
    read_at = ledger.overview.read_at()
    for side, moment in read_at.items():
        console.print(Text(f"{side} as read {ago(moment)}", "bright_black"))
    now = datetime.now(timezone.utc)
    if any(
        (now - datetime.fromisoformat(moment.replace("Z", "+00:00"))).total_seconds() > _OLD
        for moment in read_at.values()
    ):
        console.print(f"this is old; to plan on new data: RECONCILER_DRY_RUN=true {job()}")
    if ledger.controls.get("deleted_at"):
        console.print(f"the sync is deleted; to start anew: {command('resume')}")
    elif ledger.controls.get("paused_at"):
        console.print(f"the sync is paused, nothing of this is written before: {command('resume')}")
