"""Pairing, in sets: successors, references and shared numbers."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)

from reconciler.eligibility import UNPAIRABLE
from reconciler.ledger.database import Database
from reconciler.ledger.rows import (
    CHUNK,
    dissolve,
    from_json,
    is_paired,
    parts,
    set_records,
    to_json,
)
from reconciler.ledger.tables import (
    layouts,
    observations,
    pairs,
    phone_numbers,
    records,
    waiting,
    writes,
)
from reconciler.mapping.values import text
from reconciler.model import PHONEIQ, SALESFORCE, Side
from reconciler.pairing import Candidate


class Pairs:
    """The pairs, and the records that may become one.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def follow_successors(self, renamed: Callable[[str, str], Mapping[str, str]]) -> None:
        """Move pairs of merged and converted records to the record that took their place.

        Args:
            renamed: For two objects, the mapping key of the second by that of the first, where
                both map the same PhoneIQ field.
        """
        gone = records.alias("gone")
        heir = records.alias("heir")
        itself = records.alias("itself")
        # A Person Account stands for its shadow Contact where that is not extracted.
        behind_shadow = and_(
            heir.c.object == "PersonAccount",
            heir.c.related == gone.c.successor,
            ~exists().where(itself.c.side == SALESFORCE, itself.c.id == gone.c.successor),
        )
        found = union_all(
            *(
                select(
                    gone.c.row.label("gone"),
                    gone.c.pair,
                    gone.c.object,
                    heir.c.row.label("heir"),
                    heir.c.pair.label("held"),
                    heir.c.object.label("becomes"),
                )
                .join_from(gone, heir, and_(heir.c.side == SALESFORCE, is_heir))
                .where(
                    gone.c.side == SALESFORCE,
                    gone.c.successor.is_not(None),
                    gone.c.pair.is_not(None),
                    heir.c.row != gone.c.row,
                )
                for is_heir in (heir.c.id == gone.c.successor, behind_shadow)
            )
        ).order_by("gone")
        with self._database.transaction() as connection:
            # A merged record may itself have been merged: at most as many steps as merges.
            while moves := connection.execute(found).all():
                for move in moves:
                    if move.held is None and not is_paired(connection, move.heir):
                        connection.execute(
                            update(pairs)
                            .where(pairs.c.pair == move.pair)
                            .values(salesforce_row=move.heir)
                        )
                        keys = renamed(move.object, move.becomes)
                        _adopt(connection, move.pair, move.heir, keys)
                        set_records(connection, [move.gone], pair=None, settled=True)
                        set_records(
                            connection,
                            [move.heir],
                            pair=move.pair,
                            settled=False,
                            released=False,
                            duplicate_of=None,
                        )
                    else:
                        # Both were paired: the heir keeps its contact, the other is left alone.
                        dissolve(connection, move.pair, released=True)

    def by_reference(self, run: int) -> int:
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
            # A create that is under way has its pair waiting, even where its source is gone.
            or_(salesforce.c.deleted == false(), salesforce.c.creating == true()),
            or_(phoneiq.c.deleted == false(), phoneiq.c.creating == true()),
            or_(salesforce.c.skip.is_(None), salesforce.c.skip.not_in(sorted(UNPAIRABLE))),
        )
        named_by_phoneiq = phoneiq.c.reference == salesforce.c.id
        shadow_named_by_phoneiq = and_(
            salesforce.c.object == "PersonAccount", phoneiq.c.reference == salesforce.c.related
        )
        named_by_salesforce = salesforce.c.reference == phoneiq.c.id
        made = 0
        with self._database.transaction() as connection:
            for names in (named_by_phoneiq, shadow_named_by_phoneiq, named_by_salesforce):
                # Driven from what is open, so that the cost follows the changes.
                for opened in (phoneiq, salesforce):
                    key, chosen = (
                        (phoneiq.c.row, salesforce.c.row)
                        if names is named_by_salesforce
                        else (salesforce.c.row, phoneiq.c.row)
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
        with self._database.transaction() as connection:
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
        parent = array("q", range(1 + self._last_row()))

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
        with self._database.reading() as connection:
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
        with self._database.reading() as connection:
            for part in parts(rows):
                for number, row in connection.execute(
                    select(phone_numbers.c.number, phone_numbers.c.row).where(
                        phone_numbers.c.row.in_(part)
                    )
                ):
                    numbers.setdefault(row, []).append(number)
                candidates.extend(
                    Candidate(
                        record.row,
                        record.side,
                        record.object,
                        record.id,
                        record.name,
                        record.created_at,
                        not record.deleted and (record.skip is None or record.side == PHONEIQ),
                        tuple(numbers[record.row]),
                        record.seen,
                        record.sent if record.creating else None,
                    )
                    for record in connection.execute(
                        select(
                            records.c.row,
                            records.c.side,
                            records.c.object,
                            records.c.id,
                            records.c.name,
                            records.c.created_at,
                            records.c.skip,
                            records.c.deleted,
                            records.c.creating,
                            observations.c.run.label("seen"),
                            writes.c.run.label("sent"),
                        )
                        .join(observations, observations.c.row == records.c.row)
                        .outerjoin(
                            writes,
                            and_(
                                writes.c.source_row == records.c.row,
                                writes.c.action == "create",
                                writes.c.confirmed_run.is_(None),
                            ),
                        )
                        .where(records.c.row.in_(part))
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

    def store(
        self, made: Sequence[tuple[int, int]], duplicates: Mapping[int, int], run: int
    ) -> None:
        """Commit the pairs made by phone, and whose number is taken by whom."""
        with self._database.transaction() as connection:
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
            insert(pairs).from_select(["salesforce_row", "phoneiq_row", "why", "run"], found),
            execution_options={"preserve_rowcount": True},
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

    def are_waiting(self) -> bool:
        """Whether the end of a pair has opened records since the last pairing."""
        with self._database.reading() as connection:
            return connection.scalar(select(waiting.c.row).limit(1)) is not None

    def end_waiting(self) -> None:
        """Note that pairing has decided about all records that the end of a pair had opened."""
        with self._database.transaction() as connection:
            connection.execute(delete(waiting))

    def count(self) -> int:
        """How many pairs there are."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(pairs)) or 0

    def count_halved(self) -> int:
        """How many open pairs have exactly one deleted record."""
        one, two = records.alias("one"), records.alias("two")
        with self._database.reading() as connection:
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

    def _last_row(self) -> int:
        with self._database.reading() as connection:
            return connection.scalar(select(func.max(records.c.row))) or 0


def _adopt(connection: Connection, pair: int, heir: int, renamed: Mapping[str, str]) -> None:
    """Hand the baseline of a pair to the record that took the place of another.

    On what is blank there the two never agreed: it is filled, and not cleared across.
    """
    baseline = connection.scalar(select(pairs.c.baseline).where(pairs.c.pair == pair))
    if baseline is None:
        return
    shown = connection.execute(
        select(layouts.c.fields, observations.c.body)
        .join(observations, observations.c.layout == layouts.c.layout)
        .where(observations.c.row == heir)
    ).one()
    fields = dict(zip(from_json(shown.fields), from_json(shown.body), strict=True))
    agreed = {renamed.get(key, key): value for key, value in from_json(baseline).items()}
    agreed = {
        key: value
        for key, value in agreed.items()
        if text(fields.get(key.partition(">")[0], value)) is not None or value is None
    }
    connection.execute(update(pairs).where(pairs.c.pair == pair).values(baseline=to_json(agreed)))
