"""Commands that change what the sync does."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from reconciler.cli.listing import reject_files
from reconciler.cli.operator import Operator, holder, shown_errors
from reconciler.commands import command, job
from reconciler.ledger.runs import now

#: Contacts that are named before they are deleted.
_NAMED: Final = 10


def _no_way_back() -> str:
    return (
        "What the sync created in PhoneIQ cannot be found and deleted afterwards: for that, answer "
        f"no and type {command('delete --revert')} instead."
    )


@click.command()
@click.pass_obj
def pause(operator: Operator) -> None:
    """Let runs store what they see, and write nothing; a running one stops at its next write.

    Example: contact-sync pause
    """
    if operator.ledger.controls.get("paused_at"):
        click.echo(f"already paused; to go on: {command('resume')}")
        return
    operator.ledger.controls.set({"paused_at": now()})
    click.echo(f"paused: runs store what they see and write nothing. To go on: {command('resume')}")


@click.command()
@click.pass_obj
def resume(operator: Operator) -> None:
    """Go on after a pause, or start anew after a delete.

    Example: contact-sync resume
    """
    controls = operator.ledger.controls
    if controls.get("paused_at"):
        controls.set({"paused_at": None})
        click.echo(f"resumed: the next run writes what has gathered. {job()}")
    elif controls.get("revert"):
        raise click.ClickException(f"a revert is under way; let it end first: {job()}")
    elif controls.get("deleted_at"):
        operator.ledger.rounds.end()
        operator.ledger.observations.reopen_all()
        controls.set({"deleted_at": None, "active_since": None})
        click.echo(f"started anew: the next run finds out who is who. {job()}")
    else:
        click.echo("not paused")


@click.command()
@click.argument("who", metavar="ID")
@click.pass_obj
def resync(operator: Operator, who: str) -> None:
    """Take a record up again that was released, flaps or was not accepted.

    ID is a Salesforce id, a PhoneIQ id, a phone number or an e-mail address.

    Example: contact-sync resync pc_yxgjfevgmecz
    """
    rows = operator.find(who)
    with shown_errors():
        operator.ledger.rounds.end()
        for row in rows:
            operator.ledger.removals.take_up(row, operator.ledger.runs.latest())
    click.echo(f"{len(rows)} records are planned again by the next run: {job()}")


@click.command()
@click.argument("who", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def forget(operator: Operator, who: str, yes: bool) -> None:
    """Remove a person's data from the ledger and never take it in again.

    Removes both records of the pair and whatever was merged or converted into them, their writes
    and conflicts, and keeps a hash of each id. The records stay on both sides.

    Example: contact-sync forget 003Sb0000004OtZIAU --yes
    """
    person = operator.ledger.removals.same_person(operator.find(who))
    ids = ", ".join(f"{side} {id_}" for _, side, id_ in person)
    if not yes:
        click.confirm(f"Forget {ids} and what belongs to them for good?", abort=True)
    with shown_errors(), operator.ledger.alone(holder("forget")):
        operator.ledger.rounds.end()
        operator.ledger.removals.forget(person)
    click.echo(f"forgotten: {ids}")
    for path in _mentioning([id_ for _, _, id_ in person]):
        click.echo(f"{path} still has them: delete the file, or the lines with these ids")


def _mentioning(ids: list[str]) -> list[Path]:
    """The reject files that name one of some ids."""
    return [path for path in reject_files() if any(id_ in path.read_text() for id_ in ids)]


@click.command()
@click.option("--revert", is_flag=True, help="Also delete in PhoneIQ what the sync created there.")
@click.option("--restore", is_flag=True, help="With --revert: give overwritten values back.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--force", is_flag=True, help="Delete more than max_delete_percent of PhoneIQ's contacts."
)
@click.pass_obj
def delete(operator: Operator, revert: bool, restore: bool, yes: bool, force: bool) -> None:
    """Delete the sync: forget the pairs, keep every record on both sides.

    With --revert, the next runs also delete in PhoneIQ what the sync created there, and only that.

    Example: contact-sync delete --revert --restore
    """
    if restore and not revert:
        raise click.UsageError("--restore goes with --revert")
    ledger = operator.ledger
    if ledger.controls.get("deleted_at"):
        raise click.ClickException(
            f"the sync is deleted already; to start anew: {command('resume')}"
        )
    if revert:
        _revert(operator, restore=restore, yes=yes, force=force)
        return
    pairs = sum(ledger.overview.pairs_by_object().values())
    if not yes:
        click.confirm(
            f"Forget {pairs:,} pairs? The records stay on both sides. {_no_way_back()}", abort=True
        )
    with shown_errors(), ledger.alone(holder("delete")):
        ledger.removals.forget_pairs()
        ledger.approvals.clear()
        ledger.controls.set(
            {"deleted_at": now(), "paused_at": None, "active_since": None, "approved": None}
        )
    click.echo(
        f"deleted; take the job out of its schedule. To start anew: {command('resume')}. From here "
        "on delete --revert cannot take back what the sync has done so far"
    )


def _revert(operator: Operator, *, restore: bool, yes: bool, force: bool) -> None:
    ledger = operator.ledger
    with shown_errors():
        ledger.removals.mark_made()
    made, contacts = ledger.removals.count_made(), ledger.removals.count_contacts()
    if not made and not (restore and any(ledger.removals.written())):
        click.echo(
            "there is nothing to revert: the ledger knows of no contact in PhoneIQ that the sync "
            f"created{' or overwrote' if restore else ''}. A delete without --revert, or a lost "
            "ledger, forgets which those were"
        )
    percent = operator.settings().max_delete_percent
    if made * 100 > contacts * percent and not force:
        raise click.ClickException(
            f"this deletes {made:,} of {contacts:,} contacts in PhoneIQ, more than "
            f"max_delete_percent allows ({percent:g}%); if that is what you want: "
            + command(f"delete --revert {'--restore ' if restore else ''}--force")
        )
    if made:
        ids = [one.id for one in next(ledger.removals.made())[:_NAMED]]
        more = f" and {made - len(ids):,} more" if made > len(ids) else ""
        click.echo(f"created by the sync: {', '.join(ids)}{more}")
    if not yes:
        back = " and give the others their values back" if restore else ""
        click.confirm(
            f"Delete {made:,} contacts in PhoneIQ that the sync created{back}?", abort=True
        )
    with shown_errors(), ledger.alone(holder("delete --revert")):
        click.echo(f"a backup of the ledger: {ledger.back_up()}")
        ledger.approvals.clear()
        ledger.controls.set(
            {"revert": "restore" if restore else "delete", "paused_at": None, "approved": None}
        )
    click.echo(f"the next runs revert it: {job()}")
