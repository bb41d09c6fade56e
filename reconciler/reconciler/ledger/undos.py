"""What is taken back of what earlier runs wrote."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, and_, case, false, func, or_, select, update

from reconciler.ledger.database import Database
from reconciler.ledger.rows import CHUNK, from_json, to_json
from reconciler.ledger.sets import among, put_rows
from reconciler.ledger.tables import alias, pairs, records, undos, writes
from reconciler.model import PHONEIQ, UNSET, Action, Side, Undo


class Written(NamedTuple):
    """A write of a run that may be taken back.

    Attributes:
        write: Its number in the journal.
        side: The side that was written to.
        action: What happened to the record.
        row: The record that was written; None where it is not known, or was not seen yet.
        pair: The pair that this record is in now, or None.
        changes: [old, new, why] by field; empty for a create or a delete.
        shown: What the record showed before, by field, where that is not the canonical value; None
            where that is not known.
        is_open: Whether its side has not shown it yet.
        later: The fields that later writes have changed in either record of the pair.
        has_members: Whether other records belong to the written one.
    """

    write: int
    side: Side
    action: Action
    row: int | None
    pair: int | None
    changes: dict[str, list[Any]]
    shown: dict[str, Any] | None
    is_open: bool
    later: frozenset[str]
    has_members: bool


#: What another write has not taken the place of.
_STANDS: Final = or_(writes.c.confirmed_run.is_(None), writes.c.confirmed_run > 0)


class Undos:
    """What an operator takes back.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def written(self, run: int) -> Iterator[list[Written]]:
        """What a run wrote, but for what another write has taken the place of, in chunks."""
        source, target, member = (alias(records, name) for name in ("source", "target", "member"))
        created = and_(
            writes.c.action == "create",
            pairs.c.pair == source.c.pair,
            pairs.c.run >= writes.c.run,
        )
        across = case((writes.c.side == PHONEIQ, pairs.c.phoneiq_row), else_=pairs.c.salesforce_row)
        members = (
            select(member.c.row)
            .where(member.c.related == target.c.id, member.c.deleted == false())
            .exists()
        )
        after = 0
        while True:
            with self._database.reading() as connection:
                found = connection.execute(
                    select(
                        writes,
                        target.c.row.label("row"),
                        target.c.pair.label("pair"),
                        members.label("has_members"),
                    )
                    .select_from(writes)
                    .outerjoin(source, source.c.row == writes.c.source_row)
                    .outerjoin(pairs, created)
                    .outerjoin(target, target.c.row == func.coalesce(writes.c.target_row, across))
                    .where(
                        # What `resync` was typed for is history only, with a negative run.
                        writes.c.run.in_((run, -run)),
                        writes.c.write > after,
                        _STANDS,
                    )
                    .order_by(writes.c.write)
                    .limit(CHUNK)
                ).all()
                later = _later(connection, [row for row in found if row.action == "create"])
            if not found:
                return
            after = found[-1].write
            yield [
                Written(
                    row.write,
                    row.side,
                    row.action,
                    row.row,
                    row.pair,
                    from_json(row.changes) if row.changes else {},
                    from_json(row.shown) if row.shown else None,
                    row.confirmed_run is None,
                    frozenset(later.get(row.pair, ())),
                    row.has_members,
                )
                for row in found
            ]

    def of(self, rows: Collection[int]) -> dict[int, list[Undo]]:
        """What is taken back of what was written to some records, by their rows."""
        found: dict[int, list[Undo]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(select(undos).where(among(undos.c.row, rows))):
                values = (
                    UNSET if one is None else from_json(one)
                    for one in (row.given, row.old, row.shown, row.across)
                )
                found.setdefault(row.row, []).append(Undo(row.row, row.field, row.write, *values))
        return found

    def count(self) -> int:
        """How many fields and created records are to be taken back."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(undos)) or 0

    def put(self, given: Sequence[Undo]) -> None:
        """Take back from the next run on; the pairs are planned again."""
        with self._database.transaction() as connection:
            put_rows(
                connection,
                undos,
                [
                    {"row": one.row, "field": one.field, "write": one.write}
                    | {
                        name: None if value is UNSET else to_json(value)
                        for name, value in (
                            ("given", one.given),
                            ("old", one.old),
                            ("shown", one.shown),
                            ("across", one.across),
                        )
                    }
                    for one in given
                ],
            )
            rows = {one.row for one in given}
            numbers = select(records.c.pair).where(
                among(records.c.row, rows), records.c.pair.is_not(None)
            )
            connection.execute(
                update(records).where(records.c.pair.in_(numbers)).values(settled=False)
            )


def _later(connection: Connection, created: Sequence[Any]) -> dict[int, set[str]]:
    """By pair, the fields that were written in it after it was made."""
    since = {row.pair: row.write for row in created if row.pair is not None}
    found: dict[int, set[str]] = {}
    if not since:
        return found
    source = alias(records, "source")
    for row in connection.execute(
        select(source.c.pair, writes.c.write, writes.c.changes)
        .join(source, source.c.row == writes.c.source_row)
        .where(among(source.c.pair, since), writes.c.changes.is_not(None), _STANDS)
    ):
        if row.write > since[row.pair]:
            found.setdefault(row.pair, set()).update(from_json(row.changes))
    return found
