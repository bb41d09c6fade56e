"""Runs: which pipe, when, and how it ended."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime, timezone
from typing import Any, Final, NamedTuple

from sqlalchemy import and_, false, func, insert, or_, select, true, update

from reconciler.ledger.database import Database, repeatable
from reconciler.ledger.lease import holders
from reconciler.ledger.rows import from_json, to_json
from reconciler.ledger.sets import quick
from reconciler.ledger.tables import runs, streams
from reconciler.model import Side

#: The few rows of what the taps' streams are like.
STREAMS: Final = quick("SELECT side, stream, needed, schema, complete_run FROM streams")
_COMPLETED: Final = quick(
    "UPDATE streams SET complete_run = :run WHERE side = :side AND stream = :stream"
)
_LATEST: Final = quick("SELECT max(run) FROM runs")
_RUNNING: Final = quick("SELECT run FROM runs WHERE outcome = 'running'")
_BEGUN: Final = quick(
    "INSERT INTO runs (pipe, part, started_at, outcome, token) "
    "VALUES (:pipe, :part, :started_at, 'running', :token) RETURNING run"
)
_BATCHES: Final = quick("UPDATE runs SET batches = :batches WHERE run = :run")
_IDENTITY: Final = quick("SELECT pipe, error, token, batches FROM runs WHERE run = :run")
_FINISHED: Final = quick(
    "UPDATE runs SET finished_at = :finished_at, outcome = :outcome, error = :error, "
    "summary = :summary WHERE run = :run"
)


class Run(NamedTuple):
    """One pipe's pass through the reconciler, as it was recorded.

    Attributes:
        run: Its number.
        pipe: Its name.
        part: The streams or the shard that it was for, or None where it was for all of the pipe.
        started_at: RFC 3339.
        finished_at: RFC 3339, or None while it runs or where it was killed.
        outcome: `running`, `succeeded` or `failed`.
        error: What stopped it, or None.
        summary: Its counts.
    """

    run: int
    pipe: str
    part: str | None
    started_at: str
    finished_at: str | None
    outcome: str
    error: str | None
    summary: dict[str, Any]

    @property
    def name(self) -> str:
        """Its pipe, with its part where there is one."""
        return f"{self.pipe} {self.part}" if self.part else self.pipe


class RunIdentity(NamedTuple):
    """What the bookmarks that a run has passed on are recognised by.

    Attributes:
        pipe: Its pipe.
        error: What stopped it, or None.
        token: Its random token, or None for a run of an older version.
        batches: How many batches of observations it has committed.
    """

    pipe: str
    error: str | None
    token: str | None
    batches: int


class Runs:
    """The recorded runs.

    Args:
        database: The open ledger database.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @repeatable
    def begin(self, pipe: str, part: str | None = None, token: str | None = None) -> int:
        """Record that a run has started; earlier ones that never ended were killed.

        Args:
            pipe: Its pipe.
            part: The shard that it is for, if it is not for all of the pipe.
            token: What the bookmarks that it passes on are recognised by; see `new_token`.

        Returns:
            The run's number; numbers only grow.
        """
        with self._database.transaction() as connection:
            left = connection.scalars(_RUNNING).all()
            if left:
                at_work = [one.run for one in holders(connection) if one.run is not None]
                connection.execute(
                    update(runs)
                    .where(runs.c.run.in_(left), runs.c.run.not_in(at_work))
                    .values(outcome="failed", error="the run was killed")
                )
            begun = {"pipe": pipe, "part": part, "started_at": now(), "token": token}
            run: int = connection.execute(_BEGUN, begun).scalar_one()
            if self._database.held is not None:
                self._database.held.note(connection, run=run)
            return run

    def count_batches(self, run: int, batches: int) -> None:
        """Record how many batches of observations a run has committed."""
        with self._database.transaction() as connection:
            connection.execute(_BATCHES, {"run": run, "batches": batches})

    def identity(self, run: int) -> RunIdentity | None:
        """What the bookmarks of a run are recognised by, or None where there is no such run."""
        with self._database.reading() as connection:
            row = connection.execute(_IDENTITY, {"run": run}).one_or_none()
        return None if row is None else RunIdentity(*row)

    def narrow(self, run: int, part: str) -> None:
        """Record the streams that a run turned out to be for."""
        with self._database.transaction() as connection:
            connection.execute(update(runs).where(runs.c.run == run).values(part=part))

    @repeatable
    def finish(self, run: int, summary: Mapping[str, Any], error: str | None = None) -> None:
        """Record how a run ended."""
        with self._database.transaction() as connection:
            connection.execute(
                _FINISHED,
                {
                    "run": run,
                    "finished_at": now(),
                    "outcome": "succeeded" if error is None else "failed",
                    "error": error,
                    "summary": to_json(summary),
                },
            )

    @repeatable
    def note_delivered(self, run: int) -> None:
        """Record that the target of a run is known to have handled all its writes."""
        with self._database.transaction() as connection:
            connection.execute(
                update(runs)
                .where(runs.c.run == run, runs.c.delivered == false())
                .values(delivered=True)
            )

    def history(self, limit: int | None = None) -> list[Run]:
        """The newest runs, or all, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(runs).order_by(runs.c.run.desc()).limit(limit))
            return [_run(row) for row in rows]

    def get(self, run: int) -> Run | None:
        """A run by its number."""
        with self._database.reading() as connection:
            row = connection.execute(select(runs).where(runs.c.run == run)).one_or_none()
            return None if row is None else _run(row)

    def running(self) -> list[Run]:
        """The runs that have not ended, newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                select(runs).where(runs.c.outcome == "running").order_by(runs.c.run.desc())
            )
            return [_run(row) for row in rows]

    def newest(self) -> list[Run]:
        """The newest ended run of each pipe, and of each part of it, newest first."""
        with self._database.reading() as connection:
            newest = (
                select(func.max(runs.c.run))
                .where(runs.c.outcome != "running")
                .group_by(runs.c.pipe, runs.c.part)
            )
            rows = connection.execute(
                select(runs).where(runs.c.run.in_(newest)).order_by(runs.c.run.desc())
            )
            return [_run(row) for row in rows]

    def has_observed_since(self, run: int) -> bool:
        """Whether a side was read, completely or not, by a run after another."""
        with self._database.reading() as connection:
            # A shard of the writes reads no side.
            is_shard = and_(runs.c.part.is_not(None), runs.c.part.contains("/"))
            found = connection.scalar(
                select(runs.c.run).where(runs.c.run > run, ~is_shard).limit(1)
            )
        return found is not None

    def passes_before(self, run: int, count: int) -> int:
        """The run that came so many passes before another, or 0.

        Runs that share the work of a pipe are one pass.
        """
        with self._database.reading() as connection:
            is_first = or_(runs.c.part.is_(None), runs.c.part.startswith("1/"))
            found = connection.scalar(
                select(runs.c.run)
                .where(runs.c.run < run, is_first)
                .order_by(runs.c.run.desc())
                .offset(count - 1)
                .limit(1)
            )
        return found or 0

    def latest(self) -> int:
        """The number of the newest run, 0 where there was none."""
        with self._database.reading() as connection:
            return connection.scalar(_LATEST) or 0

    def complete(self) -> dict[Side, int]:
        """By side that was observed completely, as of which run.

        A side is as old as the oldest of the streams that it needs.
        """
        found: dict[Side, list[int | None]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(STREAMS):
                if row.needed:
                    found.setdefault(row.side, []).append(row.complete_run)
        return {
            side: min(known)
            for side, of in found.items()
            if len(known := [run for run in of if run is not None]) == len(of)
        }

    def streams_complete(self) -> dict[tuple[Side, str], int]:
        """By stream that was observed completely, the newest run that did."""
        with self._database.reading() as connection:
            return {
                (row.side, row.stream): row.complete_run
                for row in connection.execute(
                    select(streams).where(streams.c.complete_run.is_not(None))
                )
            }

    def missing(self) -> dict[Side, list[str]]:
        """By side, the needed streams that were never observed completely."""
        found: dict[Side, list[str]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(
                select(streams)
                .where(streams.c.needed == true(), streams.c.complete_run.is_(None))
                .order_by(streams.c.stream)
            ):
                found.setdefault(row.side, []).append(row.stream)
        return found

    def need(self, needed: Mapping[Side, Collection[str]]) -> None:
        """Set which streams a side is not observed completely without."""
        with self._database.transaction() as connection:
            connection.execute(update(streams).values(needed=False))
            for side, names in needed.items():
                for stream in names:
                    which = (streams.c.side == side, streams.c.stream == stream)
                    found = connection.execute(update(streams).where(*which).values(needed=True))
                    if not found.rowcount:
                        connection.execute(
                            insert(streams).values(side=side, stream=stream, needed=True)
                        )

    def mark_incomplete(self, side: Side) -> None:
        """Record that a side has to be observed completely again."""
        with self._database.transaction() as connection:
            connection.execute(
                update(streams).where(streams.c.side == side).values(complete_run=None)
            )

    @repeatable
    def mark_complete(self, side: Side, observed: Collection[str], run: int) -> None:
        """Record that a run observed streams of a side completely."""
        with self._database.transaction() as connection:
            for stream in sorted(observed):
                connection.execute(_COMPLETED, {"run": run, "side": side, "stream": stream})


def _run(row: Any) -> Run:
    return Run(
        row.run,
        row.pipe,
        row.part,
        row.started_at,
        row.finished_at,
        row.outcome,
        row.error,
        from_json(row.summary) if row.summary else {},
    )


def new_token() -> str:
    """A token for a new run."""
    return secrets.token_hex(8)


def now() -> str:
    """This moment, RFC 3339 in UTC with milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
