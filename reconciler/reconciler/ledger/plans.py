"""What planning reads, and what it decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import Struct
from sqlalchemy import (
    Connection,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    update,
)

from reconciler.fields.ids import salesforce_id
from reconciler.fields.phones import match_number
from reconciler.fields.record_mapper import Delivered, Layout
from reconciler.ledger.database import Database, repeatable
from reconciler.ledger.observations import Layouts
from reconciler.ledger.rows import (
    CHUNK,
    close_writes,
    dissolve,
    from_json,
    pack,
    set_records,
    stale_references,
    to_heirs_that_are_created,
    to_json,
    unpack,
)
from reconciler.ledger.sets import among, insert_rows, put_rows, quick, update_rows
from reconciler.ledger.tables import (
    TEXT,
    conflicts,
    field_skips,
    is_given_up,
    is_leaving,
    made_from,
    observations,
    originals,
    pairs,
    phone_numbers,
    records,
    runs,
    undos,
    waiting,
    writes,
)
from reconciler.model import SALESFORCE, UNSET, Action, Side, SkipReason, Value, other

#: (path, reference field, field behind it) of each mapped field behind a relationship.
Related: TypeAlias = tuple[tuple[str, str, str], ...]
#: (index, count): the pairs, or records without a pair, whose number leaves that remainder.
Shard: TypeAlias = tuple[int, int]


_SIDE: Final = records.c.side.type
#: Why a record takes no part; it is not even sure that a missing one is still there.
_SKIP: Final = case((records.c.missing == true(), "missing"), else_=records.c.skip).label("skip")
#: Whether planning has anything to look at: each part asks whether an index is empty.
_IS_BUSY: Final = quick(
    """
    SELECT EXISTS (SELECT 1 FROM records WHERE settled = :no AND pair IS NULL)
        OR EXISTS (SELECT 1 FROM records WHERE settled = :no AND pair IS NOT NULL)
        OR EXISTS (
            SELECT 1 FROM records
            WHERE side = :salesforce AND successor IS NOT NULL AND pair IS NOT NULL AND pair > 0
        )
        OR EXISTS (SELECT 1 FROM writes WHERE confirmed_run IS NULL)
        OR EXISTS (SELECT 1 FROM waiting)
    """
).bindparams(bindparam("salesforce", SALESFORCE, type_=_SIDE))
#: A side's skips: reason; object, where it is a record's own; number. The fields that are left out
#: are few: whose they are is asked of each, not of all records.
_SKIPS: Final = (
    quick(
        """
        SELECT skip AS reason, object, count(*) AS number FROM records
        WHERE side = :side AND skip IS NOT NULL GROUP BY skip, object
        UNION ALL SELECT 'missing', object, count(*) FROM records
        WHERE side = :side AND missing = :yes GROUP BY object
        UNION ALL SELECT CASE WHEN merged_away = :yes THEN 'merged_away' ELSE 'released' END,
            NULL, count(*) FROM records
        WHERE side = :side AND released = :yes AND deleted = :no GROUP BY merged_away
        UNION ALL SELECT 'duplicate_phone', NULL, count(*) FROM records
        WHERE side = :side AND duplicate_of IS NOT NULL AND skip IS NULL
        UNION ALL SELECT reason, NULL, count(*) FROM field_skips
        WHERE (SELECT side FROM records WHERE records."row" = source_row) = :side GROUP BY reason
        """
    )
    .bindparams(bindparam("side", type_=_SIDE))
    .columns(reason=TEXT, object=records.c.object.type, number=Integer)
)


class Shown(Struct, frozen=True):
    """A record as the ledger holds it.

    Attributes:
        delivered: Its fields, with those behind a relationship.
        row: Its row.
        id: Its id on its side.
        object: Its Salesforce object.
        reference: The id of the other side's record that it names.
        stamp: Stands for when its side says that it last changed.
        run: The run that observed its fields first as they are.
        deleted: Whether it is a tombstone.
        made: Whether the sync created it.
        skip: Why it takes no part, or None.
    """

    delivered: Delivered
    row: int
    id: str
    object: str
    reference: str | None
    stamp: int | None
    run: int
    deleted: bool
    made: bool
    skip: SkipReason | None


class Alone(Struct, frozen=True):
    """A record without a pair that may be created across.

    Attributes:
        delivered: Its fields, with those behind a relationship.
        row: Its row.
        id: Its id on its side.
        object: Its Salesforce object.
        reference: The id of the other side's record that it names.
        skip: Why it takes no part, or None.
    """

    delivered: Delivered
    row: int
    id: str
    object: str
    reference: str | None
    skip: SkipReason | None


class OpenPair(Struct, frozen=True):
    """A pair that may need a write.

    Attributes:
        pair: Its number.
        why: How it was found: `reference` or `phone`.
        keys: The mapping keys that its baseline is of.
        baseline: The canonical value of each; `UNSET` where the sides never agreed.
        salesforce: Its Salesforce record.
        phoneiq: Its PhoneIQ contact.
    """

    pair: int
    why: str
    keys: Sequence[str]
    baseline: Sequence[Any]
    salesforce: Shown
    phoneiq: Shown


class OpenWrite(NamedTuple):
    """A write that its side's tap has not shown yet.

    Attributes:
        write: Its number in the journal.
        action: What was to happen.
        changes: [old, new, why] by field; None for a create.
        made_from: What a create's source was delivered with, where that changed since.
        run: The run that emitted it last.
        stamp: The written record's stamp by then.
        refused: In how many runs it was delivered, and its side did not show it afterwards.
        was_delivered: Whether the writes of that run are known to have been delivered.
    """

    write: int
    action: Action
    changes: dict[str, list[Any]] | None
    made_from: Delivered | None
    run: int
    stamp: int | None
    refused: int
    was_delivered: bool


class Sent(NamedTuple):
    """What was written from some rows.

    Attributes:
        unseen: The writes that have not been shown yet, by (source row, side).
        lately: Run and changes of each update that lately arrived, oldest first, likewise.
    """

    unseen: dict[tuple[int, Side], OpenWrite]
    lately: dict[tuple[int, Side], list[tuple[int, dict[str, list[Any]]]]]


class FieldSkip(NamedTuple):
    """A field that is left out of a write.

    Attributes:
        source_row: The record that has the value.
        field: The field that does not get it.
        reason: Why.
        detail: For a flapping field, JSON of the old and the new value that take turns; for one
            that is not accepted, of the value that is there and the one that was sent.
    """

    source_row: int
    field: str
    reason: SkipReason
    detail: str | None = None


class Emission(NamedTuple):
    """A write that goes out now.

    Attributes:
        action: What happens to the record.
        changes: [old, new, why] by field; None for a create, whose values are its source's.
        stamp: The written record's stamp; None for a create.
        again: The journal's number of the same write, where it is tried again.
        was_refused: Whether it was delivered the last time.
    """

    action: Action
    changes: dict[str, list[Value]] | None
    stamp: int | None
    again: int | None
    was_refused: bool = False


class Outcome(Struct, frozen=True):
    """What planning one pair or one record without a pair came to.

    Attributes:
        rows: The rows that it is about.
        source_row: The record that a write's values come from.
        settled: Whether nothing is left to do.
        pair: The pair's number, or None.
        baseline: Keys and values of the new baseline, or None where it did not move.
        emitted: The write that goes out now, or None.
        skip: Why a record without a pair is not created, or None.
        field_skips: Fields that are left out of writes, and why.
        conflicts: (field, resolution, Salesforce value, PhoneIQ value) of each one decided now.
        confirmed: Journal numbers of the writes that have arrived.
        rewritten: Journal numbers of the writes that arrived, but whose values did not stay.
        overtaken: Journal numbers of the writes whose place another takes, or none has to.
        made: Rows of records that are seen to have been created by the sync.
        recalled: Row, position in the record, number and whether it can pair records, of each
            number that turned out to be another one than was read.
        recalled_skip: Then, the Salesforce record's row and why it takes no part, or None.
        originals: The written record's row and its fields before the sync wrote them, or None.
        shown: For an update, what the record showed before, by field, where that is not the
            canonical value.
        given_back: Row and field of each undo that is seen to be done.
        undone: Row and field of each undo that is over.
        dissolved: Whether the pair ends, since a record of it was deleted.
        released: Whether the record that is left is not to be created again.
    """

    rows: tuple[int, ...]
    source_row: int
    settled: bool
    pair: int | None = None
    baseline: tuple[tuple[str, ...], list[Any]] | None = None
    emitted: Emission | None = None
    skip: SkipReason | None = None
    field_skips: Sequence[FieldSkip] = ()
    conflicts: Sequence[tuple[str, str, Any, Any]] = ()
    confirmed: Sequence[int] = ()
    rewritten: Sequence[int] = ()
    overtaken: Sequence[int] = ()
    made: Sequence[int] = ()
    recalled: Sequence[tuple[int, int, str, bool]] = ()
    recalled_skip: tuple[int, SkipReason | None] | None = None
    originals: tuple[int, Mapping[str, Any]] | None = None
    shown: Mapping[str, Any] = {}
    given_back: Sequence[tuple[int, str]] = ()
    undone: Sequence[tuple[int, str]] = ()
    dissolved: bool = False
    released: bool = False


class Plans:
    """Open pairs and records, and the journal of writes.

    Args:
        database: The open ledger database.
        layouts: The ledger's layouts.
    """

    def __init__(self, database: Database, layouts: Layouts) -> None:
        self._database = database
        self._layouts = layouts
        #: One object for all records that were delivered alike.
        self._shared: dict[Related, dict[int, Layout]] = {}

    def is_at_rest(self) -> bool:
        """Whether no record is open, no pair moves on and no write is under way."""
        with self._database.reading() as connection:
            return not connection.scalar(_IS_BUSY)

    def open_pairs(self, related: Related, shard: Shard | None = None) -> Iterator[list[OpenPair]]:
        """The pairs that may need a write, in the order of their numbers, in chunks.

        Args:
            related: The fields behind a relationship to show.
            shard: The share of them to show, or None for all.
        """
        after = 0
        while True:
            numbers = self._open_numbers(after, shard)
            if not numbers:
                return
            after = numbers[-1]
            yield self.pairs(numbers, related)

    def _open_numbers(self, after: int, shard: Shard | None) -> Sequence[int]:
        numbers = (
            select(records.c.pair)
            .where(
                records.c.settled == false(),
                records.c.pair.is_not(None),
                records.c.pair > after,
                records.c.pair.not_in(to_heirs_that_are_created()),
                *_of_shard(records.c.pair, shard),
            )
            .distinct()
            .order_by(records.c.pair)
            .limit(CHUNK)
        )
        with self._database.reading() as connection:
            return [number for number in connection.scalars(numbers) if number is not None]

    def pairs(self, chosen: Collection[int], related: Related) -> list[OpenPair]:
        """Some pairs by their numbers, in the order of these."""
        with self._database.reading() as connection:
            salesforce, phoneiq = (
                connection.execute(
                    select(*columns, *_shown_columns())
                    .join(records, records.c.row == row)
                    .join(observations, observations.c.row == row)
                    .where(among(pairs.c.pair, chosen))
                    .order_by(pairs.c.pair)
                ).all()
                for row, columns in (
                    (
                        pairs.c.salesforce_row,
                        (pairs.c.pair, pairs.c.why, pairs.c.layout, pairs.c.baseline),
                    ),
                    (pairs.c.phoneiq_row, (pairs.c.pair,)),
                )
            )
            ones = self._shown([row[4:] for row in salesforce], related)
            self._show_related(connection, [one.delivered for one in ones], related)
        return [
            OpenPair(
                row[0],
                row[1],
                () if row[3] is None else self._layouts.fields_of(row[2]),
                () if row[3] is None else unpack(row[3]),
                one,
                two,
            )
            for row, one, two in zip(
                salesforce, ones, self._shown([row[1:] for row in phoneiq]), strict=True
            )
        ]

    def open_alone(
        self, side: Side, related: Related, shard: Shard | None = None
    ) -> Iterator[list[Alone]]:
        """A side's open records without a pair that may be created across, in chunks.

        Args:
            side: The side that the records are of.
            related: The fields behind a relationship to show.
            shard: The share of them to show, or None for all.
        """
        if side != SALESFORCE:
            related = ()
        # A create from what is still named would be written over the record that names it.
        stale = select(stale_references(other(side)).order_by(None).subquery().c.named)
        after = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    select(
                        records.c.row,
                        records.c.id,
                        records.c.object,
                        records.c.reference,
                        _SKIP,
                        *_DELIVERED,
                    )
                    .join_from(records, observations, observations.c.row == records.c.row)
                    .where(
                        records.c.settled == false(),
                        records.c.pair.is_(None),
                        records.c.side == side,
                        records.c.row > after,
                        records.c.deleted == false(),
                        records.c.released == false(),
                        records.c.row.not_in(select(waiting.c.row)),
                        records.c.row.not_in(stale),
                        *_are_no_heirs(),
                        *_of_shard(records.c.row, shard),
                    )
                    .order_by(records.c.row)
                    .limit(CHUNK)
                ).all()
                delivered = self._delivered([row[5:] for row in rows], related)
                self._show_related(connection, delivered, related)
            if not rows:
                return
            after = rows[-1][0]
            yield [Alone(one, *row[:5]) for row, one in zip(rows, delivered, strict=True)]

    def count_open(self, side: Side) -> int:
        """How many pairs, and records without a pair, planning for a side has to look at."""
        is_open = records.c.settled == false()
        with self._database.reading() as connection:
            open_pairs = connection.scalar(
                select(func.count(records.c.pair.distinct())).where(
                    is_open, records.c.pair.is_not(None)
                )
            )
            alone = connection.scalar(
                select(func.count()).where(
                    is_open,
                    records.c.pair.is_(None),
                    records.c.side == other(side),
                    records.c.deleted == false(),
                    records.c.released == false(),
                )
            )
        return (open_pairs or 0) + (alone or 0)

    def sent(self, rows: Collection[int], since: int) -> Sent:
        """What was written from these rows: what is not shown yet, and what lately arrived.

        Args:
            rows: The rows that the values come from.
            since: The oldest run whose updates count as late.
        """
        found = Sent({}, {})
        with self._database.reading() as connection:
            for row in connection.execute(
                select(
                    writes,
                    runs.c.delivered,
                    made_from.c.layout,
                    made_from.c.body,
                    made_from.c.numbers,
                )
                .outerjoin(runs, runs.c.run == writes.c.run)
                .outerjoin(made_from, made_from.c.write == writes.c.write)
                .where(
                    among(writes.c.source_row, rows),
                    or_(
                        writes.c.confirmed_run.is_(None),
                        and_(
                            writes.c.run >= since,
                            writes.c.action == "update",
                            writes.c.confirmed_run > 0,
                        ),
                    ),
                )
                .order_by(writes.c.write)
            ):
                changes = from_json(row.changes) if row.changes else None
                if row.confirmed_run is not None:
                    late = found.lately.setdefault((row.source_row, row.side), [])
                    late.append((row.run, changes or {}))
                    continue
                found.unseen[row.source_row, row.side] = OpenWrite(
                    row.write,
                    row.action,
                    changes,
                    self._delivered([(row.layout, row.body, row.numbers)])[0] if row.body else None,
                    row.run,
                    row.stamp,
                    row.refused,
                    bool(row.delivered),
                )
        return found

    def delivered(self, rows: Collection[int]) -> dict[int, Delivered]:
        """What some records were delivered with, by row."""
        with self._database.reading() as connection:
            found = connection.execute(
                select(observations.c.row, *_DELIVERED).where(among(observations.c.row, rows))
            ).all()
        shown = self._delivered([row[1:] for row in found])
        return {row[0]: one for row, one in zip(found, shown, strict=True)}

    def flapping(self, rows: Collection[int]) -> dict[tuple[int, str], list[Any]]:
        """Old and new value that take turns, by (source row, field), where that was stopped."""
        return self._details(rows, "flapping")

    def parked(self, rows: Collection[int]) -> dict[tuple[int, str], list[Any]]:
        """What is there and what was not accepted, by (source row, field); see `FieldSkip`."""
        return self._details(rows, "not_accepted")

    def _details(
        self, rows: Collection[int], reason: SkipReason
    ) -> dict[tuple[int, str], list[Any]]:
        with self._database.reading() as connection:
            return {
                (row.source_row, row.field): from_json(row.detail)
                for row in connection.execute(
                    select(field_skips).where(
                        among(field_skips.c.source_row, rows), field_skips.c.reason == reason
                    )
                )
            }

    def unpark(self) -> None:
        """Let all writes be tried again that were not accepted."""
        with self._database.transaction() as connection:
            connection.execute(delete(field_skips).where(field_skips.c.reason == "not_accepted"))

    def settle_gone(self, side: Side, before: int) -> None:
        """Settle deleted records without a pair; give up creates that nobody wants any more.

        Args:
            side: The side that they were to appear on.
            before: The newest run that observed that side completely: what was sent earlier and
                has not appeared is lost.
        """
        lost = select(writes.c.write).where(
            writes.c.side == side,
            writes.c.action == "create",
            writes.c.confirmed_run.is_(None),
            writes.c.run < before,
            writes.c.source_row.in_(select(records.c.row).where(is_given_up)),
        )
        with self._database.transaction() as connection:
            close_writes(connection, connection.scalars(lost).all(), 0)
            connection.execute(
                update(records)
                .where(
                    records.c.settled == false(),
                    records.c.deleted == true(),
                    records.c.pair.is_(None),
                    records.c.creating == false(),
                )
                .values(settled=True)
            )

    def settle_alone(self, side: Side) -> None:
        """Settle a side's records without a pair, none of which may be created across."""
        with self._database.transaction() as connection:
            connection.execute(
                update(records)
                .where(
                    records.c.settled == false(),
                    records.c.pair.is_(None),
                    records.c.side == side,
                )
                .values(settled=True)
            )

    @repeatable
    def store(self, outcomes: Sequence[Outcome], side: Side, run: int) -> None:
        """Commit what planning came to, before its writes are emitted.

        Args:
            outcomes: One for each pair or record that was planned.
            side: The side that is written to.
            run: The run that planned.
        """
        self._layouts.learn(one.baseline[0] for one in outcomes if one.baseline is not None)
        with self._database.transaction() as connection:
            update_rows(
                connection,
                pairs,
                "pair",
                ("layout", "baseline"),
                [
                    (
                        self._layouts.number(one.baseline[0]),
                        pack(one.baseline[1]),
                        one.pair,
                    )
                    for one in outcomes
                    if one.baseline is not None
                ],
            )
            arrived = [write for one in outcomes for write in (*one.confirmed, *one.rewritten)]
            close_writes(connection, arrived, run)
            close_writes(connection, [write for one in outcomes for write in one.overtaken], 0)
            self._store_undos(connection, outcomes)
            self._journal(connection, outcomes, side, run)
            self._store_skips(connection, outcomes)
            self._store_originals(connection, outcomes)
            self._store_recalled(connection, outcomes)
            insert_rows(
                connection,
                conflicts,
                ("run", "pair", "field", "resolution", "salesforce", "phoneiq"),
                [
                    (run, one.pair, field, resolution, to_json(salesforce), to_json(phoneiq))
                    for one in outcomes
                    for field, resolution, salesforce, phoneiq in one.conflicts
                ],
            )
            made = {row for one in outcomes for row in one.made}
            settled = {row for one in outcomes if one.settled for row in one.rows}
            set_records(connection, made & settled, made=True, settled=True)
            set_records(connection, made - settled, made=True)
            set_records(connection, settled - made, settled=True)
            for one in outcomes:
                if one.dissolved and one.pair is not None:
                    dissolve(connection, one.pair, released=one.released)

    @staticmethod
    def _journal(connection: Connection, outcomes: Sequence[Outcome], side: Side, run: int) -> None:
        emitted = [(one, one.emitted) for one in outcomes if one.emitted is not None]
        again = [write.again for _, write in emitted if write.again is not None]
        if again:
            connection.execute(
                update(writes)
                .where(among(writes.c.write, again))
                .values(run=run, tries=writes.c.tries + 1)
            )
            connection.execute(delete(made_from).where(among(made_from.c.write, again)))
        refused = [write.again for _, write in emitted if write.again and write.was_refused]
        if refused:
            connection.execute(
                update(writes)
                .where(among(writes.c.write, refused))
                .values(refused=writes.c.refused + 1)
            )
        insert_rows(
            connection,
            writes,
            (
                "source_row",
                "side",
                "action",
                "changes",
                "run",
                "stamp",
                "tries",
                "target_row",
                "shown",
            ),
            [
                (
                    one.source_row,
                    side,
                    write.action,
                    None if write.changes is None else to_json(write.changes),
                    run,
                    write.stamp,
                    1,
                    next((row for row in one.rows if row != one.source_row), None),
                    to_json(one.shown) if write.action == "update" else None,
                )
                for one, write in emitted
                if write.again is None
            ],
        )
        set_records(
            connection,
            [one.source_row for one, write in emitted if write.action == "create"],
            creating=True,
        )

    @staticmethod
    def _store_undos(connection: Connection, outcomes: Sequence[Outcome]) -> None:
        """Keep what is given back only to know that the sides differ; drop what is over."""
        for one in outcomes:
            for row, field in one.given_back:
                which = and_(undos.c.row == row, undos.c.field == field)
                connection.execute(update(undos).where(which).values(given=undos.c.old))
            for row, field in one.undone:
                which = and_(undos.c.row == row, undos.c.field == field)
                connection.execute(delete(undos).where(which))

    @staticmethod
    def _store_originals(connection: Connection, outcomes: Sequence[Outcome]) -> None:
        """Keep what fields held before the first write of the sync to each."""
        given = dict(one.originals for one in outcomes if one.originals is not None)
        if not given:
            return
        which = among(originals.c.row, given)
        known = {
            row.row: from_json(row.fields)
            for row in connection.execute(select(originals).where(which))
        }
        if known:
            connection.execute(delete(originals).where(which))
        insert_rows(
            connection,
            originals,
            ("row", "fields"),
            [(row, to_json({**fields, **known.get(row, {})})) for row, fields in given.items()],
        )

    @staticmethod
    def _store_recalled(connection: Connection, outcomes: Sequence[Outcome]) -> None:
        """Correct numbers that were read under the rules of the wrong country."""
        for row, place, number, can_pair in (one for each in outcomes for one in each.recalled):
            numbers = unpack(
                connection.execute(
                    select(observations.c.numbers).where(observations.c.row == row)
                ).scalar_one()
            )
            before, numbers[place] = numbers[place], number
            connection.execute(
                update(observations).where(observations.c.row == row).values(numbers=pack(numbers))
            )
            if can_pair:
                mine = phone_numbers.c.row == row
                if before not in numbers.values():
                    connection.execute(
                        delete(phone_numbers).where(
                            mine, phone_numbers.c.number == match_number(before)
                        )
                    )
                put_rows(
                    connection,
                    phone_numbers,
                    [{"row": row, "number": match_number(number), "stale": False}],
                )
        skips = [one.recalled_skip for one in outcomes if one.recalled_skip is not None]
        update_rows(connection, records, "row", ("skip",), [(skip, row) for row, skip in skips])

    @staticmethod
    def _store_skips(connection: Connection, outcomes: Sequence[Outcome]) -> None:
        rows = [row for one in outcomes for row in one.rows]
        connection.execute(delete(field_skips).where(among(field_skips.c.source_row, rows)))
        insert_rows(
            connection,
            field_skips,
            ("source_row", "field", "reason", "detail"),
            [tuple(skip) for one in outcomes for skip in one.field_skips],
        )
        update_rows(
            connection,
            records,
            "row",
            ("skip",),
            [
                (one.skip, one.source_row)
                for one in outcomes
                if one.pair is None and one.skip is not None
            ],
        )

    def count_skips(self, side: Side, but_for: Sequence[str] = ()) -> dict[str, int]:
        """A side's records that take no part now, by reason, and fields left out of its records.

        Args:
            side: The side that the records are of.
            but_for: Objects whose records do not count.
        """
        with self._database.reading() as connection:
            counts: Counter[str] = Counter()
            for reason, name, number in connection.execute(_SKIPS, {"side": side}):
                if number and name not in but_for:
                    counts[reason] += number
        return dict(sorted(counts.items()))

    def count_unconfirmed(self, side: Side) -> int:
        """Writes to a side that were emitted more than once and are still not shown by its tap."""
        with self._database.reading() as connection:
            return (
                connection.scalar(
                    select(func.count()).where(
                        writes.c.side == side,
                        writes.c.confirmed_run.is_(None),
                        # Said as the index says it, not as a parameter.
                        writes.c.tries > literal_column("1"),
                    )
                )
                or 0
            )

    def _show_related(
        self, connection: Connection, delivered: Sequence[Delivered], related: Related
    ) -> None:
        """Add what the ledger holds of the records that Salesforce records belong to.

        A field whose record was not observed counts as not extracted; it is blank where there is
        no record.

        Args:
            connection: Where to read.
            delivered: The records, with room for the fields.
            related: The fields behind a relationship.
        """
        for _, reference, field in related:
            layouts = {one.layout for one in delivered}
            places = {layout: layout.places.get(reference) for layout in layouts}
            named: list[Any] = [
                UNSET if (place := places[layout]) is None else values[place]
                for layout, values, _ in delivered
            ]
            wanted = {salesforce_id(one) for one in set(named) if one and one is not UNSET}
            found = self._fields_of(connection, sorted(wanted), field) if wanted else {}
            for record, one in zip(delivered, named, strict=True):
                value, number = (
                    (one or None, None)
                    if not one or one is UNSET
                    else found.get(salesforce_id(one), (UNSET, None))
                )
                if number is not None:
                    record.numbers[len(record.values)] = number
                record.values.append(value)

    def _fields_of(
        self, connection: Connection, ids: Sequence[str], field: str
    ) -> dict[str, tuple[Any, str | None]]:
        """The value of a field of Salesforce records that have it, and its number, by id."""
        return {
            row.id: (
                self._layouts.fields(row.layout, row.body).get(field, UNSET),
                self._layouts.numbers(row.layout, row.numbers).get(field),
            )
            for row in connection.execute(
                select(
                    records.c.id,
                    observations.c.layout,
                    observations.c.body,
                    observations.c.numbers,
                )
                .join(observations, observations.c.row == records.c.row)
                .where(records.c.side == SALESFORCE, among(records.c.id, ids))
            )
        }

    def _shown(self, rows: Sequence[Sequence[Any]], related: Related = ()) -> list[Shown]:
        """Records from the columns of `_shown_columns`."""
        delivered = self._delivered([row[9:] for row in rows], related)
        return [Shown(one, *row[:9]) for row, one in zip(rows, delivered, strict=True)]

    def _delivered(self, rows: Sequence[Sequence[Any]], related: Related = ()) -> list[Delivered]:
        """What records were delivered with, from the columns of `_DELIVERED`."""
        shared = self._shared.setdefault(related, {})
        for number in {row[0] for row in rows}.difference(shared):
            paths = [path for path, _, _ in related]
            shared[number] = Layout([*self._layouts.fields_of(number), *paths])
        return [
            Delivered(shared[number], unpack(body), unpack(numbers))
            for number, body, numbers in rows
        ]


def _of_shard(column: Any, shard: Shard | None) -> tuple[Any, ...]:
    if shard is None:
        return ()
    index, count = shard
    return (column % count == index,)


def _are_no_heirs() -> tuple[Any, ...]:
    """Records that take nobody's place from whom a create is under way.

    What appears across then gets its pair, and the heir has it from there.
    """
    places = select(records.c.successor).where(is_leaving)
    return (
        records.c.id.not_in(places),
        # A Person Account stands for its shadow Contact.
        or_(
            records.c.object != "PersonAccount",
            records.c.related.is_(None),
            records.c.related.not_in(places),
        ),
    )


#: What `Plans._delivered` reads.
_DELIVERED: Final = (observations.c.layout, observations.c.body, observations.c.numbers)


def _shown_columns() -> tuple[Any, ...]:
    return (
        records.c.row,
        records.c.id,
        records.c.object,
        records.c.reference,
        records.c.stamp,
        observations.c.run,
        records.c.deleted,
        records.c.made,
        _SKIP,
        *_DELIVERED,
    )
