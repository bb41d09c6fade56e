"""`contact-sync backup` and `contact-sync restore`."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
from sqlalchemy.engine import make_url

from reconciler.cli.operator import Operator, holder, shown_errors
from reconciler.commands import command, job
from reconciler.errors import DamagedLedgerError
from reconciler.ledger import Ledger
from reconciler.ledger.database import KEPT_BACKUPS


@click.command()
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=KEPT_BACKUPS,
    show_default=True,
    help="Remove older backups of this ledger but for so many.",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for it; by default, backups beside the ledger's file.",
)
@click.pass_obj
def backup(operator: Operator, keep: int, folder: Path | None) -> None:
    """Write a copy of the ledger as it is now; a job may be running.

    It is an SQLite file with people's data; only its owner can read it.

    Example: contact-sync backup --keep 10
    """
    path = operator.ledger.back_up(keep, folder)
    click.echo(f"backup: {path}. To put it back: {command(f'restore {path}')}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def restore(operator: Operator, file: Path, yes: bool) -> None:
    """Put a backup FILE in the place of the ledger, which is kept under another name.

    The next run has to read everything again: meltano run --full-refresh contact-sync

    Example: contact-sync restore backups/ledger-1f2e3d4c-20261201T020000000000Z.db
    """
    url = operator.ledger_url
    if make_url(url).get_backend_name() != "sqlite":
        raise click.ClickException(
            "restore puts a file back, and this ledger is a database on a server: use the server's "
            f"own backups, or let ledger_url name the file (sqlite:///{file}); then type: "
            f"{job('--full-refresh')}"
        )
    reason = _why_not(file)
    if reason:
        raise click.ClickException(f"{file} cannot be restored: {reason}")
    path = Path(make_url(url).database or "")
    if path.exists() and path.samefile(file):
        raise click.ClickException(f"{file} is the ledger itself; name a backup of it")
    if not yes:
        click.confirm(f"Put {file} in the place of {path}?", abort=True)
    with shown_errors():
        _replace(path, file, url)
    click.echo(f"restored. Its bookmarks are newer than it, so type: {job('--full-refresh')}")


def _why_not(file: Path) -> str | None:
    """Why a file is no backup, or None where it is one."""
    if not file.is_file():
        return "there is no such file"
    try:
        with closing(sqlite3.connect(file)) as connection:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if found != "ok":
                return "it is damaged"
            named = connection.execute("SELECT 1 FROM meta WHERE key = 'ledger_id'").fetchone()
            return None if named else "it is no ledger"
    except sqlite3.Error:
        return "it is no ledger, or damaged"


def _replace(path: Path, file: Path, url: str) -> None:
    """Put a copy of a file in the place of the ledger, while no run works on it."""
    with suppress(DamagedLedgerError):
        if path.is_file() and path.stat().st_size:
            ledger = Ledger(url)
            try:
                with ledger.alone(holder("restore")):
                    pass
            finally:
                ledger.close()
    copy = path.with_name(f"{path.name}.restored")
    copy.unlink(missing_ok=True)
    os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    moment = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    for suffix in ("", "-wal", "-shm"):
        old: Any = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(path.with_name(f"{path.name}.before-{moment}{suffix}"))
    copy.rename(path)
