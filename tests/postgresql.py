"""A throwaway PostgreSQL, and empty places in it for ledgers."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url

#: The oldest one that the ledger is for.
_OLDEST = 15
_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
MISSING = (
    f"no PostgreSQL {_OLDEST} or newer: install your system's package (Debian: apt-get install "
    "postgresql), or name a server in TEST_POSTGRES_URL"
)

# Rows are deleted, tables stay: they take longer to make than most tests take.
_EMPTY = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT tablename AS name FROM pg_tables WHERE schemaname = '{schema}' LOOP
        EXECUTE format('DELETE FROM {schema}.%I', one.name);
    END LOOP;
    FOR one IN SELECT sequencename AS name FROM pg_sequences WHERE schemaname = '{schema}' LOOP
        PERFORM setval(format('{schema}.%I', one.name), 1, false);
    END LOOP;
END $$
"""


def programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs, or None."""
    found: list[Path] = [Path(one) for place in _PLACES for one in glob.glob(place)]  # noqa: PTH207
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    config = shutil.which("pg_config")
    if config:
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=False)
        found.append(Path(told.stdout.strip()))
    versions = {_version(one): one for one in found if (one / "initdb").exists()}
    newest = max(versions, default=0)
    return versions[newest] if newest >= _OLDEST else None


def _version(folder: Path) -> int:
    told = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    words = told.stdout.split()
    return int(words[2].split(".")[0].rstrip("devlbtarc")) if len(words) > 2 else 0


@contextlib.contextmanager
def cluster(folder: Path, **settings: str) -> Iterator[URL]:
    """A server of our own on a socket of its own; nothing of it is left afterwards.

    Args:
        folder: Where its programs are.
        settings: Its settings, in place of those that make tests fast.
    """
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    account: dict[str, object] = {}
    if os.geteuid() == 0:
        # PostgreSQL refuses to be run by root.
        entry = _unprivileged()
        os.chown(home, entry.pw_uid, entry.pw_gid)
        account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def run(*command: object) -> None:
        subprocess.run(
            [str(part) for part in command],
            check=True,
            cwd=home,
            stdout=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "HOME": str(home)},
            **account,  # type: ignore[call-overload]
        )

    data = home / "data"
    options = {
        "listen_addresses": "",
        "unix_socket_directories": home,
        "fsync": "off",
        "full_page_writes": "off",
        "shared_buffers": "32MB",
        "max_connections": "50",
        **settings,
    }
    try:
        # A collation that sorts unlike SQLite, where the ledger does not say how to sort.
        locale = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en")
        run(folder / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", *locale)
        told = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        run(folder / "pg_ctl", "start", "-w", "-D", data, "-l", home / "log", "-o", told)
        # Its input ends with us, also where we are killed.
        stop = f"read _; '{folder}/pg_ctl' stop -D '{data}' -m immediate; rm -rf '{home}'"
        with subprocess.Popen(
            ["sh", "-c", stop],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
            **account,  # type: ignore[call-overload]
        ):
            yield make_url("postgresql://postgres@/postgres").update_query_dict({"host": str(home)})
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise LookupError("root needs an account 'postgres' or 'nobody' to run PostgreSQL")


class Places:
    """Empty places for ledgers: schemas of a database of our own, which are used over and over.

    Args:
        server: A database of the server that we may make others from.
    """

    def __init__(self, server: URL) -> None:
        self._server = server
        self._database = f"contact_sync_test_{os.getpid()}"
        self._made = 0
        self._taken = 0
        with self._connect(server) as connection:
            connection.execute(f"CREATE DATABASE {self._database}")
        self._url = server.set(database=self._database, drivername="postgresql+psycopg")
        self._connection = self._connect(self._url)

    @staticmethod
    def _connect(url: URL) -> psycopg.Connection:
        text = url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(text, autocommit=True)

    def take(self) -> str:
        """The URL of an empty place."""
        self._taken += 1
        schema = f"ledger_{self._taken}"
        if self._taken > self._made:
            self._connection.execute(f"CREATE SCHEMA {schema}")
            self._made += 1
        else:
            self._connection.execute("SET lock_timeout = '20s'")
            self._connection.execute(_EMPTY.format(schema=schema))
        url = self._url.update_query_dict({"options": f"-csearch_path={schema}"})
        return url.render_as_string(hide_password=False)

    def give_back(self) -> None:
        """Nothing that was taken is used any more."""
        self._taken = 0

    def close(self) -> None:
        """Drop the database."""
        self._connection.close()
        with self._connect(self._server) as connection:
            connection.execute(f"DROP DATABASE {self._database} WITH (FORCE)")
