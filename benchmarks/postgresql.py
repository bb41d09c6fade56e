"""A ledger on PostgreSQL: against SQLite, and with several workers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.data import TWO_NUMBERS
from benchmarks.measuring import Contender, in_turn, run
from benchmarks.pipes import OBSERVE, TO_PHONEIQ, LedgerFile, reconciler
from benchmarks.rows import Bench, Found, NotMeasuredError, compared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL


@contextmanager
def server() -> Iterator[URL]:
    """A PostgreSQL that keeps what it has committed, as one does that is in use."""
    # Imported only now: what this process holds counts as the least memory of its children.
    from tests.postgresql import MISSING, cluster, programs

    folder = programs()
    if folder is None:
        raise NotMeasuredError(MISSING)
    with cluster(folder, fsync="on", full_page_writes="on", shared_buffers="128MB") as url:
        yield url


def empty(url: URL) -> None:
    """Take away what is in the database."""
    import psycopg

    text = url.render_as_string(hide_password=False)
    with psycopg.connect(text, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def first_sync(bench: Bench) -> Found:
    """The first sync of `first-sync` with either ledger."""
    data = bench.data(TWO_NUMBERS, bench.sizes.mapper)
    folder = bench.work("postgresql")
    file = LedgerFile(folder / "ledger.db")
    run(reconciler(OBSERVE, file.url, folder, reads=data.phoneiq_nothing))
    file.save()
    with server() as url:
        ledger = url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
        observe = reconciler(OBSERVE, ledger, folder, reads=data.phoneiq_nothing)

        def begin_again() -> None:
            empty(url)
            run(observe)

        ours, theirs = (
            Contender(
                command=reconciler(
                    TO_PHONEIQ, at, folder, reads=data.salesforce_extract, prepare=prepare
                ),
                empty=reconciler(
                    TO_PHONEIQ, at, folder, reads=data.salesforce_nothing, prepare=prepare
                ),
            )
            for at, prepare in ((ledger, begin_again), (file.url, file.restore))
        )
        measured = in_turn([ours, theirs], bench.sizes.rounds)
    row = compared(
        "postgresql-ledger",
        "reconciler, first sync with a ledger on PostgreSQL",
        "SQLite",
        records=data.contacts,
        ours=measured[0],
        theirs=measured[1],
        target=0.5,
    )
    return Found([row])
