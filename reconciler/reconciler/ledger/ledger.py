"""The ledger: what each side showed, who is paired with whom, what was written and why.

It works in sets: what is asked for thousands of records is one statement, and what is read back
comes in chunks, so that memory stays flat whatever the number of contacts.
"""

from __future__ import annotations

import os
import uuid
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from itertools import groupby
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec
from sqlalchemy import (
    Connection,
    Engine,
    and_,
    bindparam,
    case,
    create_engine,
    delete,
    event,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, IntegrityError

from reconciler.eligibility import UNPAIRABLE
from reconciler.errors import LeaseHeldError, LedgerError
from reconciler.ledger.lease import Lease
from reconciler.ledger.tables import (
    SCHEMA_VERSION,
    conflicts,
    field_skips,
    layouts,
    meta,
    metadata,
    observations,
    pairs,
    phone_numbers,
    records,
    runs,
    sides,
    streams,
    writes,
)
from reconciler.model import PHONEIQ, SALESFORCE, Action, Observation, Side, SkipReason
from reconciler.pairing import Candidate

_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_decode: Final = msgspec.json.decode

#: Rows in one statement's list of values; SQLite takes 32,766 at most.
_LIST: Final = 10_000
#: Pairs or records that are planned between two commits.
CHUNK: Final = 2_000

PairedBy = Literal["reference", "phone"]


class Shown(NamedTuple):
    """A record as the ledger holds it.

    Attributes:
        row: Its row.
        id: Its id on its side.
        object: Its Salesforce object.
        reference: The id of the other side's record that it names.
        deleted: Whether it is a tombstone.
        skip: Why it takes no part, or None.
        fields: Value by field as delivered.
        numbers: Canonical number by phone field.
    """

    row: int
    id: str
    object: str
    reference: str | None
    deleted: bool
    skip: SkipReason | None
    fields: dict[str, Any]
    numbers: dict[str, str]


class OpenPair(NamedTuple):
    """A pair that may need a write.

    Attributes:
        pair: Its number.
        baseline: Canonical value by mapping key.
        salesforce: Its Salesforce record.
        phoneiq: Its PhoneIQ contact.
    """

    pair: int
    baseline: dict[str, Any]
    salesforce: Shown
    phoneiq: Shown


class OpenWrite(NamedTuple):
    """A write that its side's tap has not shown yet.

    Attributes:
        write: Its number in the journal.
        action: What was to happen.
        changes: JSON of the changes; None for a create.
        run: The run that emitted it last.
        tries: How often it was emitted.
    """

    write: int
    action: Action
    changes: str | None
    run: int
    tries: int


class FieldSkip(NamedTuple):
    """A field that is left out of a write.

    Attributes:
        source_row: The record that has the value.
        field: The field that does not get it.
        reason: Why.
    """

    source_row: int
    field: str
    reason: SkipReason


class Outcome(NamedTuple):
    """What planning one pair or one record without a pair came to.

    Attributes:
        rows: The rows that it is about.
        source_row: The record that a write's values come from.
        settled: Whether nothing is left to do.
        pair: The pair's number, or None.
        baseline: The new baseline, or None where it did not move.
        emitted: Action and JSON of the changes of a write that goes out now, or None.
        skip: Why a record without a pair is not created, or None.
        field_skips: Fields that are left out of writes, and why.
        conflicts: (field, resolution, Salesforce value, PhoneIQ value) of each one decided now.
        confirmed: Journal numbers of the writes that have arrived.
        dissolved: Whether the pair ends, since a record of it was deleted.
        released: Whether the record that is left is not to be created again.
    """

    rows: tuple[int, ...]
    source_row: int
    settled: bool
    pair: int | None = None
    baseline: dict[str, Any] | None = None
    emitted: tuple[Action, str | None] | None = None
    skip: SkipReason | None = None
    field_skips: Sequence[FieldSkip] = ()
    conflicts: Sequence[tuple[str, str, Any, Any]] = ()
    confirmed: Sequence[int] = ()
    dissolved: bool = False
    released: bool = False


class Run(NamedTuple):
    """One pipe's pass through the reconciler, as it was recorded.

    Attributes:
        run: Its number.
        pipe: Its name.
        started_at: RFC 3339.
        finished_at: RFC 3339, or None while it runs or where it was killed.
        outcome: `running`, `succeeded` or `failed`.
        error: What stopped it, or None.
        summary: Its counts.
    """

    run: int
    pipe: str
    started_at: str
    finished_at: str | None
    outcome: str
    error: str | None
    summary: dict[str, Any]


class Ledger:
    """An open ledger.

    Args:
        url: SQLAlchemy URL. A missing SQLite file is made, readable by its owner only.

    Raises:
        LedgerError: It cannot be opened, or a newer version made it.
    """

    def __init__(self, url: str) -> None:
        self._engine = _engine(url)
        self._writer = self._engine.execution_options(writes=True)
        self._lease: Lease | None = None
        self._layouts: dict[tuple[str, ...], int] = {}
        self._layout_fields: dict[int, tuple[str, ...]] = {}
        try:
            with self._writer.begin() as connection:
                meta.create(connection, checkfirst=True)
                self.id = self._identify(connection)
                metadata.create_all(connection)
                self._next_row = 1 + (connection.scalar(select(func.max(records.c.row))) or 0)
                for layout, fields in connection.execute(
                    select(layouts.c.layout, layouts.c.fields)
                ):
                    self._know_layout(layout, tuple(_decode(fields)))
        except DatabaseError as error:
            raise LedgerError(f"the ledger cannot be opened: {error.orig}") from None

    @classmethod
    def existing(cls, url: str) -> Ledger:
        """Open a ledger that must be there already.

        Raises:
            LedgerError: There is none, or it cannot be opened.
        """
        path = Path(make_url(url).database or "")
        if not path.is_file():
            raise LedgerError(
                f"there is no ledger at {path}; the first run makes it: meltano run contact-sync"
            )
        return cls(url)

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()

    # --- runs -------------------------------------------------------------------------------

    @contextmanager
    def lease(self, holder: str) -> Iterator[None]:
        """Hold the ledger for one run.

        Raises:
            LeaseHeldError: Another run holds it.
        """
        try:
            with Lease(self._writer, holder) as self._lease:
                yield
        except IntegrityError as error:
            # Two runs took a free lease in the same moment; the other one was first.
            raise LeaseHeldError("another run has just started on this ledger") from error
        finally:
            self._lease = None

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._writer.begin() as connection:
            if self._lease is not None:
                self._lease.assert_held(connection)
            yield connection

    def begin_run(self, pipe: str) -> int:
        """Record that a run has started; earlier ones that never ended were killed.

        Returns:
            The run's number; numbers only grow.
        """
        with self._transaction() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.outcome == "running")
                .values(outcome="failed", error="the run was killed")
            )
            result = connection.execute(
                insert(runs).values(pipe=pipe, started_at=_now(), outcome="running")
            )
            (run,) = result.inserted_primary_key or (0,)
            return int(run)

    def finish_run(self, run: int, summary: Mapping[str, Any], error: str | None = None) -> None:
        """Record how a run ended."""
        with self._transaction() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.run == run)
                .values(
                    finished_at=_now(),
                    outcome="succeeded" if error is None else "failed",
                    error=error,
                    summary=_json(summary),
                )
            )

    def history(self, limit: int = 30) -> list[Run]:
        """The newest runs, newest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(runs).order_by(runs.c.run.desc()).limit(limit))
            return [
                Run(
                    row.run,
                    row.pipe,
                    row.started_at,
                    row.finished_at,
                    row.outcome,
                    row.error,
                    _decode(row.summary) if row.summary else {},
                )
                for row in rows
            ]

    def latest_run(self) -> int:
        """The number of the newest run, 0 where there was none."""
        with self._engine.connect() as connection:
            return connection.scalar(select(func.max(runs.c.run))) or 0

    def complete_runs(self) -> dict[Side, int]:
        """By side, the newest run that observed it completely."""
        with self._engine.connect() as connection:
            return {row.side: row.complete_run for row in connection.execute(select(sides))}

    def mark_complete(self, side: Side, run: int) -> None:
        """Record that a run observed a side completely."""
        with self._transaction() as connection:
            connection.execute(delete(sides).where(sides.c.side == side))
            connection.execute(insert(sides).values(side=side, complete_run=run))

    # --- what the taps say of their streams -------------------------------------------------

    def store_schema(self, side: Side, stream: str, schema: Mapping[str, Any]) -> None:
        """Keep the JSON Schema of a side's stream."""
        with self._transaction() as connection:
            connection.execute(
                delete(streams).where(streams.c.side == side, streams.c.stream == stream)
            )
            connection.execute(
                insert(streams).values(side=side, stream=stream, schema=_json(schema))
            )

    def schemas(self, side: Side) -> dict[str, dict[str, Any]]:
        """The JSON Schema of each stream of a side that was ever extracted."""
        with self._engine.connect() as connection:
            return {
                row.stream: _decode(row.schema)
                for row in connection.execute(select(streams).where(streams.c.side == side))
            }

    # --- observing --------------------------------------------------------------------------

    def store(self, seen: Sequence[Observation], run: int) -> int:
        """Commit observations of one side; what did not change is left as it is.

        Args:
            seen: Observations in the order of their arrival; a later one of a record wins.
            run: The run that observed them.

        Returns:
            How many are new or changed.
        """
        if not seen:
            return 0
        newest = {item.id: item for item in seen}
        side = seen[0].side
        with self._transaction() as connection:
            known = self._known(connection, side, list(newest))
            fresh: list[tuple[int, Observation]] = []
            changed: list[tuple[int, Observation]] = []
            numbers_changed: list[tuple[int, Observation]] = []
            for item in newest.values():
                before = known.get(item.id)
                if before is None:
                    fresh.append((self._next_row, item))
                    self._next_row += 1
                    continue
                row, layout, body, numbers, skip, deleted, reference = before
                now = (
                    self._layout(connection, item),
                    _body(item),
                    _json(item.numbers),
                    item.skip,
                    item.deleted,
                    item.reference,
                )
                if now == (layout, body, numbers, skip, deleted, reference):
                    continue
                changed.append((row, item))
                if numbers != now[2] or deleted != item.deleted or skip != item.skip:
                    numbers_changed.append((row, item))
            self._insert(connection, fresh, run)
            self._update(connection, changed, run)
            self._change_numbers(connection, numbers_changed)
            return len(fresh) + len(changed)

    def _known(
        self, connection: Connection, side: Side, ids: list[str]
    ) -> dict[str, tuple[int, int, str, str, str | None, bool, str | None]]:
        statement = (
            select(
                records.c.id,
                records.c.row,
                observations.c.layout,
                observations.c.body,
                observations.c.numbers,
                # A contact's skip says that it was not created; it is not of the record's own.
                records.c.skip if side == SALESFORCE else literal(None),
                records.c.deleted,
                records.c.reference,
            )
            .join_from(records, observations, observations.c.row == records.c.row)
            .where(records.c.side == side)
        )
        known: dict[str, tuple[int, int, str, str, str | None, bool, str | None]] = {}
        for part in _parts(ids):
            for row in connection.execute(statement.where(records.c.id.in_(part))):
                known[row[0]] = tuple(row[1:])
        return known

    def _insert(
        self, connection: Connection, fresh: list[tuple[int, Observation]], run: int
    ) -> None:
        if not fresh:
            return
        connection.execute(insert(records), [_record(row, item) for row, item in fresh])
        connection.execute(
            insert(observations),
            [
                {
                    "row": row,
                    "layout": self._layout(connection, item),
                    "body": _body(item),
                    "numbers": _json(item.numbers),
                    "run": run,
                }
                for row, item in fresh
            ],
        )
        numbers = [
            {"number": number, "row": row} for row, item in fresh for number in item.match_numbers
        ]
        if numbers:
            connection.execute(insert(phone_numbers), numbers)

    def _update(
        self, connection: Connection, changed: list[tuple[int, Observation]], run: int
    ) -> None:
        if not changed:
            return
        names = [name for name in _record(*changed[0]) if name not in {"row", "side", "id", "pair"}]
        connection.execute(
            update(records)
            .where(records.c.row == bindparam("at"))
            .values({name: bindparam(f"new_{name}") for name in names}),
            [
                {"at": row} | {f"new_{name}": value for name, value in _record(row, item).items()}
                for row, item in changed
            ],
        )
        connection.execute(
            update(observations)
            .where(observations.c.row == bindparam("at"))
            .values(
                layout=bindparam("new_layout"),
                body=bindparam("new_body"),
                numbers=bindparam("new_numbers"),
                run=run,
            ),
            [
                {
                    "at": row,
                    "new_layout": self._layout(connection, item),
                    "new_body": _body(item),
                    "new_numbers": _json(item.numbers),
                }
                for row, item in changed
            ],
        )

    def _change_numbers(
        self, connection: Connection, changed: list[tuple[int, Observation]]
    ) -> None:
        """Replace numbers; whoever shared an old one may now take its place."""
        if not changed:
            return
        rows = [row for row, _ in changed]
        self._reopen_sharers(connection, rows)
        for part in _parts(rows):
            connection.execute(delete(phone_numbers).where(phone_numbers.c.row.in_(part)))
        numbers = [
            {"number": number, "row": row} for row, item in changed for number in item.match_numbers
        ]
        if numbers:
            connection.execute(insert(phone_numbers), numbers)

    def _reopen_sharers(self, connection: Connection, rows: Sequence[int]) -> None:
        """Open the records without a pair that share a number with these rows."""
        mine = phone_numbers.alias("mine")
        for part in _parts(rows):
            connection.execute(
                update(records)
                .where(
                    records.c.pair.is_(None),
                    records.c.row.in_(
                        select(phone_numbers.c.row).where(
                            phone_numbers.c.number.in_(
                                select(mine.c.number).where(mine.c.row.in_(part))
                            )
                        )
                    ),
                )
                .values(settled=False, duplicate_of=None)
            )

    def _layout(self, connection: Connection, item: Observation) -> int:
        fields = tuple(item.fields)
        layout = self._layouts.get(fields)
        if layout is None:
            layout = len(self._layouts) + 1
            connection.execute(insert(layouts).values(layout=layout, fields=_json(fields)))
            self._know_layout(layout, fields)
        return layout

    def _know_layout(self, layout: int, fields: tuple[str, ...]) -> None:
        self._layouts[fields] = layout
        self._layout_fields[layout] = fields

    # --- changed settings -------------------------------------------------------------------

    def fingerprint(self) -> str | None:
        """The fingerprint of the settings that the ledger was last planned with."""
        with self._engine.connect() as connection:
            return connection.scalar(select(meta.c.value).where(meta.c.key == "fingerprint"))

    def store_fingerprint(self, fingerprint: str) -> None:
        """Record the settings that the ledger is planned with from now on."""
        with self._transaction() as connection:
            connection.execute(delete(meta).where(meta.c.key == "fingerprint"))
            connection.execute(insert(meta).values(key="fingerprint", value=fingerprint))

    def bodies(self, side: Side) -> Iterator[list[tuple[str, dict[str, Any]]]]:
        """Object and fields of every record of a side, in chunks."""
        after = 0
        while True:
            with self._engine.connect() as connection:
                rows = connection.execute(
                    select(
                        records.c.row,
                        records.c.object,
                        observations.c.layout,
                        observations.c.body,
                    )
                    .join_from(records, observations, observations.c.row == records.c.row)
                    .where(records.c.side == side, records.c.row > after)
                    .order_by(records.c.row)
                    .limit(CHUNK)
                ).all()
            if not rows:
                return
            after = rows[-1].row
            yield [(row.object, self._fields(row.layout, row.body)) for row in rows]

    def reopen_all(self) -> None:
        """Plan every record again."""
        with self._transaction() as connection:
            connection.execute(update(records).values(settled=False, duplicate_of=None))
            connection.execute(delete(field_skips))

    # --- pairing ----------------------------------------------------------------------------

    def follow_successors(self) -> None:
        """Move pairs of merged and converted records to the record that took their place."""
        gone = records.alias("gone")
        heir = records.alias("heir")
        found = (
            select(gone.c.row, gone.c.pair, heir.c.row.label("heir"), heir.c.pair.label("held"))
            .join(heir, and_(heir.c.side == SALESFORCE, heir.c.id == gone.c.successor))
            .where(
                gone.c.side == SALESFORCE,
                gone.c.successor.is_not(None),
                gone.c.pair.is_not(None),
                heir.c.row != gone.c.row,
            )
            .order_by(gone.c.row)
        )
        with self._transaction() as connection:
            # A merged record may itself have been merged: at most as many steps as merges.
            while moves := connection.execute(found).all():
                for move in moves:
                    if move.held is None and not _is_paired(connection, move.heir):
                        connection.execute(
                            update(pairs)
                            .where(pairs.c.pair == move.pair)
                            .values(salesforce_row=move.heir)
                        )
                        _set(connection, [move.row], pair=None, settled=True)
                        _set(
                            connection,
                            [move.heir],
                            pair=move.pair,
                            settled=False,
                            duplicate_of=None,
                        )
                    else:
                        # Both were paired: the heir keeps its contact, the other is left alone.
                        self._dissolve(connection, move.pair, released=True)

    def pair_by_reference(self, run: int) -> int:
        """Pair records of which one names the other.

        Returns:
            How many pairs were made.
        """
        salesforce = records.alias("salesforce")
        phoneiq = records.alias("phoneiq")
        both = and_(
            salesforce.c.side == SALESFORCE,
            phoneiq.c.side == PHONEIQ,
            salesforce.c.pair.is_(None),
            phoneiq.c.pair.is_(None),
            salesforce.c.deleted.is_(False),
            phoneiq.c.deleted.is_(False),
            or_(salesforce.c.skip.is_(None), salesforce.c.skip.not_in(sorted(UNPAIRABLE))),
        )
        named_by_phoneiq = phoneiq.c.reference == salesforce.c.id
        named_by_salesforce = salesforce.c.reference == phoneiq.c.id
        made = 0
        with self._transaction() as connection:
            for names in (named_by_phoneiq, named_by_salesforce):
                # Driven from what is open, so that the cost follows the changes.
                for opened in (phoneiq, salesforce):
                    key, chosen = (
                        (salesforce.c.row, phoneiq.c.row)
                        if names is named_by_phoneiq
                        else (phoneiq.c.row, salesforce.c.row)
                    )
                    lowest = func.min(chosen)
                    columns = (key, lowest) if key is salesforce.c.row else (lowest, key)
                    made += self._pair(
                        connection,
                        select(*columns, literal("reference"), literal(run))
                        .where(both, names, opened.c.settled == false())
                        .group_by(key),
                    )
        return made

    def groups_by_phone(
        self,
    ) -> Iterator[tuple[list[list[Candidate]], dict[tuple[Side, str], int]]]:
        """Records without a pair that share numbers, group by group, in chunks of groups.

        Yields:
            Groups, and the rows of paired records by (side, number) that they share.
        """
        with self._transaction() as connection:
            self._reopen_neighbours(connection)
        roots = self._connect_groups()
        if not roots:
            return
        chunk: list[int] = []
        ordered = sorted(roots, key=lambda row: (roots[row], row))
        for _, group in groupby(ordered, key=roots.__getitem__):
            chunk.extend(group)
            if len(chunk) >= CHUNK:
                yield self._load_groups(chunk, roots)
                chunk = []
        if chunk:
            yield self._load_groups(chunk, roots)

    def _reopen_neighbours(self, connection: Connection) -> None:
        """Whoever shares a number with an open record is decided with it."""
        opened = self._open_numbers()
        while True:
            reopened = connection.execute(
                update(records)
                .where(
                    records.c.settled.is_(True),
                    records.c.pair.is_(None),
                    records.c.row.in_(
                        select(phone_numbers.c.row).where(phone_numbers.c.number.in_(opened))
                    ),
                )
                .values(settled=False, duplicate_of=None)
            )
            if not reopened.rowcount:
                return

    @staticmethod
    def _open_numbers() -> Any:
        mine = phone_numbers.alias("mine")
        holder = records.alias("holder")
        return (
            select(mine.c.number)
            .join(holder, holder.c.row == mine.c.row)
            .where(holder.c.settled == false(), holder.c.pair.is_(None))
        )

    def _connect_groups(self) -> dict[int, int]:
        """Root by row, for each open record without a pair that shares a number."""
        parent = array("q", range(self._next_row))

        def root(row: int) -> int:
            while parent[row] != row:
                parent[row] = parent[parent[row]]
                row = parent[row]
            return row

        sharing: list[int] = []
        statement = (
            select(phone_numbers.c.number, phone_numbers.c.row, records.c.pair)
            .join(records, records.c.row == phone_numbers.c.row)
            .where(phone_numbers.c.number.in_(self._open_numbers()))
            .order_by(phone_numbers.c.number, phone_numbers.c.row)
        )
        with self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=10_000).execute(statement)
            for _, shared in groupby(rows, key=lambda row: row[0]):
                holders = [(row, pair) for _, row, pair in shared]
                if len(holders) == 1:
                    continue
                alone = [row for row, pair in holders if pair is None]
                for row in alone:
                    parent[root(row)] = root(alone[0])
                sharing.extend(alone)
        return {row: root(row) for row in sharing}

    def _load_groups(
        self, rows: list[int], roots: Mapping[int, int]
    ) -> tuple[list[list[Candidate]], dict[tuple[Side, str], int]]:
        numbers: dict[int, list[str]] = {}
        candidates: list[Candidate] = []
        holders: dict[tuple[Side, str], int] = {}
        mine = phone_numbers.alias("mine")
        with self._engine.connect() as connection:
            for part in _parts(rows):
                for number, row in connection.execute(
                    select(phone_numbers.c.number, phone_numbers.c.row).where(
                        phone_numbers.c.row.in_(part)
                    )
                ):
                    numbers.setdefault(row, []).append(number)
                for record in connection.execute(
                    select(
                        records.c.row,
                        records.c.side,
                        records.c.object,
                        records.c.id,
                        records.c.name,
                        records.c.created_at,
                        records.c.skip,
                    ).where(records.c.row.in_(part))
                ):
                    candidates.append(
                        Candidate(
                            record.row,
                            record.side,
                            record.object,
                            record.id,
                            record.name,
                            record.created_at,
                            record.skip is None or record.side == PHONEIQ,
                            tuple(numbers[record.row]),
                        )
                    )
                for record in connection.execute(
                    select(records.c.side, phone_numbers.c.number, func.min(records.c.row))
                    .join(records, records.c.row == phone_numbers.c.row)
                    .where(
                        records.c.pair.is_not(None),
                        phone_numbers.c.number.in_(
                            select(mine.c.number).where(mine.c.row.in_(part))
                        ),
                    )
                    .group_by(records.c.side, phone_numbers.c.number)
                ):
                    holders[record[0], record[1]] = record[2]
        candidates.sort(key=lambda candidate: (roots[candidate.row], candidate.row))
        return (
            [list(group) for _, group in groupby(candidates, key=lambda one: roots[one.row])],
            holders,
        )

    def store_pairing(
        self, made: Sequence[tuple[int, int]], duplicates: Mapping[int, int], run: int
    ) -> None:
        """Commit the pairs made by phone, and whose number is taken by whom."""
        with self._transaction() as connection:
            if made:
                before = connection.scalar(select(func.max(pairs.c.pair))) or 0
                connection.execute(
                    insert(pairs),
                    [
                        {"salesforce_row": one, "phoneiq_row": two, "why": "phone", "run": run}
                        for one, two in made
                    ],
                )
                self._link(connection, before)
            if duplicates:
                connection.execute(
                    update(records)
                    .where(records.c.row == bindparam("at"))
                    .values(duplicate_of=bindparam("holder"), settled=True),
                    [{"at": row, "holder": holder} for row, holder in duplicates.items()],
                )

    def _pair(self, connection: Connection, found: Any) -> int:
        before = connection.scalar(select(func.max(pairs.c.pair))) or 0
        made = connection.execute(
            insert(pairs).from_select(["salesforce_row", "phoneiq_row", "why", "run"], found)
        ).rowcount
        if made:
            self._link(connection, before)
        return made

    @staticmethod
    def _link(connection: Connection, after: int) -> None:
        """Tell the records of new pairs about them."""
        for column in (pairs.c.salesforce_row, pairs.c.phoneiq_row):
            values: dict[str, Any] = {
                "pair": select(pairs.c.pair).where(column == records.c.row).scalar_subquery(),
                "settled": False,
                "released": False,
                "duplicate_of": None,
            }
            if column is pairs.c.phoneiq_row:
                # What kept it from being created is over.
                values["skip"] = None
            connection.execute(
                update(records)
                .where(records.c.row.in_(select(column).where(pairs.c.pair > after)))
                .values(values)
            )

    # --- planning ---------------------------------------------------------------------------

    def count_pairs(self) -> int:
        """How many pairs there are."""
        with self._engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(pairs)) or 0

    def count_halved_pairs(self) -> int:
        """How many open pairs have exactly one deleted record."""
        one, two = records.alias("one"), records.alias("two")
        with self._engine.connect() as connection:
            return (
                connection.scalar(
                    select(func.count())
                    .select_from(pairs)
                    .join(one, one.c.row == pairs.c.salesforce_row)
                    .join(two, two.c.row == pairs.c.phoneiq_row)
                    .where(
                        pairs.c.pair.in_(
                            select(records.c.pair).where(
                                records.c.settled == false(), records.c.pair.is_not(None)
                            )
                        ),
                        one.c.deleted != two.c.deleted,
                    )
                )
                or 0
            )

    def open_pairs(self) -> Iterator[list[OpenPair]]:
        """The pairs that may need a write, in the order of their numbers, in chunks."""
        after = 0
        while True:
            chunk = self._open_pairs(after)
            if not chunk:
                return
            after = chunk[-1].pair
            yield chunk

    def _open_pairs(self, after: int) -> list[OpenPair]:
        numbers = (
            select(records.c.pair)
            .where(
                records.c.settled == false(),
                records.c.pair.is_not(None),
                records.c.pair > after,
            )
            .distinct()
            .order_by(records.c.pair)
            .limit(CHUNK)
        )
        halves = []
        with self._engine.connect() as connection:
            for column in (pairs.c.salesforce_row, pairs.c.phoneiq_row):
                halves.append(
                    connection.execute(
                        select(
                            pairs.c.pair,
                            pairs.c.baseline,
                            *_shown_columns(),
                        )
                        .join(records, records.c.row == column)
                        .join(observations, observations.c.row == column)
                        .where(pairs.c.pair.in_(numbers))
                        .order_by(pairs.c.pair)
                    ).all()
                )
        return [
            OpenPair(
                one[0],
                _decode(one[1]) if one[1] else {},
                self._shown(one[2:]),
                self._shown(two[2:]),
            )
            for one, two in zip(*halves, strict=True)
        ]

    def open_alone(self, side: Side) -> Iterator[list[Shown]]:
        """A side's open records without a pair that may be created across, in chunks."""
        after = 0
        while True:
            with self._engine.connect() as connection:
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
                    )
                    .order_by(records.c.row)
                    .limit(CHUNK)
                ).all()
            if not rows:
                return
            after = rows[-1].row
            yield [self._shown(row) for row in rows]

    def open_writes(self, rows: Sequence[int]) -> dict[tuple[int, Side], OpenWrite]:
        """The writes from these rows that have not been shown yet, by (source row, side)."""
        found: dict[tuple[int, Side], OpenWrite] = {}
        with self._engine.connect() as connection:
            for part in _parts(rows):
                for row in connection.execute(
                    select(writes).where(
                        writes.c.source_row.in_(part), writes.c.confirmed_run.is_(None)
                    )
                ):
                    found[row.source_row, row.side] = OpenWrite(
                        row.write, row.action, row.changes, row.run, row.tries
                    )
        return found

    def store_outcomes(self, outcomes: Sequence[Outcome], side: Side, run: int) -> None:
        """Commit what planning came to, before its writes are emitted.

        Args:
            outcomes: One for each pair or record that was planned.
            side: The side that is written to.
            run: The run that planned.
        """
        with self._transaction() as connection:
            baselines = [
                {"at": one.pair, "new": _json(one.baseline)}
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
            self._confirm(connection, [write for one in outcomes for write in one.confirmed], run)
            self._journal(connection, outcomes, side, run)
            self._store_skips(connection, outcomes)
            found = [
                {
                    "run": run,
                    "pair": one.pair,
                    "field": field,
                    "resolution": resolution,
                    "salesforce": _json(salesforce),
                    "phoneiq": _json(phoneiq),
                }
                for one in outcomes
                for field, resolution, salesforce, phoneiq in one.conflicts
            ]
            if found:
                connection.execute(insert(conflicts), found)
            _set(
                connection,
                [row for one in outcomes if one.settled for row in one.rows],
                settled=True,
            )
            for one in outcomes:
                if one.dissolved and one.pair is not None:
                    self._dissolve(connection, one.pair, released=one.released)

    def _dissolve(self, connection: Connection, pair: int, *, released: bool) -> None:
        """End a pair; the record that is left is settled if released, else open."""
        rows = connection.execute(
            select(pairs.c.salesforce_row, pairs.c.phoneiq_row).where(pairs.c.pair == pair)
        ).one()
        connection.execute(delete(pairs).where(pairs.c.pair == pair))
        connection.execute(
            update(records)
            .where(records.c.row.in_(tuple(rows)))
            .values(pair=None, settled=or_(records.c.deleted, literal(released)), released=released)
        )
        connection.execute(
            update(writes)
            .where(writes.c.source_row.in_(tuple(rows)), writes.c.confirmed_run.is_(None))
            .values(confirmed_run=0)
        )
        self._reopen_sharers(connection, rows)
        if released:
            _set(connection, list(rows), settled=True)

    @staticmethod
    def _confirm(connection: Connection, arrived: list[int], run: int) -> None:
        for part in _parts(arrived):
            connection.execute(
                update(writes).where(writes.c.write.in_(part)).values(confirmed_run=run)
            )

    @staticmethod
    def _journal(connection: Connection, outcomes: Sequence[Outcome], side: Side, run: int) -> None:
        emitted = [
            {
                "source": one.source_row,
                "side": side,
                "action": one.emitted[0],
                "changes": one.emitted[1],
                "run": run,
            }
            for one in outcomes
            if one.emitted is not None
        ]
        if not emitted:
            return
        again = {
            row[0]
            for part in _parts([item["source"] for item in emitted])
            for row in connection.execute(
                select(writes.c.source_row).where(
                    writes.c.source_row.in_(part),
                    writes.c.side == side,
                    writes.c.confirmed_run.is_(None),
                )
            )
        }
        repeated = [item for item in emitted if item["source"] in again]
        if repeated:
            connection.execute(
                update(writes)
                .where(
                    writes.c.source_row == bindparam("source"),
                    writes.c.side == side,
                    writes.c.confirmed_run.is_(None),
                )
                .values(
                    action=bindparam("new_action"),
                    changes=bindparam("new_changes"),
                    run=run,
                    # Other values are a new write, not the old one tried again.
                    tries=case(
                        (
                            writes.c.changes.is_not_distinct_from(bindparam("new_changes")),
                            writes.c.tries + 1,
                        ),
                        else_=1,
                    ),
                ),
                [
                    {
                        "source": item["source"],
                        "new_action": item["action"],
                        "new_changes": item["changes"],
                    }
                    for item in repeated
                ],
            )
        first = [
            {
                "source_row": item["source"],
                "side": side,
                "action": item["action"],
                "changes": item["changes"],
                "run": run,
                "tries": 1,
            }
            for item in emitted
            if item["source"] not in again
        ]
        if first:
            connection.execute(insert(writes), first)

    @staticmethod
    def _store_skips(connection: Connection, outcomes: Sequence[Outcome]) -> None:
        for part in _parts([row for one in outcomes for row in one.rows]):
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

    # --- counting ---------------------------------------------------------------------------

    def count_skips(self, side: Side) -> dict[str, int]:
        """A side's records that take no part now, by reason, and fields left out of its records."""
        counts: dict[str, int] = {}
        with self._engine.connect() as connection:
            for reason, number in connection.execute(
                select(records.c.skip, func.count())
                .where(records.c.side == side, records.c.skip.is_not(None))
                .group_by(records.c.skip)
            ):
                counts[reason] = number
            duplicates = connection.scalar(
                select(func.count()).where(
                    records.c.side == side,
                    records.c.duplicate_of.is_not(None),
                    records.c.skip.is_(None),
                )
            )
            if duplicates:
                counts["duplicate_phone"] = duplicates
            for reason, number in connection.execute(
                select(field_skips.c.reason, func.count())
                .join(records, records.c.row == field_skips.c.source_row)
                .where(records.c.side == side)
                .group_by(field_skips.c.reason)
            ):
                counts[reason] = counts.get(reason, 0) + number
        return dict(sorted(counts.items()))

    def count_unconfirmed(self, side: Side) -> int:
        """Writes to a side that were emitted more than once and are still not shown by its tap."""
        with self._engine.connect() as connection:
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

    def is_empty(self, side: Side) -> bool:
        """Whether the ledger holds no record of a side."""
        with self._engine.connect() as connection:
            return not connection.scalar(
                select(exists(select(records.c.row).where(records.c.side == side)))
            )

    # --- rows to values ---------------------------------------------------------------------

    def _fields(self, layout: int, body: str) -> dict[str, Any]:
        return dict(zip(self._layout_fields[layout], _decode(body), strict=True))

    def _shown(self, row: Sequence[Any]) -> Shown:
        at, identifier, name, reference, deleted, skip, layout, body, numbers = row
        return Shown(
            at,
            identifier,
            name,
            reference,
            deleted,
            skip,
            self._fields(layout, body),
            _decode(numbers),
        )

    @staticmethod
    def _identify(connection: Connection) -> str:
        values = {row.key: row.value for row in connection.execute(select(meta))}
        if "ledger_id" not in values:
            values = {"ledger_id": uuid.uuid4().hex, "schema_version": str(SCHEMA_VERSION)}
            connection.execute(
                insert(meta), [{"key": key, "value": value} for key, value in values.items()]
            )
        if int(values["schema_version"]) != SCHEMA_VERSION:
            raise LedgerError(
                f"the ledger has schema version {values['schema_version']}, this reconciler knows "
                f"{SCHEMA_VERSION}: install the newer reconciler that made it"
            )
        return str(values["ledger_id"])


def _engine(url: str) -> Engine:
    """An engine whose connections wait for each other, on a file of the owner's own."""
    path = Path(make_url(url).database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise LedgerError(f"the ledger cannot be opened: {error}") from None
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # SQLAlchemy says BEGIN itself: the driver's own would leave reads outside.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "busy_timeout = 30000",
            "cache_size = -65536",
            "temp_store = FILE",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that will write takes its turn at once: one that has read before it
        # writes fails where another has written in between.
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _record(row: int, item: Observation) -> dict[str, Any]:
    return {
        "row": row,
        "side": item.side,
        "id": item.id,
        "object": item.object,
        "name": item.name,
        "reference": item.reference,
        "successor": item.successor,
        "created_at": item.created_at,
        "deleted": item.deleted,
        "skip": item.skip,
        "duplicate_of": None,
        "released": False,
        "settled": False,
    }


def _set(connection: Connection, rows: Sequence[int], **values: Any) -> None:
    for part in _parts(rows):
        connection.execute(update(records).where(records.c.row.in_(part)).values(values))


def _is_paired(connection: Connection, row: int) -> bool:
    return connection.scalar(select(records.c.pair).where(records.c.row == row)) is not None


def _shown_columns() -> tuple[Any, ...]:
    return (
        records.c.row,
        records.c.id,
        records.c.object,
        records.c.reference,
        records.c.deleted,
        records.c.skip,
        observations.c.layout,
        observations.c.body,
        observations.c.numbers,
    )


def _body(item: Observation) -> str:
    return _json(list(item.fields.values()))


def _json(value: Any) -> str:
    return _encode(value).decode()


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + _LIST] for start in range(0, len(values), _LIST))


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
