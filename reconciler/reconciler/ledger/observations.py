"""Observations: what each side showed last."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

from reconciler.ledger.database import Database, repeatable
from reconciler.ledger.rows import (
    CHUNK,
    baseline_from_json,
    forgotten_hash,
    from_json,
    parts,
    reopen_sharers,
    set_records,
    to_json,
)
from reconciler.ledger.tables import (
    counters,
    field_skips,
    forgotten,
    layouts,
    made_from,
    observations,
    phone_numbers,
    records,
    streams,
    writes,
)
from reconciler.mapping.ids import object_of
from reconciler.mapping.values import text
from reconciler.merging import UNSET
from reconciler.model import PHONEIQ, SALESFORCE, Observation, Side, other

_ADD: Final = sql(
    "INSERT INTO layouts (layout, digest, fields) VALUES (:layout, :digest, :fields) "
    "ON CONFLICT (digest) DO NOTHING"
)


class Layouts:
    """The sets of fields that records were delivered with.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._numbers: dict[tuple[str, ...], int] = {}
        self._fields: dict[int, tuple[str, ...]] = {}
        self._read()

    def learn(self, fields: Iterable[tuple[str, ...]]) -> None:
        """Store the layouts that are new, in a transaction of its own: other workers may too."""
        new = [one for one in dict.fromkeys(fields) if one not in self._numbers]
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
        return self._fields[layout]

    def fields(self, layout: int, body: str) -> dict[str, Any]:
        """Value by field of a stored observation."""
        return dict(zip(self.fields_of(layout), from_json(body), strict=True))

    def _read(self) -> None:
        with self._database.reading() as connection:
            for layout, text_ in connection.execute(select(layouts.c.layout, layouts.c.fields)):
                fields = tuple(from_json(text_))
                self._numbers[fields] = layout
                self._fields[layout] = fields

    def baseline(self, layout: int | None, body: str | None) -> dict[str, Any]:
        """By mapping key, the canonical values of a stored baseline on which the sides agreed."""
        if layout is None or body is None:
            return {}
        values = zip(self.fields_of(layout), baseline_from_json(body), strict=True)
        return {key: value for key, value in values if value is not UNSET}


def _named(fields: tuple[str, ...]) -> dict[str, str]:
    """The fields as they are stored, and what they are found by: an index holds no long texts."""
    text_ = to_json(fields)
    return {"fields": text_, "digest": hashlib.sha256(text_.encode()).hexdigest()}


class _Known(NamedTuple):
    """What the ledger holds of a record that is observed again."""

    row: int
    layout: int
    body: str
    numbers: str
    skip: str | None
    deleted: bool
    reference: str | None
    released: bool
    awaits: str | None
    stamp: str


class Observations:
    """The observations of both sides.

    Args:
        database: The open ledger database.
        layouts: The ledger's layouts.
    """

    def __init__(self, database: Database, layouts: Layouts) -> None:
        self._database = database
        self._layouts = layouts
        with database.reading() as connection:
            self._forgotten = frozenset(connection.scalars(select(forgotten.c.hash)))

    @repeatable
    def store(self, seen: Sequence[Observation], run: int) -> int:
        """Commit observations of one side; what did not change is left as it is.

        Args:
            seen: Observations in the order of their arrival; a later one of a record wins.
            run: The run that observed them.

        Returns:
            How many are new or changed.
        """
        newest = {item.id: item for item in seen if not self._is_forgotten(item)}
        if not newest:
            return 0
        side = seen[0].side
        self._layouts.learn(tuple(item.fields) for item in newest.values())
        # Nobody else stores these records: the stream is this run's.
        with self._database.reading() as connection:
            known = self._known(connection, side, list(newest))
        new = len(newest) - len(known)
        next_row = self._database.take_numbers("row", new) if new else 0
        with self._database.transaction() as connection:
            fresh: list[tuple[int, Observation]] = []
            changed: list[tuple[int, Observation]] = []
            numbers_changed: list[tuple[int, Observation]] = []
            released: set[int] = set()
            touched: list[dict[str, Any]] = []
            for item in newest.values():
                before = known.get(item.id)
                if before is None:
                    fresh.append((next_row, item))
                    next_row += 1
                    continue
                if not item.stamp:
                    # It was read again from the ledger, which keeps the stamp by itself.
                    item = item._replace(stamp=before.stamp)  # noqa: PLW2901
                layout, body, numbers = self._content(item)
                own = (item.skip, item.deleted, item.reference)
                if (layout, body, numbers, *own) == (
                    before.layout,
                    before.body,
                    before.numbers,
                    before.skip,
                    before.deleted,
                    before.reference,
                ):
                    if item.stamp != before.stamp:
                        touched.append({"at": before.row, "new": item.stamp})
                    continue
                changed.append((before.row, item))
                if before.released and not self._is_edited(before, item):
                    released.add(before.row)
                if (numbers, item.deleted, item.skip) != (
                    before.numbers,
                    before.deleted,
                    before.skip,
                ):
                    numbers_changed.append((before.row, item))
            self._insert(connection, fresh, run)
            self._keep_sources(connection, [row for row, _ in changed])
            self._update(connection, changed, released, run)
            self._change_numbers(connection, numbers_changed)
            self._reopen_members(connection, [item.id for _, item in fresh + changed])
            if touched:
                connection.execute(
                    update(records)
                    .where(records.c.row == bindparam("at"))
                    .values(stamp=bindparam("new")),
                    touched,
                )
            return len(fresh) + len(changed)

    def _is_forgotten(self, item: Observation) -> bool:
        """Whether a record, or the one that it names across, was forgotten on request."""
        if not self._forgotten:
            return False
        named = [(item.side, item.id)]
        if item.reference:
            named.append((other(item.side), item.reference))
        return any(forgotten_hash(self._database.salt, *one) in self._forgotten for one in named)

    def _known(self, connection: Connection, side: Side, ids: list[str]) -> dict[str, _Known]:
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
                records.c.released,
                records.c.awaits,
                records.c.stamp,
            )
            .join_from(records, observations, observations.c.row == records.c.row)
            .where(records.c.side == side)
        )
        return {
            row[0]: _Known(*row[1:])
            for part in parts(ids)
            for row in connection.execute(statement.where(records.c.id.in_(part)))
        }

    def _content(self, item: Observation) -> tuple[int, str, str]:
        """Layout, body and numbers as they are stored."""
        return (
            self._layouts.number(tuple(item.fields)),
            to_json(list(item.fields.values())),
            to_json(item.numbers),
        )

    def _is_edited(self, before: _Known, item: Observation) -> bool:
        """Whether someone changed a field.

        A field that is extracted for the first time did not change, and a value that the sync
        itself had sent did not come from someone.
        """
        held = self._layouts.fields(before.layout, before.body)
        awaited = from_json(before.awaits) if before.awaits else {}
        return any(
            item.fields[field] != value
            and not (field in awaited and _shows(item, field, awaited[field]))
            for field, value in held.items()
            if field in item.fields
        )

    def _insert(
        self, connection: Connection, fresh: list[tuple[int, Observation]], run: int
    ) -> None:
        if not fresh:
            return
        connection.execute(insert(records), [_record(row, item) for row, item in fresh])
        connection.execute(
            insert(observations),
            [
                dict(
                    zip(
                        ("layout", "body", "numbers", "row", "run"),
                        (*self._content(item), row, run),
                        strict=True,
                    )
                )
                for row, item in fresh
            ],
        )
        self._insert_numbers(connection, fresh)

    @staticmethod
    def _keep_sources(connection: Connection, rows: list[int]) -> None:
        """Keep what open creates were made from, before their sources change."""
        for part in parts(rows):
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
                        writes.c.source_row.in_(part),
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
        run: int,
    ) -> None:
        if not changed:
            return
        kept = {"row", "side", "id", "creating", "made"}
        names = [name for name in _record(*changed[0]) if name not in kept]
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
                dict(
                    zip(
                        ("new_layout", "new_body", "new_numbers", "at"),
                        (*self._content(item), row),
                        strict=True,
                    )
                )
                for row, item in changed
            ],
        )
        set_records(connection, sorted(released), released=True, settled=True)

    @staticmethod
    def _reopen_members(connection: Connection, accounts: list[str]) -> None:
        """Open the records that belong to changed Accounts, whose names they may carry."""
        for part in parts([one for one in accounts if object_of(one) == "Account"]):
            connection.execute(
                update(records).where(records.c.related.in_(part)).values(settled=False)
            )

    def _change_numbers(
        self, connection: Connection, changed: list[tuple[int, Observation]]
    ) -> None:
        """Replace numbers; whoever shared an old one may now take its place."""
        if not changed:
            return
        rows = [row for row, _ in changed]
        reopen_sharers(connection, rows)
        for part in parts(rows):
            mine = phone_numbers.c.row.in_(part)
            creating = phone_numbers.c.row.in_(
                select(records.c.row).where(records.c.row.in_(part), records.c.creating == true())
            )
            connection.execute(update(phone_numbers).where(creating).values(stale=True))
            connection.execute(delete(phone_numbers).where(mine, phone_numbers.c.stale == false()))
        still = [
            {"at": row, "has": number} for row, item in changed for number in item.match_numbers
        ]
        if still:
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
        numbers = [
            {"number": number, "row": row, "stale": False}
            for row, item in items
            for number in item.match_numbers
        ]
        if numbers:
            connection.execute(insert(phone_numbers), numbers)

    def store_schema(self, side: Side, stream: str, schema: Mapping[str, Any]) -> None:
        """Keep the JSON Schema of a side's stream."""
        with self._database.transaction() as connection:
            known = connection.execute(
                update(streams)
                .where(streams.c.side == side, streams.c.stream == stream)
                .values(schema=to_json(schema))
            )
            if not known.rowcount:
                connection.execute(
                    insert(streams).values(
                        side=side, stream=stream, schema=to_json(schema), needed=False
                    )
                )

    def schemas(self, side: Side) -> dict[str, dict[str, Any]]:
        """The JSON Schema of each stream of a side that was ever extracted."""
        with self._database.reading() as connection:
            return {
                row.stream: from_json(row.schema)
                for row in connection.execute(
                    select(streams).where(streams.c.side == side, streams.c.schema.is_not(None))
                )
            }

    def bodies(self, side: Side) -> Iterator[list[tuple[str, dict[str, Any]]]]:
        """Object and fields of every record of a side, in chunks."""
        after = 0
        while True:
            with self._database.reading() as connection:
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
            yield [(row.object, self._layouts.fields(row.layout, row.body)) for row in rows]

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


def _record(row: int, item: Observation) -> dict[str, Any]:
    return {
        "row": row,
        "side": item.side,
        "id": item.id,
        "object": item.object,
        "name": item.name,
        "email": item.email,
        "reference": item.reference,
        "successor": item.successor,
        "related": item.related,
        "created_at": item.created_at,
        "stamp": item.stamp,
        "deleted": item.deleted,
        "skip": item.skip,
        "duplicate_of": None,
        "released": False,
        "creating": False,
        "made": False,
        "settled": False,
    }


def _shows(item: Observation, field: str, value: Any) -> bool:
    """Whether an observation's field has a value, given in canonical form."""
    shown = item.numbers.get(field, text(item.fields[field]))
    if isinstance(shown, str) and isinstance(value, str):
        return shown.casefold() == value.casefold()
    return bool(shown == value)
