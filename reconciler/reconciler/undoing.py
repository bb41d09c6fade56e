"""Taking a run back: what it wrote and what of it still stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, TypeAlias

from reconciler.fields.record_mapper import Exchange, Held
from reconciler.ledger import Ledger
from reconciler.ledger.plans import OpenPair
from reconciler.ledger.undos import Written
from reconciler.model import PHONEIQ, SALESFORCE, UNSET, Side, Undo, Value, allows, other
from reconciler.plan import exchanges, related_fields
from reconciler.rules.merging import is_as_agreed
from reconciler.rules.undoing import standing
from reconciler.settings import Settings

#: Why a part of a run is not taken back.
Left: TypeAlias = Literal[
    "edited_since",
    "created_and_edited_since",
    "taken_back",
    "gone",
    "reference",
    "not_mapped",
    "not_written_to",
    "not_seen",
    "has_members",
    "deleted",
]
_REFERENCES: Final = frozenset({"salesforce_id", "salesforce_object"})


@dataclass
class Found:
    """What of a run is taken back.

    Attributes:
        fields: How many fields get their old values, by side.
        records: How many records these are of, by side.
        created: How many records that it created are deleted, by side.
        left: How many fields or records stay as they are, by reason.
    """

    fields: Counter[Side] = field(default_factory=Counter)
    records: Counter[Side] = field(default_factory=Counter)
    created: Counter[Side] = field(default_factory=Counter)
    left: Counter[Left] = field(default_factory=Counter)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing is taken back."""
        return not (self.fields.total() or self.created.total())


class _Couple(NamedTuple):
    """A pair with what its records show, as its mapping reads them."""

    pair: OpenPair
    exchange: Exchange
    held: dict[Side, Held]


def undos_of(ledger: Ledger, settings: Settings, run: int, found: Found) -> Iterator[list[Undo]]:
    """What taking a run back comes to, in chunks.

    Args:
        ledger: The ledger.
        settings: The settings of the job.
        run: The run's number.
        found: Counts.
    """
    mapped = exchanges(ledger, settings)
    for written in ledger.undos.written(run):
        numbers = sorted({one.pair for one in written if one.pair is not None})
        couples: dict[int, _Couple] = {}
        for pair in ledger.plans.pairs(numbers, related_fields(settings)):
            exchange = mapped.get(pair.salesforce.object)
            if exchange is not None and not pair.salesforce.deleted and not pair.phoneiq.deleted:
                held: dict[Side, Held] = {
                    SALESFORCE: exchange.held(SALESFORCE, pair.salesforce.delivered),
                    PHONEIQ: exchange.held(PHONEIQ, pair.phoneiq.delivered),
                }
                couples[pair.pair] = _Couple(pair, exchange, held)
        rows = [one.row for one in written if one.row is not None]
        earlier = {
            (undo.row, undo.field): undo
            for undos in ledger.undos.of(rows).values()
            for undo in undos
        }
        chunk: list[Undo] = []
        for one in written:
            couple = None if one.pair is None else couples.get(one.pair)
            reason = _why_not(one, couple, settings)
            if reason is not None or couple is None or one.row is None:
                found.left[reason or "gone"] += 1
            elif one.action == "create":
                found.created[one.side] += 1
                chunk.append(Undo(one.row, "", one.write))
            else:
                undos = _fields(one, one.row, couple, settings, earlier, found)
                found.fields[one.side] += len(undos)
                found.records[one.side] += bool(undos)
                chunk += undos
        yield chunk


def _why_not(one: Written, couple: _Couple | None, settings: Settings) -> Left | None:
    """Why nothing of a write is taken back."""
    if one.action == "delete":
        return "deleted"
    if one.action == "create" and one.is_open:
        return "not_seen"
    if couple is None:
        return "gone"
    if not allows(settings.sync_direction, one.side):
        return "not_written_to"
    if one.action == "update":
        return None
    mapped = {*couple.exchange.fields(SALESFORCE), *couple.exchange.fields(PHONEIQ)}
    baseline, _ = couple.exchange.aligned(couple.pair.keys, couple.pair.baseline)
    if one.later & mapped or not is_as_agreed(couple.held[one.side].canonical, baseline):
        return "created_and_edited_since"
    return "has_members" if one.has_members else None


def _fields(
    one: Written,
    row: int,
    couple: _Couple,
    settings: Settings,
    earlier: dict[tuple[int, str], Undo],
    found: Found,
) -> list[Undo]:
    """What is taken back of an update."""
    undos: list[Undo] = []
    names = couple.exchange.fields(one.side)
    for name, (old, new, _) in one.changes.items():
        if old == new:
            # The same number, as it was sent beside a country.
            continue
        if name in _REFERENCES or name == settings.salesforce_external_id_field:
            found.left["reference"] += 1
        elif name not in names:
            found.left["not_mapped"] += 1
        else:
            position = names.index(name)
            undo, reason = _undo(
                Undo(row, name, one.write, new, old, _shown(one, name, old), new),
                earlier.get((row, name)),
                couple.held[one.side].canonical[position],
                couple.held[other(one.side)].canonical[position],
                is_open=one.is_open,
            )
            if reason is None:
                undos.append(undo)
            else:
                found.left[reason] += 1
    return undos


def _shown(one: Written, name: str, old: Value) -> Value:
    """What the record showed before; `UNSET` where that is not known."""
    if one.shown is None:
        return UNSET  # type: ignore[return-value]
    value: Value = one.shown.get(name, old)
    return value


def _undo(
    undo: Undo, earlier: Undo | None, written: Value, across: Value, *, is_open: bool
) -> tuple[Undo, Left | None]:
    """What takes a write back, beside what is taken back of the field already.

    Args:
        undo: What takes the write back by itself.
        earlier: What is taken back of the field already, or None.
        written: The value that the written record shows.
        across: The value that the other record shows.
        is_open: Whether its side has not shown the write yet.

    Returns:
        It, and why the field stays as it is, or None.
    """
    if earlier is not None:
        undo = undo._replace(across=earlier.across)
        if earlier.old == undo.given and written == earlier.given:
            # The next run would give the field back what this write gave it; now it goes on to
            # what was before, which may be what is there.
            return undo._replace(given=earlier.given), None
        if written == earlier.given != earlier.old:
            # It will give the field something else: this write does not stand any more.
            return undo, "taken_back"
    state = standing(undo, written, across, is_under_way=is_open).state
    if state == "done" and earlier is not None:
        return undo, "taken_back"
    return undo, None if state in {"open", "waits"} else "edited_since"
