"""`contact-sync explain`: all about one person, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.text import Text

from reconciler.cli.listing import reject_files, reject_rows
from reconciler.cli.operator import Operator, ago, as_json, named, print_rows, shown
from reconciler.commands import command, job
from reconciler.fields.canonical import known
from reconciler.fields.record_mapper import Delivered, Exchange
from reconciler.ledger.overview import Dossier, Overview, PairDossier, Sent
from reconciler.lifecycle import remedy_of
from reconciler.model import PHONEIQ, SALESFORCE, UNSET, Side, Undo, Value, other
from reconciler.settings import Settings

_FOUND_BY: Final = {
    "reference": "one names the other",
    "phone": "they share a phone number",
    "operator": "contact-sync pair",
}


@click.command()
@click.argument("who", metavar="ID")
@click.option("--json", "json_", is_flag=True, help="Everything as a JSON array, one per record.")
@click.pass_obj
def explain(operator: Operator, who: str, json_: bool) -> None:
    """Tell why a person was or was not synced.

    ID is a Salesforce id, a PhoneIQ id, a phone number or an e-mail address.

    Example: contact-sync explain 003Sb0000004OtZIAU
    """
    settings, overview = operator.settings(), operator.ledger.overview
    rows = operator.find(who, in_any_country=True)
    told: set[int] = set()
    answers: list[dict[str, Any]] = []
    for row in rows:
        if row in told:
            continue
        record = overview.dossier(row)
        pair = None if record.pair is None else overview.pair(record.pair)
        halves = {record.side: record}
        if pair is not None:
            across = pair.phoneiq_row if record.side == SALESFORCE else pair.salesforce_row
            halves[other(record.side)] = overview.dossier(across)
        told.update(one.row for one in halves.values())
        if SALESFORCE in halves:
            halves[SALESFORCE] = _with_related(overview, halves[SALESFORCE], settings)
        undos = operator.ledger.undos.of([one.row for one in halves.values()])
        answers.append(_answer(halves, pair, settings, undos))
    if json_:
        as_json(answers)
        return
    for number, answer in enumerate(answers):
        if number:
            operator.console.rule()
        _show(operator, answer)


def _with_related(overview: Overview, record: Dossier, settings: Settings) -> Dossier:
    """A Salesforce record with the mapped fields behind its relationships."""
    fields = dict(record.fields)
    for row in settings.mappings.get(record.object, ()):
        if row.related and row.related[0] in fields:
            reference, field = row.related
            id_ = fields[reference]
            fields[row.salesforce] = overview.field_of(id_, field) if id_ else None
    return record._replace(fields=fields)


def _answer(
    halves: dict[Side, Dossier],
    pair: PairDossier | None,
    settings: Settings,
    undos: Mapping[int, Sequence[Undo]],
) -> dict[str, Any]:
    name = halves[SALESFORCE].object if SALESFORCE in halves else settings.default_object
    exchange = Exchange(name, settings, {})
    held = {
        side: exchange.held(side, Delivered.of(one.fields, one.numbers)).canonical
        for side, one in halves.items()
    }
    fields = []
    for position, rule in enumerate(exchange.rules):
        values: dict[str, Any] = {side: _extracted(held[side][position]) for side in held}
        baseline = None if pair is None else known(pair.baseline.get(rule.key))
        last = _last_decision(halves, exchange, position)
        if any(value is not None for value in (*values.values(), baseline, last)):
            fields.append({"field": rule.key, **values, "baseline": baseline, "last": last})
    return {
        "records": [_record(one) for one in halves.values()],
        "pair": None if pair is None else {"pair": pair.pair, "why": pair.why, "run": pair.run},
        "fields": fields,
        "notes": [
            *(note for one in halves.values() for note in _notes(one, pair, settings)),
            *(
                _taken_back(one, undo, dict(zip(exchange.fields(side), held[side], strict=True)))
                for side, one in halves.items()
                for undo in undos.get(one.row, ())
            ),
        ],
    }


def _taken_back(one: Dossier, undo: Undo, shown: Mapping[str, Value]) -> str:
    """How far the undo of a write is."""
    where = f"{one.side} {one.id}"
    if not undo.field:
        return f"{where} is deleted again by the next run: its create is taken back"
    if undo.given != undo.old and shown.get(undo.field) == undo.given:
        return f"{undo.field} of {where} gets its old value back from the next run"
    return (
        f"{undo.field} of {where} has its old value back: the sides keep different values until "
        "somebody edits one of them"
    )


def _extracted(value: Any) -> Any:
    """A canonical value as people know it; None for a field that was not extracted."""
    return None if value is UNSET else known(value)


def _record(one: Dossier) -> dict[str, Any]:
    return {
        "side": one.side,
        "object": one.object,
        "id": one.id,
        "observed_run": one.observed_run,
        "deleted": one.deleted,
        "released": one.released,
        "skip": one.skip or ("duplicate_phone" if one.holder else None),
        "holder": one.holder,
        "field_skips": one.field_skips,
        "sent": [_sent(write) for write in one.sent],
    }


def _sent(write: Sent) -> dict[str, Any]:
    changes = {
        field: [known(old), known(new), why] for field, (old, new, why) in write.changes.items()
    }
    return write._asdict() | {"changes": changes}


def _last_decision(
    halves: dict[Side, Dossier], exchange: Exchange, position: int
) -> dict[str, Any] | None:
    """The newest write that touched a field, in either direction."""
    newest: Sent | None = None
    for one in halves.values():
        for write in one.sent:
            if exchange.field(position, write.side) in write.changes and (
                newest is None or write.run > newest.run
            ):
                newest = write
    if newest is None:
        return None
    old, new, why = newest.changes[exchange.field(position, newest.side)]
    return {
        "run": newest.run,
        "at": newest.at,
        "to": newest.side,
        "old": known(old),
        "new": known(new),
        "why": why,
        "arrived": newest.confirmed_run is not None and newest.confirmed_run > 0,
    }


def _notes(one: Dossier, pair: PairDossier | None, settings: Settings) -> list[str]:
    """What stands in the way of a record, and what would change it."""
    notes = []
    where = f"{one.side} {one.id}"
    if one.deleted:
        notes.append(f"{where} is deleted")
    if one.skip is not None:
        notes.append(f"{where} takes no part: {one.skip}. To change it: {_remedy(one.skip, one)}")
    if one.holder is not None:
        notes.append(
            f"{where} is skipped as duplicate_phone: {one.holder} holds its number. To change it: "
            f"{remedy_of('duplicate_phone')}"
        )
    if one.merged_away:
        notes.append(
            f"{where} is skipped as merged_away: its record was merged into one that has a contact "
            f"of its own. To change it: {_remedy('merged_away', one)}"
        )
    elif one.released:
        notes.append(
            f"{where} is released: its other half was deleted. To create that again: "
            f"{_remedy('released', one)}"
        )
    notes.extend(
        _not_accepted(field, one)
        if reason == "not_accepted"
        else f"{field} is left out: {reason}. To change it: {_remedy(reason, one)}"
        for field, reason in one.field_skips.items()
    )
    notes.extend(
        f"the {write.action} in {write.side} was sent {_times(write.tries)}, last by run "
        f"{write.run}, and is not seen to arrive yet; was it refused? {command('rejects')}"
        for write in one.sent
        if write.confirmed_run is None
    )
    if pair is None and not notes:
        side = other(one.side)
        notes.append(
            f"{where} has no pair yet: the next run creates it in {side}, where "
            f"sync_direction ({settings.sync_direction}) allows it: {job()}"
        )
    return notes


def _not_accepted(field: str, one: Dossier) -> str:
    """Why a write is parked, since when, and what its target said."""
    write = next(
        write for write in one.sent if (field in write.changes if field else not write.changes)
    )
    what = f"{field} is" if field else f"its {write.action} in {write.side} is"
    why = ""
    if field and write.changes[field][1] is None:
        why = "; it was to be cleared, and the old value is still there: some targets never clear"
    else:
        ids = {one.id, one.fields.get("salesforce_id")}
        said = [
            row
            for path in reject_files()
            for row in reject_rows(path)
            if row["id"] in ids and row["action"] == write.action
        ]
        if said:
            newest = max(said, key=lambda row: str(row["time"]))
            why = f"; {newest['target']} got {newest['code']}: {newest['message']}"
    return (
        f"{what} left out: not_accepted, sent {_times(write.tries)}, last by run {write.run}{why}. "
        f"To change it: {_remedy('not_accepted', one)}"
    )


def _remedy(reason: str, one: Dossier) -> str:
    return remedy_of(reason, one.id)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _show(operator: Operator, answer: dict[str, Any]) -> None:
    console = operator.console
    for one in answer["records"]:
        name = named(one["side"], one["object"], one["id"])
        console.print(
            Text.assemble((name, "bold"), f", last change seen by run {one['observed_run']}")
        )
    pair = answer["pair"]
    if pair is None:
        console.print("no pair")
    else:
        found = _FOUND_BY.get(pair["why"], pair["why"])
        console.print(f"pair {pair['pair']}, made by run {pair['run']}: {found}")
    console.print()
    rows = answer["fields"]
    names = ["field", SALESFORCE, PHONEIQ, "last agreed", "last written"]
    if pair is None or all(_stands(row) for row in rows):
        names.remove("last agreed")
    listed: list[list[Any]] = []
    for row in rows:
        same = len(answer["records"]) == 2 and row[SALESFORCE] == row[PHONEIQ]
        cells: list[Any] = [
            operator.field(row["field"]),
            shown(row.get(SALESFORCE)),
            "=" if same and row[PHONEIQ] is not None else shown(row.get(PHONEIQ)),
        ]
        if "last agreed" in names:
            cells.append("" if _stands(row) else shown(row["baseline"]))
        listed.append([*cells, _written(row["last"])])
    print_rows(console, names, listed)
    if answer["notes"]:
        console.print()
    for note in answer["notes"]:
        console.print(Text(f"• {note}"))


def _stands(row: dict[str, Any]) -> bool:
    """Whether both sides still show what they last agreed on."""
    return bool(row["baseline"] == row.get(SALESFORCE) == row.get(PHONEIQ))


def _written(last: dict[str, Any] | None) -> str:
    if last is None:
        return ""
    arrived = "" if last["arrived"] else ", not seen to arrive"
    return f"to {last['to']}, run {last['run']}, {ago(last['at'])}: {last['why']}{arrived}"
