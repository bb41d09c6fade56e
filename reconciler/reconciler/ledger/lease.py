"""One run at a time per ledger."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from types import TracebackType
from typing import Final

from sqlalchemy import Connection, Engine, delete, or_, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from reconciler.errors import LeaseHeldError
from reconciler.ledger.tables import lease

_NAME: Final = "run"
#: Seconds after which a lease that nobody renewed is free.
LIFETIME: Final = 90.0
_HEARTBEAT: Final = 15.0


class Lease:
    """Held while a run works on the ledger; renewed by a thread of its own.

    Args:
        engine: The ledger's engine.
        holder: Who holds it, for people to read.

    Raises:
        LeaseHeldError: On entering, where another run holds it.
    """

    def __init__(self, engine: Engine, holder: str) -> None:
        self._engine = engine
        self._holder = holder
        self._token = uuid.uuid4().hex
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="ledger-lease", daemon=True)

    def __enter__(self) -> Lease:
        try:
            with self._engine.begin() as connection:
                self._take(connection)
        except IntegrityError:
            # Two runs took a free lease in the same moment; the other one was first.
            raise LeaseHeldError("another run has just started on this ledger") from None
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        with self._engine.begin() as connection:
            connection.execute(delete(lease).where(lease.c.token == self._token))

    def assert_held(self, connection: Connection) -> None:
        """Renew the lease inside a transaction, so that a run that lost it cannot commit.

        Raises:
            LeaseHeldError: Another run took the lease over.
        """
        renewed = connection.execute(
            update(lease)
            .where(lease.c.token == self._token)
            .values(expires_at=time.time() + LIFETIME)
        )
        if renewed.rowcount != 1:
            raise LeaseHeldError(
                "this run lost its lease on the ledger to another run; nothing more is written, "
                "run the job again"
            )

    def _take(self, connection: Connection) -> None:
        now = time.time()
        host = socket.gethostname()
        held = connection.execute(select(lease).where(lease.c.name == _NAME)).one_or_none()
        if held is not None and held.host == host and not _is_alive(held.pid):
            connection.execute(delete(lease).where(lease.c.token == held.token))
        connection.execute(
            delete(lease).where(or_(lease.c.expires_at < now, lease.c.token == self._token))
        )
        held = connection.execute(select(lease).where(lease.c.name == _NAME)).one_or_none()
        if held is not None:
            raise LeaseHeldError(
                f"another run works on this ledger: {held.holder}; wait until it has ended, or "
                f"stop it (its lease expires within {LIFETIME:.0f} seconds)"
            )
        connection.execute(
            lease.insert().values(
                name=_NAME,
                token=self._token,
                holder=self._holder,
                host=host,
                pid=os.getpid(),
                expires_at=now + LIFETIME,
            )
        )

    def _renew(self) -> None:
        while not self._stop.wait(_HEARTBEAT):
            # Where the database is busy, the run itself is writing, and renews the lease with
            # what it commits.
            with suppress(OperationalError), self._engine.begin() as connection:
                connection.execute(
                    update(lease)
                    .where(lease.c.token == self._token)
                    .values(expires_at=time.time() + LIFETIME)
                )


def holder(connection: Connection) -> str | None:
    """Who works on the ledger now, or None."""
    held = connection.execute(select(lease).where(lease.c.name == _NAME)).one_or_none()
    if held is None or held.expires_at < time.time():
        return None
    if held.host == socket.gethostname() and not _is_alive(held.pid):
        return None
    return str(held.holder)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
