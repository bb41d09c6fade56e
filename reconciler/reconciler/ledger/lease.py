"""Who may work on a ledger at the same time.

A one-worker run, and whatever prepares the ledger for several workers, has the ledger to itself.
Workers of one kind share it, each with claims of its own: streams that it stores, or its shard of
the writes. Those who store and those who write exclude each other: a write would count as observed
by an extract that was read before it.
"""

from __future__ import annotations

import os
import socket
import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import Connection, Engine, delete, insert, select, update
from sqlalchemy.exc import DBAPIError

from reconciler.errors import LeaseHeldError, PreparingError
from reconciler.ledger.rows import from_json, to_json
from reconciler.ledger.sets import clock
from reconciler.ledger.tables import claims, lease, meta

#: `run` and `prepare` have the ledger to themselves: the first for the whole of a run, the second
#: for as long as other workers can wait for it. `observe` and `write` share it with their like.
Work: TypeAlias = Literal["run", "prepare", "observe", "write"]
_SHARED: Final[frozenset[Work]] = frozenset({"observe", "write"})

#: Seconds, on the database's clock, after which a lease that nobody renewed is free.
LIFETIME: Final = 90.0
_HEARTBEAT: Final = 15.0
#: Seconds between two looks at whether another worker is done with preparing.
_LOOK: Final = 0.2

#: Each with the time on the database's clock.
_LEASES: Final = select(lease, clock().label("moment")).order_by(lease.c.holder, lease.c.token)


class Holder(NamedTuple):
    """Who works on the ledger.

    Attributes:
        holder: Who it is, for people to read.
        work: What may be done at the same time.
        claims: What it has to itself.
        run: Its run, as soon as that has begun.
        progress: How far it is, as its run said last; empty before.
    """

    holder: str
    work: Work
    claims: tuple[str, ...]
    run: int | None
    progress: dict[str, Any]


class Lease:
    """One worker's right to work on the ledger; renewed by a thread of its own.

    Args:
        engine: The ledger's engine, for writing.
        holder: Who it is, for people to read.
    """

    def __init__(self, engine: Engine, holder: str) -> None:
        self._engine = engine
        self._holder = holder
        self._token = uuid.uuid4().hex
        self._work: Work | None = None
        self._has_claims = False
        self._renewed = (
            update(lease).where(lease.c.token == self._token).values(expires_at=clock() + LIFETIME)
        )
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="ledger-lease", daemon=True)

    def __enter__(self) -> Lease:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._work is None:
            return
        self._stop.set()
        self._thread.join()
        # Where the database is gone, the lease expires, and what went wrong is said already.
        with suppress(DBAPIError), self._engine.begin() as connection:
            _remove(connection, self._token, has_claims=self._has_claims)

    def take_in_turn(
        self,
        choose: Callable[[], Work],
        wanted: Collection[str],
        wait: Callable[[LeaseHeldError], None],
    ) -> None:
        """Take the lease, after another worker that prepares the ledger.

        Args:
            choose: Says what is to be done as things are now; once the lease is held, they stay.
            wanted: What this worker has to have to itself, as people say it: a stream, a shard.
            wait: Told once where this worker waits.

        Raises:
            LeaseHeldError: Someone works on the ledger with whom this work does not go together.
        """
        told = False
        while True:
            work = choose()
            try:
                self.take(work, wanted)
            except PreparingError as error:
                if not told:
                    wait(error)
                told = True
                self._stop.wait(_LOOK)
            except LeaseHeldError:
                # Those that were waited for have done what this worker was to do.
                if choose() == work:
                    raise
            else:
                if choose() == work:
                    return

    def take(self, work: Work, wanted: Collection[str] = ()) -> None:
        """Take the lease, or turn the one that is held into another, at once.

        Args:
            work: What is to be done.
            wanted: What this worker has to have to itself.

        Raises:
            PreparingError: Another worker prepares the ledger; this one is welcome after it.
            LeaseHeldError: Someone works on the ledger with whom this work does not go together.
        """
        with self._engine.begin() as connection:
            if connection.dialect.name != "sqlite":
                # Whoever takes a lease takes turns, on a row that is always there.
                connection.execute(
                    select(meta.c.value).where(meta.c.key == "ledger_id").with_for_update()
                )
            others = [one for one in _living(connection) if one.token != self._token]
            against = [one for one in others if one.work != work or work not in _SHARED]
            if against:
                is_short = work != "run" and all(one.work == "prepare" for one in against)
                raise (PreparingError if is_short else LeaseHeldError)(
                    _taken(", ".join(one.holder for one in against))
                )
            tokens = {one.token: one.holder for one in others}
            for name, token in _claims(connection).items() if tokens and wanted else ():
                if token in tokens and name in wanted:
                    raise LeaseHeldError(_taken(f"{tokens[token]}, which has {name}"))
            values = {"work": work, "expires_at": clock() + LIFETIME}
            if self._work is None:
                connection.execute(
                    insert(lease).values(
                        token=self._token,
                        holder=self._holder,
                        host=_host(),
                        pid=os.getpid(),
                        **values,
                    )
                )
            else:
                self.assert_held(connection)
                connection.execute(update(lease).where(lease.c.token == self._token).values(values))
                connection.execute(delete(claims).where(claims.c.token == self._token))
            if wanted:
                connection.execute(
                    insert(claims), [{"name": name, "token": self._token} for name in wanted]
                )
        if self._work is None:
            self._thread.start()
        self._work = work
        self._has_claims = bool(wanted)

    @property
    def is_taken(self) -> bool:
        """Whether it was taken."""
        return self._work is not None

    def assert_held(self, connection: Connection) -> None:
        """Renew the lease inside a transaction, so that a run that lost it cannot commit.

        Until the transaction ends, nobody else can take the lease for expired.

        Raises:
            LeaseHeldError: Another run took the lease over.
        """
        if connection.execute(self._renewed).rowcount != 1:
            raise LeaseHeldError(
                "this run lost its lease on the ledger to another run; nothing more is written, "
                "run the job again"
            )

    def note(
        self,
        connection: Connection,
        *,
        run: int | None = None,
        progress: Mapping[str, Any] | None = None,
    ) -> None:
        """Let others know which run this is, or how far it is."""
        values: dict[str, Any] = {}
        if run is not None:
            values["run"] = run
        if progress is not None:
            values["progress"] = to_json(progress)
        connection.execute(update(lease).where(lease.c.token == self._token).values(values))

    def _renew(self) -> None:
        while not self._stop.wait(_HEARTBEAT):
            # Where the database is busy, the run itself is writing, and renews the lease with
            # what it commits.
            with suppress(DBAPIError), self._engine.begin() as connection:
                connection.execute(self._renewed)


def holders(connection: Connection) -> list[Holder]:
    """Who works on the ledger now."""
    by_token: dict[str, list[str]] = {}
    for name, token in _claims(connection).items():
        by_token.setdefault(token, []).append(name)
    return [
        Holder(
            row.holder,
            row.work,
            tuple(sorted(by_token.get(row.token, ()))),
            row.run,
            from_json(row.progress) if row.progress else {},
        )
        for row in _rows(connection)
        if not _is_over(row)
    ]


def _taken(by: str) -> str:
    return (
        f"another run works on this ledger: {by}; wait until it has ended, or stop it (its lease "
        f"expires within {LIFETIME:.0f} seconds)"
    )


def _rows(connection: Connection) -> Sequence[Any]:
    return connection.execute(_LEASES).all()


def _claims(connection: Connection) -> dict[str, str]:
    """Token by what is claimed."""
    return {row.name: row.token for row in connection.execute(select(claims))}


def _living(connection: Connection) -> list[Any]:
    """The leases that are held; what a dead holder left is removed."""
    living: list[Any] = []
    for row in _rows(connection):
        if not _is_over(row):
            living.append(row)
            continue
        # It may be renewed by a transaction that is under way: then it is held after all.
        over = connection.execute(
            delete(lease).where(lease.c.token == row.token, lease.c.expires_at == row.expires_at)
        )
        if over.rowcount:
            _remove(connection, row.token, has_claims=True)
        else:
            living.append(row)
    return living


def _remove(connection: Connection, token: str, *, has_claims: bool) -> None:
    for table in (claims, lease) if has_claims else (lease,):
        connection.execute(delete(table).where(table.c.token == token))


def _is_over(row: Any) -> bool:
    if row.expires_at < row.moment:
        return True
    return row.host == _host() and not _is_alive(row.pid)


def _host() -> str:
    """Where a process id means one process: this host, and on Linux this container."""
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{socket.gethostname()} {namespace}".strip()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
