"""The writes of an approved plan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from sqlalchemy import delete, insert, select

from reconciler.ledger.database import Database
from reconciler.ledger.rows import CHUNK, parts
from reconciler.ledger.tables import approved
from reconciler.model import Side


class ApprovedWrite(NamedTuple):
    """One write of an approved plan.

    Attributes:
        side: The side that is written to; `pairs` for the end of a pair.
        digest: The same for the same write.
        line: The write without values, for messages.
    """

    side: Side | Literal["pairs"]
    digest: str
    line: str


class Approvals:
    """The approved writes.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def clear(self, side: Side | None = None) -> None:
        """Take the approval of a side's writes, or of all, away."""
        with self._database.transaction() as connection:
            which = delete(approved)
            connection.execute(which if side is None else which.where(approved.c.side == side))

    def add(self, writes: Sequence[ApprovedWrite]) -> None:
        """Approve writes."""
        if writes:
            with self._database.transaction() as connection:
                connection.execute(insert(approved), [write._asdict() for write in writes])

    def all(self) -> Iterator[list[ApprovedWrite]]:
        """The approved writes in their order, in chunks."""
        after = 0
        while True:
            with self._database.reading() as connection:
                rows = connection.execute(
                    select(approved)
                    .where(approved.c.number > after)
                    .order_by(approved.c.number)
                    .limit(CHUNK)
                ).all()
            if not rows:
                return
            after = rows[-1].number
            yield [ApprovedWrite(row.side, row.digest, row.line) for row in rows]

    def take(self, side: Side | Literal["pairs"], digests: Sequence[str]) -> list[int]:
        """Take writes out of a side's approved ones.

        Returns:
            The positions of those that were not approved.
        """
        with self._database.transaction() as connection:
            numbers: dict[str, list[int]] = {}
            for part in parts(digests):
                for row in connection.execute(
                    select(approved).where(approved.c.side == side, approved.c.digest.in_(part))
                ):
                    numbers.setdefault(row.digest, []).append(row.number)
            missing: list[int] = []
            found: list[int] = []
            for position, digest in enumerate(digests):
                if left := numbers.get(digest):
                    found.append(left.pop())
                else:
                    missing.append(position)
            for part in parts(found):
                connection.execute(delete(approved).where(approved.c.number.in_(part)))
        return missing

    def left(self, side: Side) -> list[str]:
        """The lines of a side's approved writes."""
        with self._database.reading() as connection:
            return list(
                connection.scalars(
                    select(approved.c.line)
                    .where(approved.c.side == side)
                    .order_by(approved.c.number)
                )
            )
