"""Rounds: one pairing, and the shards that write what follows from it."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import delete, insert, select, update

from reconciler.ledger.database import Database, repeatable
from reconciler.ledger.rows import from_json, to_json
from reconciler.ledger.tables import meta
from reconciler.model import Side

_KEY = "round"


class Round(NamedTuple):
    """One pairing, and the shards that write what follows from it.

    Attributes:
        run: The run that paired.
        side: The side that is written to.
        shards: Into how many shards its writes are split.
        fingerprint: The settings that it was paired with.
        finished: The shards, from 0 on, whose writes were all handed out.
    """

    run: int
    side: Side
    shards: int
    fingerprint: str
    finished: tuple[int, ...] = ()


class Rounds:
    """The newest round.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def current(self) -> Round | None:
        """The newest round, or None where there was none or something has ended it."""
        with self._database.reading() as connection:
            value = connection.scalar(select(meta.c.value).where(meta.c.key == _KEY))
        return None if value is None else _round(value)

    def begin(self, begun: Round) -> None:
        """Begin a round, once its records are paired."""
        with self._database.transaction() as connection:
            connection.execute(delete(meta).where(meta.c.key == _KEY))
            connection.execute(insert(meta).values(key=_KEY, value=to_json(begun._asdict())))

    @repeatable
    def finish(self, run: int, shard: int) -> bool:
        """Note that all writes of a shard were handed out.

        Args:
            run: The run that began the round.
            shard: The shard, from 0 on.

        Returns:
            Whether it was the last one of the round.
        """
        with self._database.transaction() as connection:
            value = connection.scalar(
                # Shards that end in the same moment take turns.
                select(meta.c.value).where(meta.c.key == _KEY).with_for_update()
            )
            if value is None or (current := _round(value)).run != run:
                return False
            current = current._replace(finished=tuple(sorted({*current.finished, shard})))
            connection.execute(
                update(meta).where(meta.c.key == _KEY).values(value=to_json(current._asdict()))
            )
        return len(current.finished) == current.shards

    def end(self) -> None:
        """Let the next shard begin a round: what the newest one stands on has changed."""
        with self._database.transaction() as connection:
            connection.execute(delete(meta).where(meta.c.key == _KEY))


def _round(value: str) -> Round:
    found = Round(**from_json(value))
    return found._replace(finished=tuple(found.finished))
