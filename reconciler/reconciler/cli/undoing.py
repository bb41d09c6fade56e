"""`contact-sync undo`: what a run wrote is taken back."""

from __future__ import annotations

from typing import Final

import click

from reconciler.cli.operator import Operator, ago, holder, shown_errors
from reconciler.commands import command, job
from reconciler.ledger.runs import Run
from reconciler.model import SIDES, Side
from reconciler.undoing import Found, Left, undos_of

_NAMES: Final[dict[Side, str]] = {"phoneiq": "PhoneIQ", "salesforce": "Salesforce"}
#: What is counted, and why it stays as it is.
_LEFT: Final[dict[Left, tuple[str, str]]] = {
    "edited_since": ("field", "edited since on one of the sides"),
    "created_and_edited_since": ("created record", "edited since on one of the sides"),
    "taken_back": ("field", "taken back already"),
    "gone": ("write", "its records are deleted, or no pair any more"),
    "reference": ("reference", "joins a pair; to end that: {unpair}"),
    "not_mapped": ("field", "not mapped any more"),
    "not_written_to": ("write", "sync_direction does not write there any more"),
    "not_seen": ("created record", "not seen by a run yet; once {job} has run, type this again"),
    "has_members": ("created Account", "other records belong to it"),
    "deleted": ("deleted record", "restore it there; the sync takes it up again"),
}


@click.command()
@click.argument("run", type=click.IntRange(min=1))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Delete more than max_delete_percent of the pairs.")
@click.pass_obj
def undo(operator: Operator, run: int, yes: bool, force: bool) -> None:
    """Take back what a run wrote, where it still stands.

    Fields that still have the value that the RUN gave them get the old one, and what it created is
    deleted where nobody has edited it since. The side that the values came from keeps its own: the
    two differ until somebody edits one of them. The next run writes it; contact-sync plan shows it
    before. contact-sync history has the numbers of the runs, one for each pipe.

    Example: contact-sync undo 12
    """
    with shown_errors(), operator.ledger.alone(holder("undo")):
        operator.check_standing()
        ledger, settings = operator.ledger, operator.settings()
        one = ledger.runs.get(run)
        if one is None:
            raise click.ClickException(f"there is no run {run}; all runs: {command('history')}")
        found = Found()
        for _ in undos_of(ledger, settings, run, found):
            pass
        _tell(one, found)
        if found.is_nothing:
            return
        _guard(operator, run, found, settings.max_delete_percent, force=force)
        if not yes:
            click.confirm(f"Take run {run} back?", abort=True)
        click.echo(f"a backup of the ledger: {ledger.back_up()}")
        ledger.rounds.end()
        ledger.approvals.clear()
        for undos in undos_of(ledger, settings, run, Found()):
            ledger.undos.put(undos)
        is_paused = ledger.controls.get("paused_at") is not None
    first = f"{command('resume')}, then " if is_paused else ""
    click.echo(f"the next run takes it back: {first}{job()}. To look first: {command('plan')}")


def _tell(run: Run, found: Found) -> None:
    name = f"run {run.run} ({run.name}, {ago(run.started_at)})"
    if found.is_nothing and not found.left:
        click.echo(f"{name} wrote nothing")
        return
    click.echo(f"{name}:")
    if found.is_nothing:
        click.echo("  nothing is left to take back")
    for side in SIDES:
        if found.fields[side]:
            click.echo(
                f"  {_many(found.fields[side], 'field')} of {_many(found.records[side], 'record')} "
                f"in {_NAMES[side]}: back to the old value; the other side keeps its own"
            )
        if found.created[side]:
            click.echo(
                f"  {_many(found.created[side], 'record')} in {_NAMES[side]} that it created: "
                "deleted"
            )
    if found.left:
        click.echo("these stay as they are:")
    for reason, (what, why) in _LEFT.items():
        if found.left[reason]:
            said = why.format(unpair=command("unpair ID"), job=job())
            click.echo(f"  {_many(found.left[reason], what)}: {said}")


def _guard(operator: Operator, run: int, found: Found, percent: float, *, force: bool) -> None:
    """Refuse to delete too much.

    Raises:
        click.ClickException: It is more than the settings allow.
    """
    deleted, pairs = sum(found.created.values()), operator.ledger.pairs.count()
    if deleted * 100 > pairs * percent and not force:
        raise click.ClickException(
            f"this deletes one record of {deleted:,} of {pairs:,} pairs, more than "
            f"max_delete_percent allows ({percent:g}%); if that is what you want: "
            f"{command(f'undo {run} --force')}"
        )


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
