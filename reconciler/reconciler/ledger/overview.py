"""What people ask of the ledger: counts, lists, and all that is known of one record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Select, case, false, func, literal, select, true, union_all

from reconciler.fields.canonical import known
from reconciler.fields.defaults import IDENTITY
from reconciler.fields.ids import salesforce_id
from reconciler.ledger.database import Database
from reconciler.ledger.observations import Layouts
from reconciler.ledger.pairs import names_differ
from reconciler.ledger.rows import from_json, text_key
from reconciler.ledger.tables import (
    alias,
    conflicts,
    field_skips,
    observations,
    pairs,
    phone_numbers,
    records,
    runs,
    streams,
    writes,
)
from reconciler.model import SALESFORCE, SIDES, UNSET, Side


class SkipRow(NamedTuple):
    """A record, or one field of it, that takes no part.

    Attributes:
        side: The record's side.
        object: Its object.
        id: Its id.
        reason: Why.
        field: The field that is left out on the other side, or None for the whole record.
        holder: For a duplicate, the id of the record that holds the number.
    """

    side: Side
    object: str
    id: str
    reason: str
    field: str | None
    holder: str | None


class ConflictRow(NamedTuple):
    """A conflict and how it was resolved.

    Attributes:
        run: The run that resolved it.
        at: When that run started.
        field: The mapping.
        resolution: The rule.
        salesforce_id: The pair's Salesforce record, or None where the pair is gone.
        phoneiq_id: The pair's contact, likewise.
        salesforce: Salesforce's value.
        phoneiq: PhoneIQ's value.
    """

    run: int
    at: str
    field: str
    resolution: str
    salesforce_id: str | None
    phoneiq_id: str | None
    salesforce: Any
    phoneiq: Any


class PairRow(NamedTuple):
    """A pair.

    Attributes:
        object: The Salesforce record's object.
        salesforce_id: The Salesforce record.
        phoneiq_id: The contact.
        found_by: How it was found.
        run: The run that made it.
        salesforce_name: The Salesforce record's name; None where names were not asked for.
        phoneiq_name: The contact's, likewise.
    """

    object: str
    salesforce_id: str
    phoneiq_id: str
    found_by: str
    run: int
    salesforce_name: str | None
    phoneiq_name: str | None


class Sent(NamedTuple):
    """A write that was sent.

    Attributes:
        run: The run that sent it last.
        at: When that run started.
        side: The side that was written to.
        action: What was to happen.
        changes: [old, new, why] by field; empty for a create or a delete.
        tries: How often it was sent.
        confirmed_run: The run that saw it arrive, 0 where another took its place, None where it
            is open.
    """

    run: int
    at: str
    side: Side
    action: str
    changes: dict[str, list[Any]]
    tries: int
    confirmed_run: int | None


class Dossier(NamedTuple):
    """All that the ledger knows of one record.

    Attributes:
        row: Its row.
        side: Its side.
        object: Its object.
        id: Its id.
        fields: Value by field as delivered.
        numbers: Canonical number by phone field.
        observed_run: The run that saw its last change.
        deleted: Whether it is a tombstone.
        released: Whether it is not created again, after a deletion.
        merged_away: Whether that is so since its record was merged into another.
        skip: Why it takes no part, or None.
        holder: The id of the record that holds its number, or None.
        field_skips: Reason by field that it does not fill on the other side; the field is blank
            for a whole create or delete.
        sent: The writes that were made from it, newest first.
        pair: Its pair's number, or None.
    """

    row: int
    side: Side
    object: str
    id: str
    fields: dict[str, Any]
    numbers: dict[str, str]
    observed_run: int
    deleted: bool
    released: bool
    merged_away: bool
    skip: str | None
    holder: str | None
    field_skips: dict[str, str]
    sent: list[Sent]
    pair: int | None


class PairDossier(NamedTuple):
    """All that the ledger knows of one pair.

    Attributes:
        pair: Its number.
        why: How it was found.
        run: The run that made it.
        baseline: Canonical value by mapping key.
        salesforce_row: Its Salesforce record's row.
        phoneiq_row: Its contact's row.
    """

    pair: int
    why: str
    run: int
    baseline: dict[str, Any]
    salesforce_row: int
    phoneiq_row: int


class Overview:
    """Answers, without changing anything.

    Args:
        database: The open ledger database.
        layouts: The ledger's layouts.
    """

    def __init__(self, database: Database, layouts: Layouts) -> None:
        self._database = database
        self._layouts = layouts

    # --- counts -----------------------------------------------------------------------------

    def pairs_by_object(self) -> dict[str, int]:
        """How many pairs there are, by Salesforce object."""
        with self._database.reading() as connection:
            return {
                row.object: row.number
                for row in connection.execute(
                    select(records.c.object, func.count().label("number"))
                    .where(records.c.side == SALESFORCE, records.c.pair.is_not(None))
                    .group_by(records.c.object)
                    .order_by(records.c.object)
                )
            }

    def open_writes(self, tries: int = 1) -> int:
        """Writes that were sent so often or more and are not seen to arrive."""
        return self._count(
            select(func.count())
            .select_from(writes)
            .where(writes.c.confirmed_run.is_(None), writes.c.tries >= tries)
        )

    def writes(self) -> int:
        """Writes that were ever sent."""
        return self._count(select(func.count()).select_from(writes))

    def parked_writes(self) -> int:
        """Writes that their side did not accept, and that are not sent again for now."""
        return self._count(
            select(func.count(field_skips.c.source_row.distinct())).where(
                field_skips.c.reason == "not_accepted"
            )
        )

    def conflicts_since(self, run: int) -> int:
        """Conflicts that were resolved by a run or later ones."""
        return self._count(
            select(func.count()).select_from(conflicts).where(conflicts.c.run >= run)
        )

    def read_at(self) -> dict[Side, str]:
        """By side, when it was last read completely: the oldest of its needed streams."""
        with self._database.reading() as connection:
            times: dict[Side, list[str | None]] = {}
            for row in connection.execute(
                select(streams.c.side, runs.c.finished_at, runs.c.started_at)
                .outerjoin(runs, runs.c.run == streams.c.complete_run)
                .where(streams.c.needed == true())
            ):
                times.setdefault(row.side, []).append(row.finished_at or row.started_at)
        return {
            side: min(found)
            for side, moments in times.items()
            if len(found := [moment for moment in moments if moment]) == len(moments)
        }

    def _count(self, statement: Select[Any]) -> int:
        with self._database.reading() as connection:
            return connection.scalar(statement) or 0

    # --- lists ------------------------------------------------------------------------------

    def skips(self, *, side: Side | None = None, reason: str | None = None) -> Iterator[SkipRow]:
        """What takes no part now, record by record."""
        holder = alias(records, "holder")
        whole = select(
            records.c.side,
            records.c.object,
            records.c.id,
            records.c.skip.label("reason"),
            literal(None).label("field"),
            literal(None).label("holder"),
        ).where(records.c.skip.is_not(None), records.c.missing == false())
        missing = select(
            records.c.side,
            records.c.object,
            records.c.id,
            literal("missing"),
            literal(None),
            literal(None),
        ).where(records.c.missing == true())
        released = select(
            records.c.side,
            records.c.object,
            records.c.id,
            case((records.c.merged_away == true(), "merged_away"), else_="released"),
            literal(None),
            literal(None),
        ).where(records.c.released == true(), records.c.deleted == false())
        duplicates = (
            select(
                records.c.side,
                records.c.object,
                records.c.id,
                literal("duplicate_phone"),
                literal(None),
                holder.c.id,
            )
            .join(holder, holder.c.row == records.c.duplicate_of)
            .where(records.c.duplicate_of.is_not(None), records.c.skip.is_(None))
        )
        fields = select(
            records.c.side,
            records.c.object,
            records.c.id,
            field_skips.c.reason,
            func.nullif(field_skips.c.field, ""),
            literal(None),
        ).join(field_skips, field_skips.c.source_row == records.c.row)
        everything = union_all(whole, missing, released, duplicates, fields).subquery()
        statement = select(everything).order_by(
            everything.c.reason, everything.c.side, everything.c.id
        )
        if side is not None:
            statement = statement.where(everything.c.side == side)
        if reason is not None:
            statement = statement.where(everything.c.reason == reason)
        with self._database.reading() as connection:
            for row in connection.execute(statement):
                yield SkipRow(*row)

    def conflicts(self, *, resolution: str | None = None) -> Iterator[ConflictRow]:
        """Conflicts, newest first."""
        one, two = alias(records, "one"), alias(records, "two")
        statement = (
            select(
                conflicts.c.run,
                runs.c.started_at,
                conflicts.c.field,
                conflicts.c.resolution,
                one.c.id,
                two.c.id,
                conflicts.c.salesforce,
                conflicts.c.phoneiq,
            )
            .join(runs, runs.c.run == conflicts.c.run)
            .outerjoin(pairs, pairs.c.pair == conflicts.c.pair)
            .outerjoin(one, one.c.row == pairs.c.salesforce_row)
            .outerjoin(two, two.c.row == pairs.c.phoneiq_row)
            .order_by(conflicts.c.conflict.desc())
        )
        if resolution is not None:
            statement = statement.where(conflicts.c.resolution == resolution)
        with self._database.reading() as connection:
            for row in connection.execute(statement):
                run, at, field, resolution, record, contact, salesforce, phoneiq = row
                yield ConflictRow(
                    run,
                    at,
                    field,
                    resolution,
                    record,
                    contact,
                    known(from_json(salesforce)),
                    known(from_json(phoneiq)),
                )

    def pairs(self, *, name_mismatch: bool = False) -> Iterator[PairRow]:
        """The pairs, oldest first.

        Args:
            name_mismatch: Only those whose records have different full names now, with the names.
        """
        one, two = alias(records, "one"), alias(records, "two")
        statement = (
            select(one.c.object, one.c.id, two.c.id, pairs.c.why, pairs.c.run)
            .select_from(pairs)
            .join(one, one.c.row == pairs.c.salesforce_row)
            .join(two, two.c.row == pairs.c.phoneiq_row)
            .order_by(pairs.c.pair)
        )
        if name_mismatch:
            shown = [alias(observations, name) for name in ("shown_one", "shown_two")]
            for record, seen in zip((one, two), shown, strict=True):
                statement = statement.join(seen, seen.c.row == record.c.row).add_columns(
                    seen.c.layout, seen.c.body
                )
            statement = statement.where(names_differ(one, two))
        with self._database.reading() as connection:
            for object_, record, contact, why, run, *stored in connection.execute(statement):
                names: tuple[str | None, str | None] = (None, None)
                if name_mismatch:
                    salesforce = self._layouts.fields(*stored[:2])
                    phoneiq = self._layouts.fields(*stored[2:])
                    names = (
                        _full_name(salesforce, "FirstName", "LastName"),
                        _full_name(phoneiq, "first_name", "last_name"),
                    )
                yield PairRow(object_, record, contact, why, run, *names)

    # --- one record -------------------------------------------------------------------------

    def find(
        self, *, ids: list[str], numbers: list[str], email: str | None, limit: int = 20
    ) -> list[int]:
        """The rows of the records with one of some ids or numbers, or an e-mail address."""
        queries = [select(records.c.row).where(records.c.side.in_(SIDES), records.c.id.in_(ids))]
        if numbers:
            queries.append(select(phone_numbers.c.row).where(phone_numbers.c.number.in_(numbers)))
        if email is not None:
            queries.append(select(records.c.row).where(records.c.email == text_key(email)))
        found: dict[int, None] = {}
        with self._database.reading() as connection:
            for query in queries:
                found |= dict.fromkeys(connection.scalars(query.limit(limit)))
        return list(found)

    def delivered(self, side: Side, object_: str) -> frozenset[str] | None:
        """The fields that the newest record of an object came with, or None without any."""
        with self._database.reading() as connection:
            found = connection.execute(
                select(observations.c.layout, observations.c.body)
                .join(records, records.c.row == observations.c.row)
                .where(
                    records.c.side == side,
                    records.c.object == object_,
                    records.c.deleted == false(),
                )
                .order_by(records.c.row.desc())
                .limit(1)
            ).one_or_none()
        if found is None:
            return None
        return frozenset((*IDENTITY[side], *self._layouts.fields(*found)))

    def dossier(self, row: int) -> Dossier:
        """All that is known of the record in a row."""
        holder = alias(records, "holder")
        with self._database.reading() as connection:
            record = connection.execute(
                select(
                    records,
                    observations.c.layout,
                    observations.c.body,
                    observations.c.numbers,
                    observations.c.run,
                    holder.c.id.label("holder"),
                )
                .join(observations, observations.c.row == records.c.row)
                .outerjoin(holder, holder.c.row == records.c.duplicate_of)
                .where(records.c.row == row)
            ).one()
            skips = {
                skip.field: skip.reason
                for skip in connection.execute(
                    select(field_skips).where(field_skips.c.source_row == row)
                )
            }
            sent = [
                Sent(
                    abs(write.run),
                    write.started_at,
                    write.side,
                    write.action,
                    from_json(write.changes) if write.changes else {},
                    write.tries,
                    write.confirmed_run,
                )
                for write in connection.execute(
                    select(writes, runs.c.started_at)
                    .join(runs, runs.c.run == func.abs(writes.c.run))
                    .where(writes.c.source_row == row)
                    .order_by(writes.c.write.desc())
                    .limit(100)
                )
            ]
        return Dossier(
            row,
            record.side,
            record.object,
            record.id,
            self._layouts.fields(record.layout, record.body),
            self._layouts.numbers(record.layout, record.numbers),
            record.run,
            record.deleted,
            record.released,
            record.merged_away,
            "missing" if record.missing else record.skip,
            record.holder,
            skips,
            sent,
            record.pair,
        )

    def field_of(self, id_: str, field: str) -> Any:
        """What a Salesforce record came with in a field; `UNSET` where it did not come with it."""
        with self._database.reading() as connection:
            found = connection.execute(
                select(observations.c.layout, observations.c.body)
                .join(records, records.c.row == observations.c.row)
                .where(records.c.side == SALESFORCE, records.c.id == salesforce_id(id_))
            ).one_or_none()
        return UNSET if found is None else self._layouts.fields(*found).get(field, UNSET)

    def pair(self, number: int) -> PairDossier:
        """All that is known of a pair."""
        with self._database.reading() as connection:
            row = connection.execute(select(pairs).where(pairs.c.pair == number)).one()
        return PairDossier(
            row.pair,
            row.why,
            row.run,
            self._layouts.baseline(row.layout, row.baseline),
            row.salesforce_row,
            row.phoneiq_row,
        )


def _full_name(fields: Mapping[str, Any], first: str, last: str) -> str:
    return " ".join(str(fields[name]) for name in (first, last) if fields.get(name))
