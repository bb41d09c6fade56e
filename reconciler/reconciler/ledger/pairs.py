"""Pairing, in sets: successors, references and shared numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
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

from reconciler.fields.canonical import text
from reconciler.ledger.database import Database
from reconciler.ledger.observations import Layouts
from reconciler.ledger.rows import (
    CHUNK,
    close_writes,
    dissolve,
    is_paired,
    pack,
    set_records,
    to_heirs_that_are_created,
)
from reconciler.ledger.sets import among, insert_rows, update_rows
from reconciler.ledger.tables import (
    is_given_up,
    observations,
    pairs,
    phone_numbers,
    records,
    waiting,
    writes,
)
from reconciler.model import PHONEIQ, SALESFORCE, SIDES, Side, other
from reconciler.rules.eligibility import UNPAIRABLE
from reconciler.rules.matching import Candidate

#: Open records that one statement looks at, so that no transaction grows with their number.
_ROWS: Final = 50_000


class Pairs:
    """The pairs, and the records that may become one.

    Args:
        database: The open ledger database.
        layouts: The ledger's layouts.
    """

    def __init__(self, database: Database, layouts: Layouts) -> None:
        self._database = database
        self._layouts = layouts

    def follow_successors(
        self, renamed: Callable[[str, str], Mapping[str, str]], observed: int
    ) -> bool:
        """Move pairs of merged and converted records to the record that took their place.

        Args:
            renamed: For two objects, the mapping key of the second by that of the first, where
                both map the same PhoneIQ field.
            observed: The newest run that observed PhoneIQ completely: what was created there since
                may be the contact of the record that takes the place.

        Returns:
            Whether there was any.
        """
        found_any = False
        gone = records.alias("gone")
        heir = records.alias("heir")
        itself = records.alias("itself")
        unseen = exists().where(
            writes.c.source_row == heir.c.row,
            writes.c.action == "create",
            writes.c.confirmed_run.is_(None),
            writes.c.run >= observed,
        )
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
                    heir.c.creating,
                )
                .join_from(gone, heir, and_(heir.c.side == SALESFORCE, is_heir))
                .where(
                    gone.c.side == SALESFORCE,
                    gone.c.successor.is_not(None),
                    gone.c.pair.is_not(None),
                    gone.c.pair > 0,
                    heir.c.row != gone.c.row,
                    or_(heir.c.creating == false(), heir.c.pair.is_not(None), ~unseen),
                )
                for is_heir in (heir.c.id == gone.c.successor, behind_shadow)
            )
        ).order_by("gone")
        with self._database.transaction() as connection:
            # A merged record may itself have been merged: at most as many steps as merges.
            while moves := connection.execute(found).all():
                found_any = True
                for move in moves:
                    if move.held is None and not is_paired(connection, move.heir):
                        if move.creating:
                            close_writes(connection, _open_creates(connection, move.heir), 0)
                        connection.execute(
                            update(pairs)
                            .where(pairs.c.pair == move.pair)
                            .values(salesforce_row=move.heir)
                        )
                        keys = renamed(move.object, move.becomes)
                        self._adopt(connection, move.pair, move.heir, keys)
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
        return found_any

    def _adopt(
        self, connection: Connection, pair: int, heir: int, renamed: Mapping[str, str]
    ) -> None:
        """Hand the baseline of a pair to the record that took the place of another.

        On what is blank there the two never agreed: it is filled, and not cleared across.
        """
        stored = connection.execute(
            select(pairs.c.layout, pairs.c.baseline).where(pairs.c.pair == pair)
        ).one()
        shown = connection.execute(
            select(observations.c.layout, observations.c.body).where(observations.c.row == heir)
        ).one()
        fields = self._layouts.fields(*shown)
        agreed = {
            renamed.get(key, key): value for key, value in self._layouts.baseline(*stored).items()
        }
        agreed = {
            key: value
            for key, value in agreed.items()
            if text(fields.get(key.partition(">")[0], value)) is not None or value is None
        }
        connection.execute(
            update(pairs)
            .where(pairs.c.pair == pair)
            .values(
                layout=self._layouts.add(connection, tuple(agreed)),
                baseline=pack(list(agreed.values())),
            )
        )

    def are_open(self) -> bool:
        """Whether any record without a pair is open, or waits for a create that is not wanted."""
        alone = and_(records.c.settled == false(), records.c.pair.is_(None), records.c.row > 0)
        kinds = [and_(alone, records.c.side == side) for side in SIDES]
        with self._database.reading() as connection:
            return any(
                connection.scalar(select(records.c.row).where(kind).limit(1))
                for kind in (*kinds, is_given_up)
            )

    def by_reference(self, run: int, *, has_shadows: bool) -> int:
        """Pair records of which one names the other.

        Args:
            run: The run that pairs.
            has_shadows: Whether Person Accounts take part, whose shadow Contacts may be named.

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
        ways = [named_by_phoneiq, shadow_named_by_phoneiq, named_by_salesforce]
        if not has_shadows:
            ways.remove(shadow_named_by_phoneiq)
        made = 0
        with self._database.transaction() as connection:
            for names in ways:
                # Driven from what is open, so that the cost follows the changes; that its rows are
                # in a range makes SQLite take the index of what is open.
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
                        .where(both, names, opened.c.settled == false(), opened.c.row > 0)
                        .group_by(key),
                    )
        return made

    def by_phone_alone(self, run: int) -> int:
        """Pair each two records, one of a side, that share numbers with each other and no one else.

        Whatever the order of preference, there is nothing to choose; all others are decided group
        by group.

        Returns:
            How many pairs were made.
        """
        one, two = records.alias("one"), records.alias("two")
        mine, theirs = phone_numbers.alias("mine"), phone_numbers.alias("theirs")
        further = phone_numbers.alias("further")
        made = 0
        for side in SIDES if self._have_both_sides() else ():
            is_open = and_(one.c.settled == false(), one.c.pair.is_(None), one.c.side == side)
            after: int | None = 0
            while after is not None:
                with self._database.transaction() as connection:
                    last = connection.scalar(
                        select(one.c.row)
                        .where(is_open, one.c.row > after)
                        .order_by(one.c.row)
                        .offset(_ROWS)
                        .limit(1)
                    )
                    sharing = (
                        select(one.c.row, func.min(theirs.c.row).label("other"))
                        .join_from(one, mine, mine.c.row == one.c.row)
                        .join(
                            theirs,
                            and_(theirs.c.number == mine.c.number, theirs.c.row != mine.c.row),
                        )
                        .where(is_open, one.c.row > after)
                        .group_by(one.c.row)
                        .having(func.min(theirs.c.row) == func.max(theirs.c.row))
                    )
                    if last is not None:
                        sharing = sharing.where(one.c.row <= last)
                    found = sharing.subquery("found")
                    ends = (found.c.row, found.c.other)
                    made += self._pair(
                        connection,
                        select(
                            *(ends if side == SALESFORCE else ends[::-1]),
                            literal("phone"),
                            literal(run),
                        )
                        .join_from(found, two, two.c.row == found.c.other)
                        .where(
                            two.c.side == other(side),
                            two.c.pair.is_(None),
                            ~exists()
                            .where(theirs.c.row == found.c.other)
                            .where(further.c.number == theirs.c.number)
                            .where(further.c.row.not_in((found.c.row, found.c.other))),
                        )
                        .order_by(found.c.row),
                    )
                after = last
        return made

    def _have_both_sides(self) -> bool:
        with self._database.reading() as connection:
            return all(
                connection.scalar(select(records.c.row).where(records.c.side == side).limit(1))
                for side in SIDES
            )

    def groups_by_phone(
        self,
    ) -> Iterator[tuple[list[list[Candidate]], dict[tuple[Side, str], int]]]:
        """Records without a pair that share numbers, group by group, in chunks of groups.

        Yields:
            Groups, and the rows of paired records by (side, number) that they share.
        """
        grouped: set[int] = set()
        for rows in self._open_sharers():
            found = [row for row in rows if row not in grouped]
            if found:
                with self._database.transaction() as connection:
                    numbers, holders = _closure(connection, found)
                    grouped.update(numbers)
                    # Whoever shares a number with an open record is decided with it.
                    connection.execute(
                        update(records)
                        .where(among(records.c.row, numbers), records.c.settled == true())
                        .values(settled=False, duplicate_of=None)
                    )
                    candidates = _candidates(connection, numbers)
                yield _groups(candidates, _roots(numbers)), holders

    def _open_sharers(self) -> Iterator[Sequence[int]]:
        """The open records without a pair that share a number with any other, in chunks."""
        one = records.alias("one")
        mine, theirs = phone_numbers.alias("mine"), phone_numbers.alias("theirs")
        for side in SIDES:
            after = 0
            while True:
                with self._database.reading() as connection:
                    rows = connection.scalars(
                        select(one.c.row)
                        .where(
                            one.c.settled == false(),
                            one.c.pair.is_(None),
                            one.c.side == side,
                            one.c.row > after,
                            exists()
                            .where(mine.c.row == one.c.row)
                            .where(theirs.c.number == mine.c.number)
                            .where(theirs.c.row != mine.c.row),
                        )
                        .order_by(one.c.row)
                        .limit(CHUNK)
                    ).all()
                if not rows:
                    break
                after = rows[-1]
                yield rows

    def store(
        self, made: Sequence[tuple[int, int]], duplicates: Mapping[int, int], run: int
    ) -> None:
        """Commit the pairs made by phone, and whose number is taken by whom."""
        with self._database.transaction() as connection:
            if made:
                before = connection.scalar(select(func.max(pairs.c.pair))) or 0
                insert_rows(
                    connection,
                    pairs,
                    ("salesforce_row", "phoneiq_row", "why", "run"),
                    [(one, two, "phone", run) for one, two in made],
                )
                self._link(connection, before)
            update_rows(
                connection,
                records,
                "row",
                ("duplicate_of", "settled"),
                [(holder, True, row) for row, holder in duplicates.items()],
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
                "pair": pairs.c.pair,
                "settled": False,
                "released": False,
                "duplicate_of": None,
            }
            if column is pairs.c.phoneiq_row:
                # What kept it from being created is over.
                values["skip"] = None
            connection.execute(
                update(records).where(records.c.row == column, pairs.c.pair > after).values(values)
            )

    def are_waiting(self) -> bool:
        """Whether the end of a pair, or of a create, has opened records since the last pairing."""
        with self._database.reading() as connection:
            return connection.scalar(select(waiting.c.row).limit(1)) is not None

    def end_waiting(self) -> None:
        """Note that pairing decides now about all records that wait for it."""
        with self._database.transaction() as connection:
            connection.execute(delete(waiting))

    def count(self) -> int:
        """How many pairs there are."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(pairs)) or 0

    def ending(self) -> list[tuple[str, str]]:
        """The ids (Salesforce, PhoneIQ) of the open pairs with exactly one deleted record.

        Without those whose other record is being deleted: these were counted when it was sent.
        """
        one, two = records.alias("one"), records.alias("two")
        is_sent = exists().where(
            or_(
                writes.c.source_row == pairs.c.salesforce_row,
                writes.c.source_row == pairs.c.phoneiq_row,
            ),
            writes.c.confirmed_run.is_(None),
            writes.c.action == "delete",
        )
        with self._database.reading() as connection:
            return [
                (row[0], row[1])
                for row in connection.execute(
                    select(one.c.id, two.c.id)
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
                        pairs.c.pair.not_in(to_heirs_that_are_created()),
                        ~is_sent,
                    )
                    .order_by(pairs.c.pair)
                )
            ]

    def count_open(self, *, is_active: bool) -> int:
        """How many open pairs have agreed before.

        Args:
            is_active: Also count those that a write is under way to. In a first sync these are
                most of the pairs, and are open because of it.
        """
        which: list[ColumnElement[bool]] = [
            pairs.c.layout.is_not(None),
            pairs.c.pair.in_(
                select(records.c.pair).where(
                    records.c.settled == false(), records.c.pair.is_not(None)
                )
            ),
        ]
        if not is_active:
            which += [
                ~exists().where(writes.c.source_row == row, writes.c.confirmed_run.is_(None))
                for row in (pairs.c.salesforce_row, pairs.c.phoneiq_row)
            ]
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(pairs).where(*which)) or 0


def _open_creates(connection: Connection, row: int) -> Sequence[int]:
    """The journal numbers of creates from a record that are under way."""
    return connection.scalars(
        select(writes.c.write).where(
            writes.c.source_row == row,
            writes.c.action == "create",
            writes.c.confirmed_run.is_(None),
        )
    ).all()


def _closure(
    connection: Connection, rows: Sequence[int]
) -> tuple[dict[int, list[str]], dict[tuple[Side, str], int]]:
    """All records without a pair that share numbers with some, directly or through others.

    Returns:
        Their numbers by row, and the rows of paired records that hold a number of theirs, by
        (side, number).
    """
    numbers: dict[int, list[str]] = {}
    holders: dict[tuple[Side, str], int] = {}
    seen: set[str] = set()
    new = rows
    while new:
        numbers |= {row: [] for row in new}
        for row, number in connection.execute(
            select(phone_numbers.c.row, phone_numbers.c.number)
            .where(among(phone_numbers.c.row, new))
            .order_by(phone_numbers.c.row, phone_numbers.c.number)
        ):
            numbers[row].append(number)
        fresh = {number for row in new for number in numbers[row]} - seen
        seen |= fresh
        found: dict[int, None] = {}
        for number, row, side, pair in connection.execute(
            select(phone_numbers.c.number, records.c.row, records.c.side, records.c.pair)
            .join(records, records.c.row == phone_numbers.c.row)
            .where(among(phone_numbers.c.number, sorted(fresh)))
            .order_by(phone_numbers.c.number, phone_numbers.c.row)
        ):
            if pair is not None:
                holders.setdefault((side, number), row)
            elif row not in numbers:
                found[row] = None
        new = list(found)
    return numbers, holders


def _roots(numbers: Mapping[int, Sequence[str]]) -> dict[int, int]:
    """By row, the lowest row of its group."""
    first: dict[str, int] = {}
    parent = {row: row for row in numbers}

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for row, held in numbers.items():
        for number in held:
            one, two = sorted((root(row), root(first.setdefault(number, row))))
            parent[two] = one
    return {row: root(row) for row in numbers}


def _groups(candidates: list[Candidate], roots: Mapping[int, int]) -> list[list[Candidate]]:
    candidates.sort(key=lambda candidate: (roots[candidate.row], candidate.row))
    return [list(group) for _, group in groupby(candidates, lambda one: roots[one.row])]


def _candidates(connection: Connection, numbers: Mapping[int, Sequence[str]]) -> list[Candidate]:
    return [
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
            .where(among(records.c.row, numbers))
        )
    ]
