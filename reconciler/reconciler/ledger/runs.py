"""Runs: which pipe, when, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from reconciler.ledger.database import Database
from reconciler.ledger.rows import from_json, to_json
from reconciler.ledger.tables import runs, sides
from reconciler.model import Side


class Run(NamedTuple):
    """One pipe's pass through the reconciler, as it was recorded.

    Attributes:
        run: Its number.
        pipe: Its name.
        started_at: RFC 3339.
        finished_at: RFC 3339, or None while it runs or where it was killed.
        outcome: `running`, `succeeded` or `failed`.
        error: What stopped it, or None.
        summary: Its counts.
    """

    run: int
    pipe: str
    started_at: str
    finished_at: str | None
    outcome: str
    error: str | None
    summary: dict[str, Any]


class Runs:
    """The recorded runs.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, pipe: str) -> int:
        """Record that a run has started; earlier ones that never ended were killed.

        Returns:
            The run's number; numbers only grow.
        """
        with self._database.transaction() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.outcome == "running")
                .values(outcome="failed", error="the run was killed")
            )
            result = connection.execute(
                insert(runs).values(pipe=pipe, started_at=now(), outcome="running")
            )
            (run,) = result.inserted_primary_key or (0,)
            return int(run)

    def finish(self, run: int, summary: Mapping[str, Any], error: str | None = None) -> None:
        """Record how a run ended."""
        with self._database.transaction() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.run == run)
                .values(
                    finished_at=now(),
                    outcome="succeeded" if error is None else "failed",
                    error=error,
                    summary=to_json(summary),
                )
            )

    def history(self, limit: int | None = None) -> list[Run]:
        """The newest runs, or all, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(runs).order_by(runs.c.run.desc()).limit(limit))
            return [_run(row) for row in rows]

    def newest_by_pipe(self) -> list[Run]:
        """The newest ended run of each pipe, newest first."""
        with self._database.reading() as connection:
            newest = (
                select(func.max(runs.c.run))
                .where(runs.c.outcome != "running")
                .group_by(runs.c.pipe)
            )
            rows = connection.execute(
                select(runs).where(runs.c.run.in_(newest)).order_by(runs.c.run.desc())
            )
            return [_run(row) for row in rows]

    def latest(self) -> int:
        """The number of the newest run, 0 where there was none."""
        with self._database.reading() as connection:
            return connection.scalar(select(func.max(runs.c.run))) or 0

    def complete(self) -> dict[Side, int]:
        """By side, the newest run that observed it completely."""
        with self._database.reading() as connection:
            return {row.side: row.complete_run for row in connection.execute(select(sides))}

    def mark_complete(self, side: Side, run: int) -> None:
        """Record that a run observed a side completely."""
        with self._database.transaction() as connection:
            connection.execute(delete(sides).where(sides.c.side == side))
            connection.execute(insert(sides).values(side=side, complete_run=run))


def _run(row: Any) -> Run:
    return Run(
        row.run,
        row.pipe,
        row.started_at,
        row.finished_at,
        row.outcome,
        row.error,
        from_json(row.summary) if row.summary else {},
    )


def now() -> str:
    """This moment, RFC 3339 in UTC with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
