"""What observing, pairing and planning all do to the ledger's rows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    delete,
    false,
    func,
    literal,
    or_,
    select,
    true,
    update,
)

from reconciler.errors import DamagedLedgerError
from reconciler.ledger.sets import among, put_rows
from reconciler.ledger.tables import (
    alias,
    conflicts,
    made_from,
    observations,
    pairs,
    phone_numbers,
    records,
    separated,
    undos,
    waiting,
    writes,
)
from reconciler.model import PHONEIQ, SALESFORCE, UNSET, Side

_encode: Final = msgspec.json.Encoder(order="deterministic").encode
#: How `UNSET` is packed: as an extension type without data.
_UNSET: Final = msgspec.msgpack.Ext(0, b"")
_pack: Final = msgspec.msgpack.Encoder(enc_hook=lambda _: _UNSET).encode
_unpack: Final = msgspec.msgpack.Decoder(ext_hook=lambda *_: UNSET).decode
#: What is wrong with a stored value that is not what was written.
_UNREADABLE: Final = "a stored value cannot be read"

#: Rows in one statement's list of values; SQLite takes 32,766 at most.
_LIST: Final = 10_000
#: Pairs or records that are worked on between two commits.
CHUNK: Final = 2_000


def from_json(stored: str | bytes) -> Any:
    """A value from text as the ledger stores it.

    Raises:
        DamagedLedgerError: It is something else.
    """
    try:
        return msgspec.json.decode(stored)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DamagedLedgerError(_UNREADABLE) from None


def unpack(stored: bytes) -> Any:
    """A value from MessagePack as the ledger stores it.

    Raises:
        DamagedLedgerError: It is something else.
    """
    try:
        return _unpack(stored)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DamagedLedgerError(_UNREADABLE) from None


def to_json(value: Any) -> str:
    """A value as text, the same for the same value."""
    return _encode(value).decode()


def pack(value: Any) -> bytes:
    """A value as MessagePack: shorter than JSON, and read and written more quickly."""
    try:
        return _pack(value)
    except OverflowError:
        # No platform keeps a whole number of more than 64 bits.
        return _pack(_shortened(value))


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shortened(one) for one in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return float(value)
    return value


def text_key(text: str) -> int:
    """A number that stands for a text wherever only the same text is looked for."""
    return int.from_bytes(
        hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True
    )


def forgotten_hash(salt: str, side: str, identifier: str) -> str:
    """What is left of a record whose data was removed on request."""
    return hashlib.sha256(f"{salt}:{side}:{identifier}".encode()).hexdigest()


def parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    """Values in lists that fit a statement."""
    return (values[start : start + _LIST] for start in range(0, len(values), _LIST))


def set_records(connection: Connection, rows: Collection[int], **values: Any) -> None:
    """Set columns of records."""
    if rows:
        connection.execute(update(records).where(among(records.c.row, rows)).values(values))


def is_paired(connection: Connection, row: int) -> bool:
    """Whether a record has a pair."""
    return connection.scalar(select(records.c.pair).where(records.c.row == row)) is not None


def _sharers(rows: Collection[int]) -> Select[Any]:
    """The rows that share a number with these, themselves included."""
    mine = alias(phone_numbers, "mine")
    return select(phone_numbers.c.row).where(
        phone_numbers.c.number.in_(select(mine.c.number).where(among(mine.c.row, rows)))
    )


def reopen_sharers(connection: Connection, rows: Collection[int]) -> None:
    """Open the records without a pair that share a number with these rows."""
    _reopen(connection, records.c.row.in_(_sharers(rows)))


def _reopen(connection: Connection, which: ColumnElement[bool]) -> None:
    connection.execute(
        update(records)
        .where(records.c.pair.is_(None), which)
        .values(settled=False, duplicate_of=None)
    )


def _let_wait(connection: Connection, which: ColumnElement[bool]) -> None:
    """Let the open ones of these records without a pair wait for the next pairing."""
    opened = connection.scalars(
        select(records.c.row)
        .where(records.c.settled == false(), records.c.pair.is_(None), which)
        .order_by(records.c.row)
    ).all()
    put_rows(connection, waiting, [{"row": row} for row in opened])


def end_creating(connection: Connection, rows: Collection[int]) -> None:
    """Note that no create from these records is under way any more.

    A number that they have no more, but that their creates were made with, stands for nobody
    then: neither for them nor against others.
    """
    if not rows:
        return
    connection.execute(
        update(records)
        .where(among(records.c.row, rows), records.c.creating == true())
        .values(creating=False)
    )
    which = and_(among(phone_numbers.c.row, rows), phone_numbers.c.stale == true())
    held = connection.scalars(select(phone_numbers.c.number).where(which)).all()
    if held:
        sharers = connection.scalars(
            select(phone_numbers.c.row).where(among(phone_numbers.c.number, held))
        ).all()
        connection.execute(delete(phone_numbers).where(which))
        freed = among(records.c.row, sharers)
        _reopen(connection, freed)
        _let_wait(connection, freed)


def to_heirs_that_are_created() -> Select[Any]:
    """The pairs of records whose place one takes from which a create is under way.

    What appears across is the heir's contact, and nobody else's.
    """
    gone, heir = alias(records, "gone"), alias(records, "heir")
    return (
        select(gone.c.pair)
        .join(heir, and_(heir.c.side == SALESFORCE, heir.c.id == gone.c.successor))
        .where(
            gone.c.side == SALESFORCE,
            gone.c.successor.is_not(None),
            gone.c.pair.is_not(None),
            gone.c.pair > 0,
            heir.c.creating == true(),
            heir.c.pair.is_(None),
        )
    )


def stale_references(side: Side) -> Select[Any]:
    """Records of a side that still name one that an operator has separated from them.

    While one names it, what is created from the other would be written over it: both platforms
    take a create with a reference for an update of the record that has it.
    """
    namer, named = alias(records, "namer"), alias(records, "named")
    rows = (separated.c.phoneiq_row, separated.c.salesforce_row)
    namer_row, named_row = rows if side == PHONEIQ else rows[::-1]
    return (
        select(
            named.c.row.label("named"),
            namer.c.object,
            namer.c.id,
            namer.c.reference,
            namer.c.missing,
            namer.c.pair,
            named.c.pair.label("named_pair"),
        )
        .join_from(separated, namer, namer.c.row == namer_row)
        .join(named, named.c.row == named_row)
        .where(
            namer.c.deleted == false(),
            or_(
                namer.c.reference == named.c.id,
                and_(named.c.object == "PersonAccount", namer.c.reference == named.c.related),
            ),
            func.coalesce(namer.c.reference_run, 0) <= separated.c.run,
        )
        .order_by(namer.c.row)
    )


def close_writes(connection: Connection, numbers: Collection[int], run: int) -> None:
    """Note that writes are under way no more.

    Args:
        connection: The transaction.
        numbers: Their numbers in the journal.
        run: The run that saw them arrive, 0 where they are given up.
    """
    if not numbers:
        return
    closed = among(writes.c.write, numbers)
    connection.execute(update(writes).where(closed).values(confirmed_run=run))
    connection.execute(delete(made_from).where(among(made_from.c.write, numbers)))
    created = select(writes.c.source_row).where(closed, writes.c.action == "create")
    end_creating(connection, connection.scalars(created).all())


def dissolve(connection: Connection, pair: int, *, released: bool) -> None:
    """End a pair; the record that is left is settled if released, else open."""
    rows = tuple(
        connection.execute(
            select(pairs.c.salesforce_row, pairs.c.phoneiq_row).where(pairs.c.pair == pair)
        ).one()
    )
    on_their_way = connection.execute(
        select(writes.c.side, writes.c.changes, writes.c.run).where(
            writes.c.source_row.in_(rows),
            writes.c.confirmed_run.is_(None),
            writes.c.action == "update",
        )
    ).all()
    connection.execute(delete(pairs).where(pairs.c.pair == pair))
    connection.execute(delete(undos).where(undos.c.row.in_(rows)))
    # Its number may come again, and they hold a person's data that nobody could find any more.
    connection.execute(delete(conflicts).where(conflicts.c.pair == pair))
    connection.execute(
        update(records)
        .where(records.c.row.in_(rows))
        .values(
            pair=None,
            settled=or_(records.c.deleted, literal(released)),
            released=and_(literal(released), records.c.deleted == false()),
            awaits=None,
        )
    )
    for side, changes, run in on_their_way if released else ():
        values = {field: change[1] for field, change in from_json(changes).items()}
        left = and_(records.c.row.in_(rows), records.c.side == side)
        connection.execute(update(records).where(left).values(awaits=to_json(values)))
        half = connection.scalar(
            select(records.c.id).where(records.c.row.in_(rows), records.c.side != side)
        )
        if half in values.values():
            # The sync's own reference: when it arrives, it is not new, and moves no pair.
            unchanged = select(observations.c.row).where(
                observations.c.row.in_(rows), observations.c.run <= run
            )
            connection.execute(
                update(records).where(left, records.c.row.in_(unchanged)).values(reference=half)
            )
    connection.execute(
        update(writes)
        .where(writes.c.source_row.in_(rows), writes.c.confirmed_run.is_(None))
        .values(confirmed_run=0)
    )
    end_creating(connection, rows)
    reopen_sharers(connection, rows)
    if released:
        set_records(connection, list(rows), settled=True)
    _let_wait(connection, or_(records.c.row.in_(rows), records.c.row.in_(_sharers(rows))))
