"""What planning reads, and what it decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    false,
    func,
    insert,
    select,
    true,
    update,
)

from reconciler.ledger.database import Database, repeatable
from reconciler.ledger.observations import Layouts
from reconciler.ledger.rows import (
    CHUNK,
    dissolve,
    end_creating,
    from_json,
    parts,
    set_records,
    to_json,
)
from reconciler.ledger.tables import (
    conflicts,
    field_skips,
    made_from,
    observations,
    originals,
    pairs,
    records,
    waiting,
    writes,
)
from reconciler.mapping.ids import salesforce_id
from reconciler.model import SALESFORCE, Action, Side, SkipReason, Value, other

#: (path, reference field, field behind it) of each mapped field behind a relationship.
Related: TypeAlias = Sequence[tuple[str, str, str]]
#: (index, count): the pairs, or records without a pair, whose number leaves that remainder.
Shard: TypeAlias = tuple[int, int]


class Shown(NamedTuple):
    """A record as the ledger holds it.

    Attributes:
        row: Its row.
        id: Its id on its side.
        object: Its Salesforce object.
        reference: The id of the other side's record that it names.
        stamp: When its side says that it last changed.
        run: The run that observed its fields first as they are.
        deleted: Whether it is a tombstone.
        made: Whether the sync created it.
        skip: Why it takes no part, or None.
        fields: Value by field as delivered.
        numbers: Canonical number by phone field.
    """

    row: int
    id: str
    object: str
    reference: str | None
    stamp: str
    run: int
    deleted: bool
    made: bool
    skip: SkipReason | None
    fields: dict[str, Any]
    numbers: dict[str, str]


class OpenPair(NamedTuple):
    """A pair that may need a write.

    Attributes:
        pair: Its number.
        why: How it was found: `reference` or `phone`.
        baseline: Canonical value by mapping key.
        salesforce: Its Salesforce record.
        phoneiq: Its PhoneIQ contact.
    """

    pair: int
    why: str
    baseline: dict[str, Any]
    salesforce: Shown
    phoneiq: Shown


class OpenWrite(NamedTuple):
    """A write that its side's tap has not shown yet.

    Attributes:
        write: Its number in the journal.
        action: What was to happen.
        changes: [old, new, why] by field; None for a create.
        made_from: Fields and numbers of a create's source, where they changed since.
        run: The run that emitted it last.
        stamp: When the written record had last changed by then.
        tries: How often it was emitted.
    """

    write: int
    action: Action
    changes: dict[str, list[Any]] | None
    made_from: tuple[dict[str, Any], dict[str, str]] | None
    run: int
    stamp: str | None
    tries: int


class FieldSkip(NamedTuple):
    """A field that is left out of a write.

    Attributes:
        source_row: The record that has the value.
        field: The field that does not get it.
        reason: Why.
        detail: For a flapping field, JSON of the old and the new value that take turns.
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
        stamp: When the written record last changed; None for a create.
        again: The journal's number of the same write, where it is tried again.
    """

    action: Action
    changes: dict[str, list[Value]] | None
    stamp: str | None
    again: int | None


class Outcome(NamedTuple):
    """What planning one pair or one record without a pair came to.

    Attributes:
        rows: The rows that it is about.
        source_row: The record that a write's values come from.
        settled: Whether nothing is left to do.
        pair: The pair's number, or None.
        baseline: The new baseline, or None where it did not move.
        emitted: The write that goes out now, or None.
        skip: Why a record without a pair is not created, or None.
        field_skips: Fields that are left out of writes, and why.
        conflicts: (field, resolution, Salesforce value, PhoneIQ value) of each one decided now.
        confirmed: Journal numbers of the writes that have arrived.
        rewritten: Journal numbers of the writes that arrived, but whose values did not stay.
        overtaken: Journal numbers of the writes whose place another takes, or none has to.
        made: Rows of records that are seen to have been created by the sync.
        originals: The written record's row and its fields before the sync wrote them, or None.
        dissolved: Whether the pair ends, since a record of it was deleted.
        released: Whether the record that is left is not to be created again.
    """

    rows: tuple[int, ...]
    source_row: int
    settled: bool
    pair: int | None = None
    baseline: dict[str, Any] | None = None
    emitted: Emission | None = None
    skip: SkipReason | None = None
    field_skips: Sequence[FieldSkip] = ()
    conflicts: Sequence[tuple[str, str, Any, Any]] = ()
    confirmed: Sequence[int] = ()
    rewritten: Sequence[int] = ()
    overtaken: Sequence[int] = ()
    made: Sequence[int] = ()
    originals: tuple[int, Mapping[str, Any]] | None = None
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

    def open_pairs(self, related: Related, shard: Shard | None = None) -> Iterator[list[OpenPair]]:
        """The pairs that may need a write, in the order of their numbers, in chunks.

        Args:
            related: The fields behind a relationship to show.
            shard: The share of them to show, or None for all.
        """
        after = 0
        while True:
            chunk = self._open_pairs(after, related, shard)
            if not chunk:
                return
            after = chunk[-1].pair
            yield chunk

    def _open_pairs(self, after: int, related: Related, shard: Shard | None) -> list[OpenPair]:
        numbers = (
            select(records.c.pair)
            .where(
                records.c.settled == false(),
                records.c.pair.is_not(None),
                records.c.pair > after,
                *_of_shard(records.c.pair, shard),
            )
            .distinct()
            .order_by(records.c.pair)
            .limit(CHUNK)
        )
        with self._database.reading() as connection:
            halves = [
                connection.execute(
                    select(pairs.c.pair, pairs.c.why, pairs.c.baseline, *_shown_columns())
                    .join(records, records.c.row == column)
                    .join(observations, observations.c.row == column)
                    .where(pairs.c.pair.in_(numbers))
                    .order_by(pairs.c.pair)
                ).all()
                for column in (pairs.c.salesforce_row, pairs.c.phoneiq_row)
            ]
            salesforce = [self._shown(row[3:]) for row in halves[0]]
            self._show_related(connection, salesforce, related)
        return [
            OpenPair(
                row.pair,
                row.why,
                from_json(row.baseline) if row.baseline else {},
                one,
                self._shown(other[3:]),
            )
            for row, one, other in zip(halves[0], salesforce, halves[1], strict=True)
        ]

    def open_alone(
        self, side: Side, related: Related, shard: Shard | None = None
    ) -> Iterator[list[Shown]]:
        """A side's open records without a pair that may be created across, in chunks.

        Args:
            side: The side that the records are of.
            related: The fields behind a relationship to show.
            shard: The share of them to show, or None for all.
        """
        after = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    select(*_shown_columns())
                    .join_from(records, observations, observations.c.row == records.c.row)
                    .where(
                        records.c.settled == false(),
                        records.c.pair.is_(None),
                        records.c.side == side,
                        records.c.row > after,
                        records.c.deleted.is_(False),
                        records.c.released.is_(False),
                        records.c.row.not_in(select(waiting.c.row)),
                        *_of_shard(records.c.row, shard),
                    )
                    .order_by(records.c.row)
                    .limit(CHUNK)
                ).all()
                shown = [self._shown(row) for row in rows]
                self._show_related(connection, shown, related)
            if not shown:
                return
            after = shown[-1].row
            yield shown

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

    def open_writes(self, rows: Sequence[int]) -> dict[tuple[int, Side], OpenWrite]:
        """The writes from these rows that have not been shown yet, by (source row, side)."""
        found: dict[tuple[int, Side], OpenWrite] = {}
        with self._database.reading() as connection:
            for part in parts(rows):
                for row in connection.execute(
                    select(writes, made_from.c.layout, made_from.c.body, made_from.c.numbers)
                    .outerjoin(made_from, made_from.c.write == writes.c.write)
                    .where(writes.c.source_row.in_(part), writes.c.confirmed_run.is_(None))
                ):
                    found[row.source_row, row.side] = OpenWrite(
                        row.write,
                        row.action,
                        from_json(row.changes) if row.changes else None,
                        (self._layouts.fields(row.layout, row.body), from_json(row.numbers))
                        if row.body
                        else None,
                        row.run,
                        row.stamp,
                        row.tries,
                    )
        return found

    def recent_changes(
        self, rows: Sequence[int], since: int
    ) -> dict[tuple[int, Side], list[tuple[int, dict[str, list[Any]]]]]:
        """What was lately written from these rows and arrived.

        Args:
            rows: The rows that the values come from.
            since: The oldest run that counts.

        Returns:
            Run and changes of each write, oldest first, by (source row, side).
        """
        found: dict[tuple[int, Side], list[tuple[int, dict[str, list[Any]]]]] = {}
        with self._database.reading() as connection:
            for part in parts(rows):
                for row in connection.execute(
                    select(writes.c.source_row, writes.c.side, writes.c.run, writes.c.changes)
                    .where(
                        writes.c.source_row.in_(part),
                        writes.c.run >= since,
                        writes.c.action == "update",
                        writes.c.confirmed_run > 0,
                    )
                    .order_by(writes.c.write)
                ):
                    found.setdefault((row.source_row, row.side), []).append(
                        (row.run, from_json(row.changes))
                    )
        return found

    def flapping(self, rows: Sequence[int]) -> dict[tuple[int, str], list[Any]]:
        """Old and new value that take turns, by (source row, field), where that was stopped."""
        with self._database.reading() as connection:
            return {
                (row.source_row, row.field): from_json(row.detail)
                for part in parts(rows)
                for row in connection.execute(
                    select(field_skips).where(
                        field_skips.c.source_row.in_(part), field_skips.c.reason == "flapping"
                    )
                )
            }

    def settle_gone(self, side: Side, before: int) -> None:
        """Settle deleted records without a pair, and their creates that have not appeared.

        Args:
            side: The side that they were to appear on.
            before: The newest run that observed that side completely.
        """
        gone = and_(
            writes.c.side == side,
            writes.c.action == "create",
            writes.c.confirmed_run.is_(None),
            writes.c.run < before,
            writes.c.source_row.in_(
                select(records.c.row).where(
                    records.c.creating == true(), records.c.deleted == true()
                )
            ),
        )
        with self._database.transaction() as connection:
            end_creating(connection, select(writes.c.source_row).where(gone))
            connection.execute(update(writes).where(gone).values(confirmed_run=0))
            connection.execute(
                update(records)
                .where(
                    records.c.settled == false(),
                    records.c.pair.is_(None),
                    records.c.deleted == true(),
                    records.c.creating == false(),
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
        with self._database.transaction() as connection:
            baselines = [
                {"at": one.pair, "new": to_json(one.baseline)}
                for one in outcomes
                if one.baseline is not None
            ]
            if baselines:
                connection.execute(
                    update(pairs)
                    .where(pairs.c.pair == bindparam("at"))
                    .values(baseline=bindparam("new")),
                    baselines,
                )
            arrived = [write for one in outcomes for write in (*one.confirmed, *one.rewritten)]
            self._close(connection, arrived, run)
            self._close(connection, [write for one in outcomes for write in one.overtaken], 0)
            connection.execute(
                delete(made_from).where(
                    made_from.c.write.in_(
                        select(writes.c.write).where(writes.c.confirmed_run.is_not(None))
                    )
                )
            )
            self._journal(connection, outcomes, side, run)
            self._store_skips(connection, outcomes)
            self._store_originals(connection, outcomes)
            set_records(connection, [row for one in outcomes for row in one.made], made=True)
            found = [
                {
                    "run": run,
                    "pair": one.pair,
                    "field": field,
                    "resolution": resolution,
                    "salesforce": to_json(salesforce),
                    "phoneiq": to_json(phoneiq),
                }
                for one in outcomes
                for field, resolution, salesforce, phoneiq in one.conflicts
            ]
            if found:
                connection.execute(insert(conflicts), found)
            set_records(
                connection,
                [row for one in outcomes if one.settled for row in one.rows],
                settled=True,
            )
            for one in outcomes:
                if one.dissolved and one.pair is not None:
                    dissolve(connection, one.pair, released=one.released)

    @staticmethod
    def _close(connection: Connection, numbers: list[int], run: int) -> None:
        for part in parts(numbers):
            connection.execute(
                update(writes).where(writes.c.write.in_(part)).values(confirmed_run=run)
            )
            end_creating(
                connection,
                select(writes.c.source_row).where(
                    writes.c.write.in_(part), writes.c.action == "create"
                ),
            )

    @staticmethod
    def _journal(connection: Connection, outcomes: Sequence[Outcome], side: Side, run: int) -> None:
        emitted = [(one.source_row, one.emitted) for one in outcomes if one.emitted is not None]
        again = [write.again for _, write in emitted if write.again is not None]
        for part in parts(again):
            connection.execute(
                update(writes)
                .where(writes.c.write.in_(part))
                .values(run=run, tries=writes.c.tries + 1)
            )
            connection.execute(delete(made_from).where(made_from.c.write.in_(part)))
        first = [
            {
                "source_row": row,
                "side": side,
                "action": write.action,
                "changes": None if write.changes is None else to_json(write.changes),
                "run": run,
                "stamp": write.stamp,
                "tries": 1,
            }
            for row, write in emitted
            if write.again is None
        ]
        if first:
            connection.execute(insert(writes), first)
        set_records(
            connection,
            [row for row, write in emitted if write.action == "create"],
            creating=True,
        )

    @staticmethod
    def _store_originals(connection: Connection, outcomes: Sequence[Outcome]) -> None:
        """Keep what fields held before the first write of the sync to each."""
        given = dict(one.originals for one in outcomes if one.originals is not None)
        known = {
            row.row: from_json(row.fields)
            for part in parts(list(given))
            for row in connection.execute(select(originals).where(originals.c.row.in_(part)))
        }
        for part in parts(list(known)):
            connection.execute(delete(originals).where(originals.c.row.in_(part)))
        if given:
            connection.execute(
                insert(originals),
                [
                    {"row": row, "fields": to_json({**fields, **known.get(row, {})})}
                    for row, fields in given.items()
                ],
            )

    @staticmethod
    def _store_skips(connection: Connection, outcomes: Sequence[Outcome]) -> None:
        for part in parts([row for one in outcomes for row in one.rows]):
            connection.execute(delete(field_skips).where(field_skips.c.source_row.in_(part)))
        skips = [skip._asdict() for one in outcomes for skip in one.field_skips]
        if skips:
            connection.execute(insert(field_skips), skips)
        alone = [
            {"at": one.source_row, "new": one.skip}
            for one in outcomes
            if one.pair is None and one.skip
        ]
        if alone:
            connection.execute(
                update(records)
                .where(records.c.row == bindparam("at"))
                .values(skip=bindparam("new")),
                alone,
            )

    def count_skips(self, side: Side, but_for: Sequence[str] = ()) -> dict[str, int]:
        """A side's records that take no part now, by reason, and fields left out of its records.

        Args:
            side: The side that the records are of.
            but_for: Objects whose records do not count.
        """
        with self._database.reading() as connection:
            counts: dict[str, int] = {
                row.skip: row.number
                for row in connection.execute(
                    select(records.c.skip, func.count().label("number"))
                    .where(
                        records.c.side == side,
                        records.c.skip.is_not(None),
                        records.c.object.not_in(but_for),
                    )
                    .group_by(records.c.skip)
                )
            }
            released = connection.scalar(
                select(func.count()).where(
                    records.c.side == side,
                    records.c.released == true(),
                    records.c.deleted == false(),
                )
            )
            if released:
                counts["released"] = released
            duplicates = connection.scalar(
                select(func.count()).where(
                    records.c.side == side,
                    records.c.duplicate_of.is_not(None),
                    records.c.skip.is_(None),
                )
            )
            if duplicates:
                counts["duplicate_phone"] = duplicates
            # From the few fields that are left out, not from all records of the side.
            side_of_source = (
                select(records.c.side)
                .where(records.c.row == field_skips.c.source_row)
                .scalar_subquery()
            )
            for reason, number in connection.execute(
                select(field_skips.c.reason, func.count())
                .where(side_of_source == side)
                .group_by(field_skips.c.reason)
            ):
                counts[reason] = counts.get(reason, 0) + number
        return dict(sorted(counts.items()))

    def count_unconfirmed(self, side: Side) -> int:
        """Writes to a side that were emitted more than once and are still not shown by its tap."""
        with self._database.reading() as connection:
            return (
                connection.scalar(
                    select(func.count()).where(
                        writes.c.side == side,
                        writes.c.confirmed_run.is_(None),
                        writes.c.tries > 1,
                    )
                )
                or 0
            )

    def _show_related(
        self, connection: Connection, shown: Sequence[Shown], related: Related
    ) -> None:
        """Add to records what the ledger holds of the records that they belong to.

        A field whose record was not observed stays absent; it is blank where there is no record.
        """
        wanted = {
            salesforce_id(identifier)
            for record in shown
            for _, reference, _ in related
            if (identifier := record.fields.get(reference))
        }
        found: dict[str, dict[str, Any]] = {}
        for part in parts(sorted(wanted)):
            for row in connection.execute(
                select(records.c.id, observations.c.layout, observations.c.body)
                .join(observations, observations.c.row == records.c.row)
                .where(records.c.side == SALESFORCE, records.c.id.in_(part))
            ):
                found[row.id] = self._layouts.fields(row.layout, row.body)
        for record in shown:
            for path, reference, field in related:
                if reference not in record.fields:
                    continue
                identifier = record.fields[reference]
                if not identifier:
                    record.fields[path] = None
                elif field in (behind := found.get(salesforce_id(identifier), {})):
                    record.fields[path] = behind[field]

    def _shown(self, row: Sequence[Any]) -> Shown:
        at, identifier, name, reference, stamp, deleted, made, skip, *observed = row
        layout, body, numbers, run = observed
        return Shown(
            at,
            identifier,
            name,
            reference,
            stamp,
            run,
            deleted,
            made,
            skip,
            self._layouts.fields(layout, body),
            from_json(numbers),
        )


def _of_shard(column: Any, shard: Shard | None) -> tuple[Any, ...]:
    if shard is None:
        return ()
    index, count = shard
    return (column % count == index,)


def _shown_columns() -> tuple[Any, ...]:
    return (
        records.c.row,
        records.c.id,
        records.c.object,
        records.c.reference,
        records.c.stamp,
        records.c.deleted,
        records.c.made,
        records.c.skip,
        observations.c.layout,
        observations.c.body,
        observations.c.numbers,
        observations.c.run,
    )
