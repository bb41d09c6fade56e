"""A ledger on PostgreSQL: against one in an SQLite file, and with several workers."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.data import TWO_NUMBERS
from benchmarks.measuring import Command, Contender, in_turn, run
from benchmarks.pipes import OBSERVE, TO_PHONEIQ, LedgerFile, reconciler, settings_file
from benchmarks.rows import Bench, Found, NotMeasuredError, compared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import URL


class Server:
    """A PostgreSQL, and databases in it that are copies of others.

    Args:
        url: A database that stays empty.
    """

    def __init__(self, url: URL) -> None:
        self._url = url

    def ledger(self, name: str) -> str:
        """The `ledger_url` of a database."""
        url = self._url.set(drivername="postgresql+psycopg", database=name)
        return url.render_as_string(hide_password=False)

    def renew(self, name: str, like: str = "template1") -> None:
        """Make a database what another one is."""
        # Imported only now: what this process holds counts as the least memory of its children.
        import psycopg

        text = self._url.render_as_string(hide_password=False)
        with psycopg.connect(text, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
            # What the copy leaves to be written is not the next measurement's.
            connection.execute("CHECKPOINT")


@contextmanager
def server() -> Iterator[Server]:
    """A server that keeps what it has committed, as one does that is in use."""
    from tests.postgresql import MISSING, cluster, programs

    folder = programs()
    if folder is None:
        raise NotMeasuredError(MISSING)
    with cluster(folder, fsync="on", full_page_writes="on", shared_buffers="128MB") as url:
        yield Server(url)


def first_sync(bench: Bench) -> Found:
    """What `first-sync` measures, with either ledger."""
    data = bench.data(TWO_NUMBERS, bench.sizes.mapper)
    folder = bench.work("postgresql-ledger")
    file = LedgerFile(folder / "ledger.db")
    run(reconciler(OBSERVE, file.url, folder, reads=data.phoneiq_nothing))
    file.save()
    with server() as postgresql:
        postgresql.renew("observed")
        observed, ledger = postgresql.ledger("observed"), postgresql.ledger("ledger")
        run(reconciler(OBSERVE, observed, folder, reads=data.phoneiq_nothing))
        contenders = []
        for at, prepare in (
            (ledger, lambda: postgresql.renew("ledger", like="observed")),
            (file.url, file.restore),
        ):
            full, empty = (
                reconciler(TO_PHONEIQ, at, folder, reads=stream, prepare=prepare)
                for stream in (data.salesforce_extract, data.salesforce_nothing)
            )
            contenders.append(Contender(command=full, empty=empty))
        measured = in_turn(contenders, bench.sizes.rounds)
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


def workers(bench: Bench) -> Found:
    """The writes of a first sync, sent by four workers, by one, and by two."""
    data = bench.data(TWO_NUMBERS, bench.sizes.workers)
    folder = bench.work("workers")
    with server() as postgresql:
        for name, salesforce in (
            ("observed", data.salesforce_extract),
            ("nothing", data.salesforce_nothing),
        ):
            postgresql.renew(name)
            at = postgresql.ledger(name)
            run(reconciler(OBSERVE, at, folder, reads=data.phoneiq_nothing))
            run(reconciler("observe-salesforce", at, folder, reads=salesforce))
        contenders = [
            Contender(
                command=_emit(postgresql, folder, "observed", shards),
                empty=_emit(postgresql, folder, "nothing", shards),
            )
            for shards in (4, 1, 2)
        ]
        four, one, two = in_turn(contenders, bench.sizes.rounds)
    row = compared(
        "workers",
        "tap-contact-sync, 4 workers over one ledger on PostgreSQL",
        "1 worker",
        records=data.contacts,
        ours=four,
        theirs=one,
        target=1.6,
    )
    row.figures["two_workers"] = two.as_dict() | {"ratio": round(one.net / two.net, 2)}
    return Found([row])


def _emit(postgresql: Server, folder: Path, like: str, shards: int) -> Command:
    """As many workers as shards, each with one, on a copy of a ledger."""
    ledger = postgresql.ledger("ledger")
    settings = [
        settings_file(
            f"{like}-{number}-of-{shards}",
            {"mode": TO_PHONEIQ, "ledger_url": ledger, "shard": f"{number}/{shards}"},
            folder,
        )
        for number in range(1, shards + 1)
    ]
    return Command(
        name=f"{shards} workers",
        arguments=[sys.executable, "-m", "benchmarks.side_by_side", *settings],
        log=folder / f"{shards}-workers.log",
        prepare=lambda: postgresql.renew("ledger", like=like),
    )
