"""`contact-sync pair` and `contact-sync unpair`: who is who, said by an operator."""

from __future__ import annotations

from typing import Final

import click

from reconciler.cli.operator import Operator, holder, named, shown_errors
from reconciler.commands import command, job
from reconciler.ledger.pairs import Half
from reconciler.lifecycle import remedy_of
from reconciler.model import SALESFORCE
from reconciler.rules.eligibility import UNPAIRABLE

_NEXT: Final = "the next run writes what follows: meltano run contact-sync"


@click.command()
@click.argument("one", metavar="ID")
@click.argument("other", metavar="ID")
@click.pass_obj
def pair(operator: Operator, one: str, other: str) -> None:
    """Make a Salesforce record and a PhoneIQ contact a pair, whatever their names and numbers say.

    The IDs come in any order; a phone number or an e-mail address will do where only one record has
    it. What either was paired with before stays, apart from them, and is not created again until
    someone edits it. The next run compares the two as it does with every new pair, and corrects the
    references.

    Example: contact-sync pair 003Sb0000004OtZIAU pc_yxgjfevgmecz
    """
    with shown_errors(), operator.ledger.alone(holder("pair")):
        operator.check_standing()
        halves = [_half(operator, who) for who in (one, other)]
        salesforce, phoneiq = sorted(halves, key=lambda half: half.side != SALESFORCE)
        if salesforce.side == phoneiq.side:
            raise click.ClickException(
                f"{_named(halves[0])} and {_named(halves[1])} are both in {salesforce.side}; a "
                "pair is one record of Salesforce and one contact of PhoneIQ"
            )
        for half in halves:
            _check(half)
        names = f"{_named(salesforce)} and {_named(phoneiq)}"
        if salesforce.pair is not None and salesforce.pair == phoneiq.pair:
            click.echo(f"{names} are a pair already")
            return
        ledger = operator.ledger
        ledger.rounds.end()
        ledger.pairs.pair_by_hand(salesforce.row, phoneiq.row, ledger.runs.latest())
    click.echo(f"{names} are a pair; {_NEXT}")


@click.command()
@click.argument("who", metavar="ID")
@click.pass_obj
def unpair(operator: Operator, who: str) -> None:
    """End the pair of two people who are not the same, and let them stay apart.

    ID is that of either record, a phone number or an e-mail address. Both records stay and are
    released: neither is created on the other side until someone edits it. The next run takes the
    reference away that one has to the other. Only one that someone sets later, or contact-sync
    pair, makes them a pair again.

    Example: contact-sync unpair 003Sb0000004OtZIAU
    """
    with shown_errors(), operator.ledger.alone(holder("unpair")):
        operator.check_standing()
        halves = operator.ledger.pairs.halves(operator.find(who))
        found = {half.pair for half in halves if half.pair is not None}
        if not found:
            raise click.ClickException(
                f"{_all_named(halves)}: no pair to end. All pairs: {command('pairs')}"
            )
        if len(found) > 1:
            raise click.ClickException(
                f"{len(found)} pairs have this phone number or e-mail address: "
                f"{_all_named(halves)}; name one record by its id"
            )
        ledger = operator.ledger
        ledger.rounds.end()
        record, contact = ledger.pairs.unpair(found.pop(), ledger.runs.latest())
    click.echo(
        f"salesforce {record} and phoneiq {contact} are no pair any more and stay apart. To take "
        f"it back: {command(f'pair {record} {contact}')}"
    )


def _half(operator: Operator, who: str) -> Half:
    """The one record that a text names."""
    halves = operator.ledger.pairs.halves(operator.find(who))
    if len(halves) > 1:
        raise click.ClickException(
            f"{len(halves)} records have this phone number or e-mail address: "
            f"{_all_named(halves)}; name one by its id"
        )
    return halves[0]


def _check(half: Half) -> None:
    """Refuse a record that cannot be one half of a pair."""
    if half.deleted:
        raise click.ClickException(
            f"{_named(half)} is deleted; restore it there and run the job, or name another record"
        )
    if half.missing:
        raise click.ClickException(
            f"{_named(half)} is missing from the last full refresh: {remedy_of('missing')}"
        )
    if half.side == SALESFORCE and half.skip in UNPAIRABLE:
        raise click.ClickException(
            f"{_named(half)} takes no part ({half.skip}): {remedy_of(half.skip)}"
        )
    if half.creating and half.pair is None:
        raise click.ClickException(
            f"{_named(half)} is being created on the other side; run the job first, then type this "
            f"again: {job()}"
        )


def _named(half: Half) -> str:
    return named(half.side, half.object, half.id)


def _all_named(halves: list[Half]) -> str:
    return ", ".join(map(_named, halves))
