"""Taking things out of the ledger: a person's data, the pairs of a deleted sync, a revert."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, false, func, insert, or_, select, true, update

from reconciler.ledger.database import Database
from reconciler.ledger.observations import Layouts
from reconciler.ledger.rows import CHUNK, forgotten_hash, from_json
from reconciler.ledger.tables import (
    alias,
    approved,
    conflicts,
    field_skips,
    forgotten,
    made_from,
    observations,
    originals,
    pairs,
    phone_numbers,
    records,
    separated,
    undos,
    writes,
)
from reconciler.model import PHONEIQ, SALESFORCE, Side


class Contact(NamedTuple):
    """A PhoneIQ contact that a revert changes.

    Attributes:
        row: Its row.
        id: Its id.
        object: The object of its Salesforce record, as far as it is known.
        fields: Its fields as delivered.
        originals: What they held before the sync wrote them; empty for one that it created.
    """

    row: int
    id: str
    object: str
    fields: dict[str, Any]
    originals: dict[str, Any]


class Removals:
    """What the operator has taken out.

    Args:
        database: The open ledger database.
        layouts: The ledger's layouts.
    """

    def __init__(self, database: Database, layouts: Layouts) -> None:
        self._database = database
        self._layouts = layouts

    def forget_pairs(self) -> None:
        """Forget who is who; observations and the history of runs stay."""
        with self._database.transaction() as connection:
            for table in (
                pairs,
                separated,
                writes,
                made_from,
                field_skips,
                conflicts,
                originals,
                undos,
            ):
                connection.execute(delete(table))
            connection.execute(
                update(records).values(
                    pair=None,
                    settled=False,
                    duplicate_of=None,
                    released=False,
                    merged_away=False,
                    awaits=None,
                    creating=False,
                    made=False,
                )
            )

    def count_made(self) -> int:
        """PhoneIQ contacts that the sync created and that are still there."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).where(*_made())) or 0

    def count_contacts(self) -> int:
        """PhoneIQ contacts that are there."""
        with self._database.reading() as connection:
            return (
                connection.scalar(
                    select(func.count()).where(
                        records.c.side == PHONEIQ, records.c.deleted == false()
                    )
                )
                or 0
            )

    def made(self) -> Iterator[list[Contact]]:
        """The PhoneIQ contacts that the sync created and that are still there, in chunks."""
        return self._contacts(select(records.c.row).where(*_made()))

    def written(self) -> Iterator[list[Contact]]:
        """The contacts that were there before and that the sync wrote to, in chunks."""
        return self._contacts(
            select(records.c.row)
            .join(originals, originals.c.row == records.c.row)
            .where(
                records.c.side == PHONEIQ,
                records.c.deleted == false(),
                records.c.made == false(),
            )
        )

    def _contacts(self, rows: Any) -> Iterator[list[Contact]]:
        after = 0
        while True:
            with self._database.reading() as connection:
                found = connection.execute(
                    select(
                        records.c.row,
                        records.c.id,
                        records.c.object,
                        observations.c.layout,
                        observations.c.body,
                        originals.c.fields,
                    )
                    .join(observations, observations.c.row == records.c.row)
                    .outerjoin(originals, originals.c.row == records.c.row)
                    .where(records.c.row.in_(rows), records.c.row > after)
                    .order_by(records.c.row)
                    .limit(CHUNK)
                ).all()
            if not found:
                return
            after = found[-1].row
            yield [
                Contact(
                    row.row,
                    row.id,
                    row.object,
                    self._layouts.fields(row.layout, row.body),
                    from_json(row.fields) if row.fields else {},
                )
                for row in found
            ]

    def mark_made(self) -> None:
        """Note which contacts the sync created whose pairs were not planned since they appeared."""
        source, contact = alias(records, "source"), alias(records, "contact")
        appeared = (
            select(contact.c.row)
            .join_from(writes, source, source.c.row == writes.c.source_row)
            .join(contact, contact.c.reference == source.c.id)
            .where(
                writes.c.side == PHONEIQ,
                writes.c.action == "create",
                writes.c.confirmed_run.is_(None),
                contact.c.side == PHONEIQ,
                or_(contact.c.pair.is_(None), contact.c.pair == source.c.pair),
            )
        )
        with self._database.transaction() as connection:
            connection.execute(update(records).where(records.c.row.in_(appeared)).values(made=True))

    def same_person(self, rows: Sequence[int]) -> list[tuple[int, Side, str]]:
        """All records of the person that some rows are of: (row, side, id).

        Those are a row's other half, what it was merged or converted into, what was merged or
        converted into it, and whatever names it.
        """
        itself, found = alias(records, "itself"), alias(records, "found")
        linked = [
            found.c.pair == itself.c.pair,
            and_(found.c.side == SALESFORCE, found.c.id == itself.c.successor),
            found.c.successor == itself.c.id,
            and_(found.c.side != itself.c.side, found.c.id == itself.c.reference),
            and_(found.c.side != itself.c.side, found.c.reference == itself.c.id),
        ]
        known: set[int] = set()
        new = set(rows)
        with self._database.reading() as connection:
            while new:
                known |= new
                new = {
                    row
                    for link in linked
                    for row in connection.scalars(
                        select(found.c.row)
                        .join_from(itself, found, link)
                        .where(itself.c.row.in_(new))
                    )
                } - known
            return [
                (row.row, row.side, row.id)
                for row in connection.execute(
                    select(records.c.row, records.c.side, records.c.id)
                    .where(records.c.row.in_(known))
                    .order_by(records.c.row)
                )
            ]

    def forget(self, person: Sequence[tuple[int, Side, str]]) -> None:
        """Remove all data of records; keep hashes that name none of them.

        Nothing of it is left in the file either, or in what the database keeps beside it.

        Args:
            person: Row, side and id of each record.
        """
        rows = [row for row, _, _ in person]
        hashes = [forgotten_hash(self._database.salt, side, id_) for _, side, id_ in person]
        with self._database.transaction() as connection:
            numbers = select(pairs.c.pair).where(
                or_(pairs.c.salesforce_row.in_(rows), pairs.c.phoneiq_row.in_(rows))
            )
            connection.execute(delete(conflicts).where(conflicts.c.pair.in_(numbers)))
            connection.execute(delete(pairs).where(pairs.c.pair.in_(numbers)))
            connection.execute(delete(forgotten).where(forgotten.c.hash.in_(hashes)))
            connection.execute(insert(forgotten), [{"hash": one} for one in hashes])
            connection.execute(delete(approved))
            self._delete_rows(connection, rows)
        self._database.shred()

    @staticmethod
    def _delete_rows(connection: Connection, rows: list[int]) -> None:
        numbers = select(writes.c.write).where(writes.c.source_row.in_(rows))
        connection.execute(delete(made_from).where(made_from.c.write.in_(numbers)))
        for column in (
            writes.c.source_row,
            field_skips.c.source_row,
            originals.c.row,
            undos.c.row,
            phone_numbers.c.row,
            observations.c.row,
            separated.c.salesforce_row,
            separated.c.phoneiq_row,
            records.c.row,
        ):
            connection.execute(delete(column.table).where(column.in_(rows)))
        connection.execute(
            update(records)
            .where(records.c.duplicate_of.in_(rows))
            .values(duplicate_of=None, settled=False)
        )

    def take_up(self, row: int, run: int) -> None:
        """Plan a record again that was released, flaps, or whose writes were not accepted.

        Args:
            row: Its row.
            run: The newest run; what was sent up to it does not count as flapping any more.
        """
        with self._database.transaction() as connection:
            pair = connection.scalar(select(records.c.pair).where(records.c.row == row))
            which = records.c.row == row if pair is None else records.c.pair == pair
            rows = select(records.c.row).where(which)
            connection.execute(
                delete(field_skips).where(
                    field_skips.c.source_row.in_(rows),
                    field_skips.c.reason.in_(("flapping", "not_accepted")),
                )
            )
            connection.execute(
                update(writes)
                .where(
                    writes.c.source_row.in_(rows),
                    writes.c.confirmed_run.is_not(None),
                    writes.c.run.between(1, run),
                )
                # A negative run is history only.
                .values(run=-writes.c.run)
            )
            connection.execute(
                update(writes)
                .where(writes.c.source_row.in_(rows), writes.c.confirmed_run.is_(None))
                .values(tries=0, refused=0)
            )
            connection.execute(
                update(records)
                .where(which)
                .values(
                    settled=False,
                    released=False,
                    merged_away=False,
                    awaits=None,
                    duplicate_of=None,
                )
            )


def _made() -> tuple[Any, ...]:
    return (
        records.c.side == PHONEIQ,
        records.c.made == true(),
        records.c.deleted == false(),
    )
