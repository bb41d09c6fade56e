"""Observations: what each side showed last."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    Connection,
    bindparam,
    delete,
    false,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy import text as sql
from sqlalchemy.schema import CreateIndex

from reconciler.errors import DamagedLedgerError
from reconciler.fields.canonical import text
from reconciler.fields.defaults import IDENTITY
from reconciler.fields.ids import object_of, salesforce_id
from reconciler.fields.phones import match_number
from reconciler.ledger.database import Database, repeatable
from reconciler.ledger.rows import (
    CHUNK,
    forgotten_hash,
    from_json,
    pack,
    reopen_sharers,
    set_records,
    text_key,
    to_json,
    unpack,
)
from reconciler.ledger.runs import STREAMS
from reconciler.ledger.sets import among, insert_rows, put_rows, update_rows
from reconciler.ledger.tables import (
    LATE_INDEXES,
    alias,
    counters,
    field_skips,
    forgotten,
    layouts,
    made_from,
    meta,
    observations,
    pairs,
    phone_numbers,
    records,
    streams,
    writes,
)
from reconciler.model import PHONEIQ, SALESFORCE, UNSET, Observation, Side, Sighting, other

_ADD: Final = sql(
    "INSERT INTO layouts (layout, digest, fields) VALUES (:layout, :digest, :fields) "
    "ON CONFLICT (digest) DO NOTHING"
)
#: The indexes that a ledger has once it is indexed.
_INDEXES: Final = " ".join(str(one.name) for one in LATE_INDEXES)


class Layouts:
    """The sets of fields that records were delivered with.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: dict[tuple[str, ...], int] = {}
        self._fields: dict[int, tuple[str, ...]] = {}

    def learn(self, fields: Iterable[tuple[str, ...]]) -> None:
        """Store the layouts that are new, in a transaction of its own: other workers may too."""
        wanted = dict.fromkeys(fields)
        if not self._numbers.keys() >= wanted.keys():
            # Another worker may have stored them since.
            self._read()
        new = [one for one in wanted if one not in self._numbers]
        if not new:
            return
        first = self._database.take_numbers("layout", len(new))
        with self._database.transaction() as connection:
            for layout, one in enumerate(new, first):
                connection.execute(_ADD, {"layout": layout, **_named(one)})
        self._read()

    def number(self, fields: tuple[str, ...]) -> int:
        """The number of a layout that was learned."""
        return self._numbers[fields]

    def add(self, connection: Connection, fields: tuple[str, ...]) -> int:
        """The number of a layout, stored along with the rest of a transaction where it is new.

        For who works on the ledger alone.
        """
        named = _named(fields)
        known = connection.scalar(
            select(layouts.c.layout).where(layouts.c.digest == named["digest"])
        )
        if known is not None:
            return int(known)
        layout: int = connection.execute(
            update(counters)
            .where(counters.c.name == "layout")
            .values(next=counters.c.next + 1)
            .returning(counters.c.next - 1)
        ).scalar_one()
        connection.execute(insert(layouts).values(layout=layout, **named))
        # Nobody else can read it yet.
        self._fields[layout] = fields
        return layout

    def fields_of(self, layout: int) -> tuple[str, ...]:
        """The fields of a layout."""
        if layout not in self._fields:
            # Another worker has stored it since.
            self._read()
        try:
            return self._fields[layout]
        except KeyError:
            raise DamagedLedgerError("a record's fields are not stored") from None

    def fields(self, layout: int, body: bytes) -> dict[str, Any]:
        """Value by field of a stored observation."""
        fields, values = self.fields_of(layout), unpack(body)
        if not isinstance(values, list) or len(values) != len(fields):
            raise DamagedLedgerError("a record has other values than fields")
        return dict(zip(fields, values, strict=True))

    def numbers(self, layout: int, numbers: bytes) -> dict[str, str]:
        """Canonical number by phone field of a stored observation."""
        fields = self.fields_of(layout)
        try:
            return {fields[position]: number for position, number in unpack(numbers).items()}
        except (AttributeError, IndexError, TypeError):
            raise DamagedLedgerError("a record's numbers cannot be read") from None

    def _read(self) -> None:
        with self._database.reading() as connection:
            for layout, text_ in connection.execute(select(layouts.c.layout, layouts.c.fields)):
                fields = tuple(from_json(text_))
                self._numbers[fields] = layout
                self._fields[layout] = fields

    def baseline(self, layout: int | None, body: bytes | None) -> dict[str, Any]:
        """By mapping key, the canonical values of a stored baseline on which the sides agreed."""
        if layout is None or body is None:
            return {}
        values = zip(self.fields_of(layout), unpack(body), strict=True)
        return {key: value for key, value in values if value is not UNSET}


def _named(fields: tuple[str, ...]) -> dict[str, str]:
    """The fields as they are stored, and what they are found by: an index holds no long texts."""
    text_ = to_json(fields)
    return {"fields": text_, "digest": hashlib.sha256(text_.encode()).hexdigest()}


class ShownRows:
    """The rows of the records that an extract has shown: a bit each, 125 KB for a million.

    Args:
        newest: The newest row that the ledger had before the extract.
    """

    def __init__(self, newest: int) -> None:
        self.newest = newest
        self._bits = bytearray((newest >> 3) + 1)

    def add(self, rows: Iterable[int]) -> None:
        """Note that records were shown."""
        for row in rows:
            if row <= self.newest:
                self._bits[row >> 3] |= 1 << (row & 7)

    def __contains__(self, row: int) -> bool:
        return bool(self._bits[row >> 3] >> (row & 7) & 1)


class Known(NamedTuple):
    """What the ledger holds of a record that is observed again."""

    row: int
    layout: int
    body: bytes
    numbers: bytes
    skip: str | None
    deleted: bool
    reference: str | None
    reference_run: int | None
    released: bool
    merged_away: bool
    awaits: str | None
    stamp: int | None
    digest: int | None
    missing: bool


#: The columns of `_record` and of `_content`.
_RECORD: Final = (
    "row", "object", "name", "email", "reference", "successor", "related", "created_at", "stamp",
    "digest", "deleted", "skip", "full_name", "reference_run",
)  # fmt: skip
_CONTENT: Final = ("layout", "body", "numbers")


class Observations:
    """The observations of both sides.

    Args:
        database: The open ledger database.
        layouts: The ledger's layouts.
    """

    def __init__(self, database: Database, layouts: Layouts) -> None:
        self._database = database
        self._layouts = layouts
        self._indexes = database.indexed

    def unread(
        self, side: Side, sightings: Mapping[str, Sighting], shown: ShownRows | None = None
    ) -> tuple[list[Sighting], dict[str, Known]]:
        """Those of a side's records that the ledger does not hold just as they came.

        Args:
            side: The side that they are of.
            sightings: Each by its id.
            shown: Where to note the rows that were shown, in a full refresh.

        Returns:
            Those, and what the ledger holds of them, by id.
        """
        with self._database.reading() as connection:
            columns = (records.c.id, records.c.digest)
            rows = connection.execute(
                select(*columns if shown is None else (*columns, records.c.row)).where(
                    records.c.side == side, among(records.c.id, sightings)
                )
            ).all()
            held = {row[0]: row[1] for row in rows}
            changed = [one for id_, one in sightings.items() if held.get(id_) != one.digest]
            known = self._known(connection, side, held.keys() & {one.id for one in changed})
        if shown is not None:
            shown.add(row[2] for row in rows)
        return changed, known

    @repeatable
    def store(
        self, seen: Sequence[Observation], run: int, known: Mapping[str, Known] | None = None
    ) -> int:
        """Commit observations of one side; what did not change is left as it is.

        Args:
            seen: Observations in the order of their arrival; a later one of a record wins.
            run: The run that observed them.
            known: By id, what the ledger holds of those that it knows; it is read where not given.

        Returns:
            How many are new or changed.
        """
        newest = {item.id: item for item in seen if not self._is_forgotten(item)}
        if not newest:
            return 0
        side = seen[0].side
        self._layouts.learn(item.fields for item in newest.values())
        # Nobody else stores these records: the stream is this run's.
        known = self._known_among(side, newest.keys(), known)
        count = len(newest) - len(known)
        next_row = self._database.take_numbers("row", count) if count else 0
        with self._database.transaction() as connection:
            fresh: list[tuple[int, Observation]] = []
            changed: list[tuple[int, Observation]] = []
            named_in = {
                id_: one.reference_run
                for id_, one in known.items()
                if one.reference == newest[id_].reference
            }
            numbers_changed: list[tuple[int, Observation]] = []
            released: set[int] = set()
            missing: set[int] = set()
            touched: list[tuple[int | None, int | None, int]] = []
            for item in newest.values():
                before = known.get(item.id)
                if before is None:
                    fresh.append((next_row, item))
                    next_row += 1
                    continue
                if item.stamp is None:
                    # It was read again from the ledger, which keeps the stamp by itself.
                    item = item._replace(stamp=before.stamp)  # noqa: PLW2901
                layout, body, numbers = self._content(item)
                own = (item.skip, item.deleted, item.reference)
                is_back = before.missing and item.digest is not None
                if before.missing and not is_back:
                    missing.add(before.row)
                if not is_back and (layout, body, numbers, *own) == (
                    before.layout,
                    before.body,
                    before.numbers,
                    before.skip,
                    before.deleted,
                    before.reference,
                ):
                    if item.digest is not None and item.digest != before.digest:
                        touched.append((item.stamp, item.digest, before.row))
                    continue
                changed.append((before.row, item))
                if before.released and (before.merged_away or not self._is_edited(before, item)):
                    released.add(before.row)
                if is_back or (numbers, item.deleted, item.skip) != (
                    before.numbers,
                    before.deleted,
                    before.skip,
                ):
                    numbers_changed.append((before.row, item))
            self._insert(connection, fresh, run)
            self._keep_sources(connection, [row for row, _ in changed])
            self._update(connection, changed, released, missing, named_in, run)
            self._change_numbers(connection, numbers_changed)
            self._reopen_members(connection, [item.id for _, item in fresh + changed])
            self._reopen_former_owners(connection, side, [*fresh, *numbers_changed])
            update_rows(connection, records, "row", ("stamp", "digest"), touched)
            return len(fresh) + len(changed)

    @cached_property
    def _forgotten(self) -> frozenset[str]:
        with self._database.reading() as connection:
            return frozenset(connection.scalars(select(forgotten.c.hash)))

    def _is_forgotten(self, item: Observation) -> bool:
        """Whether a record, or the one that it names across, was forgotten on request."""
        if not self._forgotten:
            return False
        named = [(item.side, item.id)]
        if item.reference:
            named.append((other(item.side), item.reference))
        return any(forgotten_hash(self._database.salt, *one) in self._forgotten for one in named)

    def phones_of(self, known: Known) -> dict[str, tuple[Any, str]]:
        """By phone field, its text as it was delivered and the number that was read in it."""
        return self._phones(known.layout, known.body, known.numbers)

    def _phones(self, layout: int, body: bytes, numbers: bytes) -> dict[str, tuple[Any, str]]:
        read = unpack(numbers)
        if not read:
            return {}
        fields, values = self._layouts.fields_of(layout), unpack(body)
        return {fields[place]: (values[place], number) for place, number in read.items()}

    def _known_among(
        self, side: Side, ids: Set[str], known: Mapping[str, Known] | None
    ) -> dict[str, Known]:
        """What the ledger holds of records, where it is not given."""
        if known is not None:
            return {id_: one for id_, one in known.items() if id_ in ids}
        with self._database.reading() as connection:
            return self._known(connection, side, ids)

    def _known(self, connection: Connection, side: Side, ids: Set[str]) -> dict[str, Known]:
        if not ids:
            return {}
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
                records.c.reference_run,
                records.c.released,
                records.c.merged_away,
                records.c.awaits,
                records.c.stamp,
                records.c.digest,
                records.c.missing,
            )
            .join_from(records, observations, observations.c.row == records.c.row)
            .where(records.c.side == side, among(records.c.id, ids))
        )
        return {row[0]: Known(*row[1:]) for row in connection.execute(statement)}

    def _content(self, item: Observation) -> tuple[int, bytes, bytes]:
        """Layout, body and numbers as they are stored."""
        return (
            self._layouts.number(item.fields),
            pack(item.values),
            pack(item.numbers),
        )

    def _is_edited(self, before: Known, item: Observation) -> bool:
        """Whether someone changed a field.

        A field that is extracted for the first time did not change, and a value that the sync
        itself had sent did not come from someone. A reference that is gone says nothing about the
        person: the sync takes those of separated records away.
        """
        held = self._layouts.fields(before.layout, before.body)
        awaited = from_json(before.awaits) if before.awaits else {}
        return any(
            value != held[field]
            and not (field in awaited and _shows(item, position, awaited[field]))
            and not (value is None and _is_reference(held[field], before.reference))
            for position, (field, value) in enumerate(zip(item.fields, item.values, strict=True))
            if field in held
        )

    def _insert(
        self, connection: Connection, fresh: list[tuple[int, Observation]], run: int
    ) -> None:
        insert_rows(
            connection,
            records,
            (*_RECORD, "side", "id"),
            [(*_record(row, item, run), item.side, item.id) for row, item in fresh],
        )
        insert_rows(
            connection,
            observations,
            ("row", "run", *_CONTENT),
            [(row, run, *self._content(item)) for row, item in fresh],
        )
        self._insert_numbers(connection, fresh)

    @staticmethod
    def _keep_sources(connection: Connection, rows: list[int]) -> None:
        """Keep what open creates were made from, before their sources change."""
        if not rows:
            return
        connection.execute(
            insert(made_from).from_select(
                ["write", "layout", "body", "numbers"],
                select(
                    writes.c.write,
                    observations.c.layout,
                    observations.c.body,
                    observations.c.numbers,
                )
                .join(observations, observations.c.row == writes.c.source_row)
                .where(
                    among(writes.c.source_row, rows),
                    writes.c.confirmed_run.is_(None),
                    writes.c.action == "create",
                    writes.c.write.not_in(select(made_from.c.write)),
                ),
            )
        )

    def _update(
        self,
        connection: Connection,
        changed: list[tuple[int, Observation]],
        released: set[int],
        missing: set[int],
        named_in: Mapping[str, int | None],
        run: int,
    ) -> None:
        update_rows(
            connection,
            records,
            "row",
            (*_RECORD[1:], "missing", "duplicate_of", "released", "settled"),
            [
                (
                    *_record(row, item, named_in.get(item.id, run))[1:],
                    row in missing,
                    None,
                    False,
                    False,
                    row,
                )
                for row, item in changed
            ],
        )
        update_rows(
            connection,
            observations,
            "row",
            (*_CONTENT, "run"),
            [(*self._content(item), run, row) for row, item in changed],
        )
        if released:
            set_records(connection, sorted(released), released=True, settled=True)

    def _reopen_members(self, connection: Connection, ids: Iterable[str]) -> None:
        """Open the records that belong to changed Accounts, whose names they may carry."""
        accounts = [one for one in ids if object_of(one) == "Account"]
        if accounts and self._indexes:
            connection.execute(
                update(records).where(among(records.c.related, accounts)).values(settled=False)
            )

    def _reopen_former_owners(
        self, connection: Connection, side: Side, items: list[tuple[int, Observation]]
    ) -> None:
        """Open pairs whose Salesforce record has lost its last number to one of these records."""
        if side != SALESFORCE or not self._indexes:
            return
        numbers = sorted({number for _, item in items for number in item.match_numbers})
        if not numbers:
            return
        former, contact = alias(records, "former"), alias(records, "contact")
        lost = (
            select(contact.c.row)
            .join_from(phone_numbers, contact, contact.c.row == phone_numbers.c.row)
            .join(pairs, pairs.c.phoneiq_row == contact.c.row)
            .join(former, former.c.row == pairs.c.salesforce_row)
            .where(among(phone_numbers.c.number, numbers), former.c.skip == "no_valid_phone")
        )
        connection.execute(update(records).where(records.c.row.in_(lost)).values(settled=False))

    def _change_numbers(
        self, connection: Connection, changed: list[tuple[int, Observation]]
    ) -> None:
        """Replace numbers; whoever shared an old one may now take its place."""
        if not changed:
            return
        rows = [row for row, _ in changed]
        if self._indexes:
            reopen_sharers(connection, rows)
        mine = among(phone_numbers.c.row, rows)
        creating = connection.scalars(
            select(records.c.row).where(among(records.c.row, rows), records.c.creating == true())
        ).all()
        if creating:
            connection.execute(
                update(phone_numbers).where(among(phone_numbers.c.row, creating)).values(stale=True)
            )
        connection.execute(delete(phone_numbers).where(mine, phone_numbers.c.stale == false()))
        still = [
            {"at": row, "has": number} for row, item in changed for number in item.match_numbers
        ]
        if creating and still:
            connection.execute(
                delete(phone_numbers).where(
                    phone_numbers.c.row == bindparam("at"),
                    phone_numbers.c.number == bindparam("has"),
                ),
                still,
            )
        self._insert_numbers(connection, changed)

    @staticmethod
    def _insert_numbers(connection: Connection, items: list[tuple[int, Observation]]) -> None:
        insert_rows(
            connection,
            phone_numbers,
            ("row", "number", "stale"),
            [(row, number, False) for row, item in items for number in item.match_numbers],
        )

    def newest_row(self, side: Side) -> int:
        """The newest row of a side, 0 where it has none."""
        with self._database.reading() as connection:
            newest = select(records.c.row).where(records.c.side == side)
            return connection.scalar(newest.order_by(records.c.row.desc()).limit(1)) or 0

    def mark_missing(self, side: Side, objects: Collection[str], shown: ShownRows) -> int:
        """Note which live records an extract from the beginning did not show.

        Args:
            side: The side that was extracted.
            objects: The objects whose streams were extracted completely.
            shown: The rows of what was shown.

        Returns:
            How many are missing that were not before.
        """
        count = after = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.scalars(
                    select(records.c.row)
                    .where(
                        records.c.side == side,
                        records.c.object.in_(objects),
                        records.c.deleted == false(),
                        records.c.missing == false(),
                        records.c.row > after,
                        records.c.row <= shown.newest,
                    )
                    .order_by(records.c.row)
                    .limit(CHUNK)
                ).all()
            if not rows:
                return count
            after = rows[-1]
            absent = [row for row in rows if row not in shown]
            count += len(absent)
            if absent:
                self._set_missing(absent)

    def _set_missing(self, rows: list[int]) -> None:
        with self._database.transaction() as connection:
            # Without its digest it is read again as soon as it is shown.
            set_records(connection, rows, missing=True, digest=None, settled=True)
            unpaired = connection.scalars(
                select(records.c.row).where(among(records.c.row, rows), records.c.pair.is_(None))
            ).all()
            if unpaired:
                if self._indexes:
                    reopen_sharers(connection, unpaired)
                    set_records(connection, unpaired, settled=True)
                # A record that may be gone is not matched.
                connection.execute(
                    delete(phone_numbers).where(among(phone_numbers.c.row, unpaired))
                )

    def index(self) -> None:
        """Make what is stored quick to look up, before it is first paired.

        The first load goes without: a row costs more in its indexes than in its table, and much
        less where an index is made of all rows at once.
        """
        if self._indexes == _INDEXES:
            return
        with self._database.transaction() as connection:
            for one in LATE_INDEXES:
                connection.execute(CreateIndex(one, if_not_exists=True))
            put_rows(connection, meta, [{"key": "indexed", "value": _INDEXES}])
        self._indexes = _INDEXES

    def store_schema(self, side: Side, stream: str, schema: Mapping[str, Any]) -> None:
        """Keep the JSON Schema of a side's stream."""
        text_ = to_json(schema)
        with self._database.reading() as connection:
            held = {
                row.schema
                for row in connection.execute(STREAMS)
                if (row.side, row.stream) == (side, stream)
            }
        if held == {text_}:
            return
        with self._database.transaction() as connection:
            if held:
                connection.execute(
                    update(streams)
                    .where(streams.c.side == side, streams.c.stream == stream)
                    .values(schema=text_)
                )
            else:
                connection.execute(
                    insert(streams).values(side=side, stream=stream, schema=text_, needed=False)
                )

    def schemas(self, side: Side) -> dict[str, dict[str, Any]]:
        """The JSON Schema of each stream of a side that was ever extracted."""
        with self._database.reading() as connection:
            return {
                row.stream: from_json(row.schema)
                for row in connection.execute(STREAMS)
                if row.side == side and row.schema is not None
            }

    def bodies(
        self, side: Side
    ) -> Iterator[list[tuple[str, dict[str, Any], dict[str, tuple[Any, str]]]]]:
        """Object, fields and phone texts of every record of a side, in chunks."""
        id_, created_at = IDENTITY[side]
        after = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    select(
                        records.c.row,
                        records.c.object,
                        records.c.id,
                        records.c.created_at,
                        observations.c.layout,
                        observations.c.body,
                        observations.c.numbers,
                    )
                    .join_from(records, observations, observations.c.row == records.c.row)
                    .where(records.c.side == side, records.c.row > after)
                    .order_by(records.c.row)
                    .limit(CHUNK)
                ).all()
            if not rows:
                return
            after = rows[-1].row
            yield [
                (
                    row.object,
                    {
                        id_: row.id,
                        created_at: row.created_at,
                        **self._layouts.fields(row.layout, row.body),
                    },
                    self._phones(row.layout, row.body, row.numbers),
                )
                for row in rows
            ]

    def extracted_without(self, side: Side, name: str, fields: Collection[str]) -> dict[str, int]:
        """How many records of an object are held without a field, by field.

        Args:
            side: The side that the records are of.
            name: Their object.
            fields: The fields that they should have; those that all have are left out.
        """
        counts: Counter[str] = Counter()
        with self._database.reading() as connection:
            for layout, number in connection.execute(
                select(observations.c.layout, func.count())
                .join(records, records.c.row == observations.c.row)
                .where(
                    records.c.side == side, records.c.object == name, records.c.deleted == false()
                )
                .group_by(observations.c.layout)
            ):
                held = self._layouts.fields_of(layout)
                counts.update({field: number for field in fields if field not in held})
        return dict(sorted(counts.items()))

    def reopen_all(self) -> None:
        """Plan every record again."""
        with self._database.transaction() as connection:
            connection.execute(update(records).values(settled=False, duplicate_of=None))
            # A contact's skip says why it was not created, under the settings of before.
            connection.execute(update(records).where(records.c.side == PHONEIQ).values(skip=None))
            connection.execute(delete(field_skips))


def _record(row: int, item: Observation, named_in: int | None) -> tuple[Any, ...]:
    return (
        row,
        item.object,
        item.name,
        None if item.email is None else text_key(item.email),
        *item[5:13],
        item.full_name,
        named_in if item.reference else None,
    )


def _is_reference(value: Any, reference: str | None) -> bool:
    """Whether a field's value is the reference that its record had."""
    return isinstance(value, str) and salesforce_id(value) == reference


def _shows(item: Observation, position: int, value: Any) -> bool:
    """Whether an observation's field has a value, given in canonical form."""
    number = item.numbers.get(position)
    shown = text(item.values[position]) if number is None else match_number(number)
    if isinstance(shown, str) and isinstance(value, str):
        return shown.casefold() == value.casefold()
    return bool(shown == value)
