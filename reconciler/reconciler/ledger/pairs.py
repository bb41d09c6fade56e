"""Pairing, in sets: successors, references and shared numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
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
from reconciler.fields.phones import match_number
from reconciler.ledger.database import Database
from reconciler.ledger.observations import Layouts
from reconciler.ledger.rows import (
    CHUNK,
    close_writes,
    dissolve,
    is_paired,
    pack,
    set_records,
    stale_references,
    to_heirs_that_are_created,
)
from reconciler.ledger.sets import among, insert_rows, put_rows, update_rows
from reconciler.ledger.tables import (
    alias,
    is_given_up,
    observations,
    pairs,
    phone_numbers,
    records,
    separated,
    undos,
    waiting,
    writes,
)
from reconciler.model import PHONEIQ, SALESFORCE, SIDES, Side, other
from reconciler.rules.eligibility import UNPAIRABLE
from reconciler.rules.matching import Candidate, Reference, held_together_since

_SEPARATED: Final = select(separated)
#: Open records that one statement looks at, so that no transaction grows with their number.
_ROWS: Final = 50_000


class Half(NamedTuple):
    """A record that an operator wants to pair.

    Attributes:
        row: Its row.
        side: Where it lives.
        object: Its Salesforce object.
        id: Its id.
        pair: The number of its pair, or None.
        skip: Why it takes no part, or None.
        deleted: Whether it is a tombstone.
        missing: Whether a full refresh did not show it.
        creating: Whether a create from it is under way.
    """

    row: int
    side: Side
    object: str
    id: str
    pair: int | None
    skip: str | None
    deleted: bool
    missing: bool
    creating: bool


class Named(NamedTuple):
    """A record that names one that it was separated from.

    Attributes:
        object: Its Salesforce object.
        id: Its id.
        reference: The id that it names.
    """

    object: str
    id: str
    reference: str


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
        gone = alias(records, "gone")
        heir = alias(records, "heir")
        itself = alias(records, "itself")
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
                    pairs.c.phoneiq_row.label("contact"),
                )
                .join_from(gone, heir, and_(heir.c.side == SALESFORCE, is_heir))
                .join(pairs, pairs.c.pair == gone.c.pair)
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
                        # Both were paired: the successor keeps its contact. That of the record
                        # that is gone is left, and is not to be created again.
                        dissolve(connection, move.pair, released=True)
                        connection.execute(
                            update(records)
                            .where(records.c.row == move.contact)
                            .values(merged_away=True)
                        )
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

    def move_by_reference(self, run: int) -> None:
        """Make those halves of a pair of which one names the other since something else did.

        Args:
            run: The run that pairs.
        """
        with self._database.transaction() as connection:
            if connection.scalar(select(pairs.c.pair).limit(1)) is None:
                return
            found = {
                (row.namer, row.named): row
                for statement in _namers()
                for row in connection.execute(statement)
            }
            newest_first = sorted(
                found.values(), key=lambda one: (-(one.since or 0), one.namer, one.named)
            )
            for move in newest_first:
                rows = (move.namer, move.named)
                held_by = _pairs_of(connection, rows)
                if len(held_by) == 1 and set(rows) <= set(held_by[0].rows):
                    continue
                if any(one.since and (move.since or 0) <= one.since for one in held_by):
                    continue
                for one in held_by:
                    dissolve(connection, one.pair, released=True)
                other_row = move.named if move.namer == move.salesforce else move.namer
                self._make(connection, (move.salesforce, other_row), "reference", run)

    def replace_deleted(self, run: int) -> None:
        """Let records take the place of deleted ones that have their numbers and their name.

        Args:
            run: The run that pairs.
        """
        deleted, left, new = (alias(records, name) for name in ("deleted", "left", "new"))
        mine, theirs = alias(phone_numbers, "mine"), alias(phone_numbers, "theirs")
        found = (
            select(deleted.c.pair, left.c.side, left.c.row.label("left"), new.c.row.label("new"))
            .join_from(deleted, pairs, pairs.c.pair == deleted.c.pair)
            .join(left, left.c.row.in_((pairs.c.salesforce_row, pairs.c.phoneiq_row)))
            .join(mine, mine.c.row == left.c.row)
            .join(theirs, and_(theirs.c.number == mine.c.number, theirs.c.row != left.c.row))
            .join(new, new.c.row == theirs.c.row)
            .where(
                deleted.c.settled == false(),
                deleted.c.pair > 0,
                deleted.c.deleted == true(),
                left.c.deleted == false(),
                new.c.side == deleted.c.side,
                new.c.pair.is_(None),
                new.c.deleted == false(),
                new.c.creating == false(),
                or_(new.c.side == PHONEIQ, new.c.skip.is_(None)),
                new.c.name != "",
                new.c.name.in_((left.c.name, deleted.c.name)),
                ~_are_separated(left.c.row, new.c.row),
                ~_are_separated(new.c.row, left.c.row),
            )
            .order_by(new.c.created_at, new.c.id)
        )
        with self._database.transaction() as connection:
            taken: set[int] = set()
            for move in connection.execute(found).all():
                if taken.isdisjoint((move.left, move.new)):
                    taken |= {move.left, move.new}
                    dissolve(connection, move.pair, released=False)
                    ends = (move.left, move.new)
                    self._make(
                        connection, ends if move.side == SALESFORCE else ends[::-1], "phone", run
                    )

    def _make(self, connection: Connection, rows: Sequence[int], why: str, run: int) -> None:
        """Make one pair of a Salesforce record and a contact."""
        before = connection.scalar(select(func.max(pairs.c.pair))) or 0
        connection.execute(
            insert(pairs).values(salesforce_row=rows[0], phoneiq_row=rows[1], why=why, run=run)
        )
        self._link(connection, before)

    def halves(self, rows: Sequence[int]) -> list[Half]:
        """What decides whether an operator may pair some records, in the order of their rows."""
        with self._database.reading() as connection:
            return [
                Half(*row)
                for row in connection.execute(
                    select(
                        records.c.row,
                        records.c.side,
                        records.c.object,
                        records.c.id,
                        records.c.pair,
                        records.c.skip,
                        records.c.deleted,
                        records.c.missing,
                        records.c.creating,
                    )
                    .where(records.c.row.in_(rows))
                    .order_by(records.c.row)
                )
            ]

    def pair_by_hand(self, salesforce_row: int, phoneiq_row: int, run: int) -> None:
        """Make a record and a contact a pair; what they were paired with stays apart from them.

        Args:
            salesforce_row: The row of the Salesforce record.
            phoneiq_row: The row of the contact.
            run: The newest run: what was seen to be named up to it moves the pair no more.
        """
        rows = (salesforce_row, phoneiq_row)
        with self._database.transaction() as connection:
            for held in _pairs_of(connection, rows):
                self._separate(connection, held.pair, run)
            self._make(connection, rows, "operator", run)

    def unpair(self, pair: int, run: int) -> tuple[str, str]:
        """End a pair whose records are two people, and let them stay apart.

        Args:
            pair: Its number.
            run: The newest run: only what is seen to be named later makes them a pair again.

        Returns:
            The ids of the Salesforce record and of the contact.
        """
        with self._database.transaction() as connection:
            return self._separate(connection, pair, run)

    @staticmethod
    def _separate(connection: Connection, pair: int, run: int) -> tuple[str, str]:
        one, two = alias(records, "one"), alias(records, "two")
        rows = connection.execute(
            select(pairs.c.salesforce_row, pairs.c.phoneiq_row, one.c.id, two.c.id)
            .join(one, one.c.row == pairs.c.salesforce_row)
            .join(two, two.c.row == pairs.c.phoneiq_row)
            .where(pairs.c.pair == pair)
        ).one()
        dissolve(connection, pair, released=True)
        values = {"salesforce_row": rows[0], "phoneiq_row": rows[1], "run": run}
        put_rows(connection, separated, [values])
        return rows[2], rows[3]

    def stale_references(self, side: Side) -> list[Named]:
        """Records of a side that still name one that they were separated from.

        Without those that get another reference anyway, unless what they name is paired, too: two
        that exchange their references cannot get them before one is free, as no two records of a
        side may have the same.
        """
        with self._database.reading() as connection:
            return [
                Named(row.object, row.id, row.reference)
                for row in connection.execute(stale_references(side))
                if not row.missing and (row.pair is None or row.named_pair is not None)
            ]

    def separated(self) -> frozenset[tuple[int, int]]:
        """The rows (Salesforce, PhoneIQ) of records that an operator has said are two people."""
        with self._database.reading() as connection:
            return frozenset(
                (row.salesforce_row, row.phoneiq_row) for row in connection.execute(_SEPARATED)
            )

    def shows_number(self, side: Side, number: str, but: int) -> bool:
        """Whether a record of a side that takes part shows a number.

        Args:
            side: The side.
            number: The number, in canonical form.
            but: The row of a record that does not count.
        """
        with self._database.reading() as connection:
            found = connection.scalar(
                select(records.c.row)
                .join(phone_numbers, phone_numbers.c.row == records.c.row)
                .where(
                    phone_numbers.c.number == match_number(number),
                    phone_numbers.c.stale == false(),
                    records.c.side == side,
                    records.c.row != but,
                    records.c.deleted == false(),
                    records.c.skip.is_(None),
                )
                .limit(1)
            )
        return found is not None

    def count_name_mismatches(self, run: int) -> int:
        """How many pairs that a run made by phone are of people with different full names."""
        one, two = alias(records, "one"), alias(records, "two")
        with self._database.reading() as connection:
            return (
                connection.scalar(
                    select(func.count())
                    .select_from(pairs)
                    .join(one, one.c.row == pairs.c.salesforce_row)
                    .join(two, two.c.row == pairs.c.phoneiq_row)
                    .where(pairs.c.run == run, pairs.c.why == "phone", names_differ(one, two))
                )
                or 0
            )

    def count_unplanned_by_phone(self) -> tuple[int, int]:
        """How many pairs by phone nothing was written to yet.

        Returns:
            Those of people with different full names, and all.
        """
        one, two = alias(records, "one"), alias(records, "two")
        with self._database.reading() as connection:
            differing, all_ = connection.execute(
                select(func.coalesce(func.sum(case((names_differ(one, two), 1), else_=0)), 0))
                .add_columns(func.count())
                .select_from(pairs)
                .join(one, one.c.row == pairs.c.salesforce_row)
                .join(two, two.c.row == pairs.c.phoneiq_row)
                .where(pairs.c.why == "phone", pairs.c.layout.is_(None))
            ).one()
        return differing, all_

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

        A deleted one counts where it was created from the other and nobody has seen it before: what
        became of it is then what becomes of any pair's record.

        Args:
            run: The run that pairs.
            has_shadows: Whether Person Accounts take part, whose shadow Contacts may be named.

        Returns:
            How many pairs were made.
        """
        salesforce = alias(records, "salesforce")
        phoneiq = alias(records, "phoneiq")
        both = and_(
            salesforce.c.side == SALESFORCE,
            phoneiq.c.side == PHONEIQ,
            salesforce.c.pair.is_(None),
            phoneiq.c.pair.is_(None),
            or_(salesforce.c.skip.is_(None), salesforce.c.skip.not_in(sorted(UNPAIRABLE))),
        )
        named_by_phoneiq = phoneiq.c.reference == salesforce.c.id
        shadow_named_by_phoneiq = and_(
            salesforce.c.object == "PersonAccount", phoneiq.c.reference == salesforce.c.related
        )
        named_by_salesforce = salesforce.c.reference == phoneiq.c.id
        # A create that is under way has its pair waiting, even where its source is gone.
        live = and_(
            or_(salesforce.c.deleted == false(), salesforce.c.creating == true()),
            or_(phoneiq.c.deleted == false(), phoneiq.c.creating == true()),
        )
        ways = [
            (named_by_phoneiq, live),
            (shadow_named_by_phoneiq, live),
            (named_by_salesforce, live),
            (named_by_phoneiq, _is_gone_again(phoneiq, salesforce)),
            (named_by_salesforce, _is_gone_again(salesforce, phoneiq)),
        ]
        rows = (salesforce.c.row, phoneiq.c.row)
        if not has_shadows:
            del ways[1]
        made = 0
        with self._database.transaction() as connection:
            for names, are_there in ways:
                # Driven from what is open, so that the cost follows the changes; that its rows are
                # in a range makes SQLite take the index of what is open.
                namer = salesforce if names is named_by_salesforce else phoneiq
                are_separated = _are_separated(*rows, namer.c.reference_run)
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
                        .where(
                            both,
                            are_there,
                            names,
                            ~are_separated,
                            opened.c.settled == false(),
                            opened.c.row > 0,
                        )
                        .group_by(key),
                    )
        return made

    def by_phone_alone(self, run: int, *, skip_mismatches: bool) -> int:
        """Pair each two records, one of a side, that share numbers with each other and no one else.

        Whatever the order of preference, there is nothing to choose; all others are decided group
        by group.

        Args:
            run: The run that pairs.
            skip_mismatches: Whether records with different full names are not paired.

        Returns:
            How many pairs were made.
        """
        one, two = alias(records, "one"), alias(records, "two")
        mine, theirs = alias(phone_numbers, "mine"), alias(phone_numbers, "theirs")
        further = alias(phone_numbers, "further")
        first = alias(records, "first")
        may_be_one = or_(
            first.c.name == two.c.name,
            and_(first.c.released == false(), two.c.released == false()),
        )
        if skip_mismatches:
            may_be_one = and_(may_be_one, ~names_differ(first, two))
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
                        .join(first, first.c.row == found.c.row)
                        .where(
                            may_be_one,
                            ~_are_separated(*(ends if side == SALESFORCE else ends[::-1])),
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
        one = alias(records, "one")
        mine, theirs = alias(phone_numbers, "mine"), alias(phone_numbers, "theirs")
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
                "merged_away": False,
                "duplicate_of": None,
            }
            if column is pairs.c.phoneiq_row:
                # What kept it from being created is over.
                values["skip"] = None
            connection.execute(
                update(records).where(records.c.row == column, pairs.c.pair > after).values(values)
            )
        connection.execute(
            delete(separated).where(
                exists().where(
                    pairs.c.salesforce_row == separated.c.salesforce_row,
                    pairs.c.phoneiq_row == separated.c.phoneiq_row,
                    pairs.c.pair > after,
                )
            )
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

        Without those whose other record is being deleted: these were counted when it was sent; and
        without those of which an operator has taken the create back.
        """
        one, two = alias(records, "one"), alias(records, "two")
        is_sent = exists().where(
            or_(
                writes.c.source_row == pairs.c.salesforce_row,
                writes.c.source_row == pairs.c.phoneiq_row,
            ),
            writes.c.confirmed_run.is_(None),
            writes.c.action == "delete",
        )
        is_taken_back = exists().where(
            undos.c.field == "", undos.c.row.in_((pairs.c.salesforce_row, pairs.c.phoneiq_row))
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
                        ~is_taken_back,
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


def _are_separated(
    salesforce_row: ColumnElement[int],
    phoneiq_row: ColumnElement[int],
    named_in: ColumnElement[int | None] | None = None,
) -> ColumnElement[bool]:
    """Whether an operator has said that two records are two people.

    Args:
        salesforce_row: The row of the Salesforce record.
        phoneiq_row: The row of the contact.
        named_in: Where one names the other, the run that saw it first: a later word counts.
    """
    found = exists().where(
        separated.c.salesforce_row == salesforce_row, separated.c.phoneiq_row == phoneiq_row
    )
    if named_in is not None:
        found = found.where(separated.c.run >= func.coalesce(named_in, 0))
    return found


def _is_gone_again(created: Any, source: Any) -> ColumnElement[bool]:
    """Whether a record was deleted that a create under way has made from another."""
    sent = exists().where(
        writes.c.source_row == source.c.row,
        writes.c.action == "create",
        writes.c.confirmed_run.is_(None),
        # Older ones that name it are of earlier creates.
        writes.c.run < created.c.reference_run,
    )
    return and_(created.c.deleted == true(), source.c.creating == true(), sent)


def names_differ(one: Any, two: Any) -> ColumnElement[bool]:
    """Whether two records have full names that differ."""
    return and_(one.c.full_name == true(), two.c.full_name == true(), one.c.name != two.c.name)


def _namers() -> Iterator[Select[Any]]:
    """Records of which one names the other, of which one is open and one has a pair."""
    salesforce, phoneiq = alias(records, "salesforce"), alias(records, "phoneiq")
    for namer, named in ((phoneiq, salesforce), (salesforce, phoneiq)):
        names = namer.c.reference == named.c.id
        if namer is phoneiq:
            shadow = and_(
                salesforce.c.object == "PersonAccount",
                namer.c.reference == salesforce.c.related,
            )
            ways = [names, shadow]
        else:
            ways = [names]
        for way in ways:
            for opened in (namer, named):
                for is_paired_ in (opened.c.pair.is_(None), opened.c.pair.is_not(None)):
                    yield select(
                        namer.c.row.label("namer"),
                        named.c.row.label("named"),
                        salesforce.c.row.label("salesforce"),
                        namer.c.reference_run.label("since"),
                    ).where(
                        salesforce.c.side == SALESFORCE,
                        phoneiq.c.side == PHONEIQ,
                        way,
                        opened.c.settled == false(),
                        is_paired_,
                        opened.c.row > 0,
                        salesforce.c.deleted == false(),
                        phoneiq.c.deleted == false(),
                        or_(
                            salesforce.c.skip.is_(None),
                            salesforce.c.skip.not_in(sorted(UNPAIRABLE)),
                        ),
                        or_(salesforce.c.pair.is_not(None), phoneiq.c.pair.is_not(None)),
                        func.coalesce(salesforce.c.pair, 0) != func.coalesce(phoneiq.c.pair, 0),
                        ~_are_separated(salesforce.c.row, phoneiq.c.row, namer.c.reference_run),
                    )


class _Held(NamedTuple):
    """A pair that a reference may move.

    Attributes:
        pair: Its number.
        rows: The rows of its records.
        since: The newest run in which something said that they are one person.
    """

    pair: int
    rows: tuple[int, int]
    since: int


def _pairs_of(connection: Connection, rows: Sequence[int]) -> list[_Held]:
    """The pairs that some records have."""
    one, two = alias(records, "one"), alias(records, "two")
    found = connection.execute(
        select(
            pairs.c.pair,
            pairs.c.run,
            *(
                column
                for half in (one, two)
                for column in (
                    half.c.row,
                    half.c.id,
                    half.c.related,
                    half.c.reference,
                    half.c.reference_run,
                    half.c.deleted,
                )
            ),
        )
        .join(one, one.c.row == pairs.c.salesforce_row)
        .join(two, two.c.row == pairs.c.phoneiq_row)
        .where(or_(pairs.c.salesforce_row.in_(rows), pairs.c.phoneiq_row.in_(rows)))
        .order_by(pairs.c.pair)
    ).all()
    return [
        _Held(
            row[0],
            (row[2], row[8]),
            held_together_since(
                row[1],
                Reference((row[3], row[4]), row[5], row[6], row[7]),
                Reference((row[9],), row[11], row[12], row[13]),
            ),
        )
        for row in found
    ]


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
            record.released,
            record.full_name,
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
                records.c.released,
                records.c.full_name,
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
