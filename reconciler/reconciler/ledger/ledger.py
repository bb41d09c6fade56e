"""The ledger: what each side showed, who is paired with whom, what was written and why.

It works in sets: what is asked for thousands of records is one statement, and what is read back
comes in chunks, so that memory stays flat whatever the number of contacts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from reconciler.ledger.approvals import Approvals
from reconciler.ledger.controls import Controls
from reconciler.ledger.database import KEPT_BACKUPS, Database
from reconciler.ledger.lease import Holder, Lease, holders
from reconciler.ledger.moving import Moving
from reconciler.ledger.observations import Layouts, Observations
from reconciler.ledger.overview import Overview
from reconciler.ledger.pairs import Pairs
from reconciler.ledger.plans import Plans
from reconciler.ledger.removals import Removals
from reconciler.ledger.rounds import Rounds
from reconciler.ledger.runs import Runs
from reconciler.ledger.undos import Undos


class Ledger:
    """An open ledger.

    Args:
        url: SQLAlchemy URL. A missing SQLite file is made, readable by its owner only; a database
            on a server has to be there.
        make: Whether a ledger is made where there is none.

    Attributes:
        id: Names the ledger in the STATE that passes through it.
        controls: What the operator has asked for.
        approvals: The writes that the operator has approved.
        runs: The recorded runs.
        rounds: Who shares the writes that follow from one pairing.
        observations: What each side showed last.
        pairs: Who is who.
        plans: What is open, and what was written.
        overview: Answers for people.
        removals: What the operator takes out.
        undos: What the operator takes back.
        moving: What another ledger would need to go on.

    Raises:
        LedgerError: It cannot be opened, a newer version made it, or there is none.
    """

    def __init__(self, url: str, *, make: bool = True) -> None:
        self._database = Database(url, make=make)
        layouts = Layouts(self._database)
        self.id = self._database.id
        self.controls = Controls(self._database)
        self.approvals = Approvals(self._database)
        self.runs = Runs(self._database)
        self.rounds = Rounds(self._database)
        self.observations = Observations(self._database, layouts)
        self.pairs = Pairs(self._database, layouts)
        self.plans = Plans(self._database, layouts)
        self.overview = Overview(self._database, layouts)
        self.removals = Removals(self._database, layouts)
        self.undos = Undos(self._database)
        self.moving = Moving(self._database, layouts)

    @classmethod
    def existing(cls, url: str) -> Ledger:
        """Open a ledger that must be there already.

        Raises:
            LedgerError: There is none, or it cannot be opened.
        """
        return cls(url, make=False)

    @contextmanager
    def copy(self) -> Iterator[Ledger]:
        """A copy to try things on, in an SQLite file; it is gone when the block is left.

        Taken while a job may be running: the copy shows one moment. The same is done for a ledger
        on a server. To try things there in a transaction that is rolled back would spare the
        copy, but it would keep a running job waiting for every row that it has touched. So the
        price is the time to read the whole ledger, and as much space for temporary files.
        """
        with tempfile.TemporaryDirectory(prefix="contact-sync-") as folder:
            path = Path(folder) / "ledger.db"
            self._database.copy_to(path)
            copy = Ledger(f"sqlite:///{path}")
            try:
                yield copy
            finally:
                copy.close()

    def back_up(self, keep: int = KEPT_BACKUPS, folder: Path | None = None) -> Path:
        """Write a backup, and remove older ones; see `Database.back_up`."""
        return self._database.back_up(keep, folder)

    def lease(self, holder: str) -> AbstractContextManager[Lease]:
        """Hold the ledger, or a share in it, once the lease is taken; see `Lease.take`."""
        return self._database.lease(holder)

    @contextmanager
    def alone(self, holder: str) -> Iterator[None]:
        """Have the ledger to oneself.

        Raises:
            LeaseHeldError: Someone works on it.
        """
        with self.lease(holder) as lease:
            lease.take("run")
            yield

    def take_in(
        self, salt: str, settings: Any, lines: Iterable[Mapping[str, Any]], run: int
    ) -> tuple[int, int]:
        """Go on where another ledger was left; see `Moving.into`."""
        taken = self.moving.into(lines, run)
        self._database.keep_salt(salt)
        self.observations.index()
        self.controls.set({"settings": settings})
        return taken

    def holders(self) -> list[Holder]:
        """Who works on the ledger now."""
        with self._database.reading() as connection:
            return holders(connection)

    def note_progress(self, progress: Mapping[str, Any]) -> None:
        """Let others know how far this run is."""
        with self._database.transaction() as connection:
            if self._database.held is not None:
                self._database.held.note(connection, progress=progress)

    def close(self) -> None:
        """Give the database's connections back."""
        self._database.close()
