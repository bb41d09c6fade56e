"""`contact-sync export` and `contact-sync import`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from reconciler.cli.operator import Operator, holder, shown_errors
from reconciler.commands import job
from reconciler.ledger import Ledger
from reconciler.ledger.moving import FORM

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("export")
@click.argument("file", type=_FILE)
@click.pass_obj
def export(operator: Operator, file: Path) -> None:
    """Write settings, pairs and baselines to a new FILE, for another ledger to import.

    With them goes what the sync created and overwrote, so that it can still be reverted there. The
    FILE holds people's data; only its owner can read it.

    Example: contact-sync export sync.jsonl
    """
    ledger = operator.ledger
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be made: {error.strerror}") from None
    lines = -1
    with shown_errors(), os.fdopen(handle, "w", encoding="utf-8") as output:
        for lines, line in enumerate(ledger.moving.out()):
            if not lines:
                line |= {"settings": ledger.controls.get("settings")}
            output.write(json.dumps(line, ensure_ascii=False) + "\n")
    click.echo(f"{lines:,} pairs and records are in {file}")
    if ledger.overview.open_writes():
        click.echo(f"writes are under way that nobody has seen arrive; export again after: {job()}")


@click.command("import")
@click.argument("file", type=_FILE)
@click.pass_obj
def import_(operator: Operator, file: Path) -> None:
    """Take what another ledger has exported to FILE into a new ledger, which is made.

    It is the one that `ledger_url` names. The next run has to read everything again: meltano run
    --full-refresh contact-sync

    Example: contact-sync import sync.jsonl
    """
    url = operator.ledger_url
    try:
        opened = file.open(encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read: {error.strerror}") from None
    with opened, shown_errors():
        lines = _lines(file, opened)
        first = next(lines, {})
        if first.get("contact_sync") != FORM or not isinstance(first.get("salt"), str):
            raise click.ClickException(f"{file} was not made by the command export")
        ledger = Ledger(url)
        try:
            with ledger.alone(holder("import")):
                run = ledger.runs.begin("import")
                try:
                    made, alone = ledger.take_in(first["salt"], first.get("settings"), lines, run)
                except (KeyError, TypeError, AttributeError, ValueError):
                    ledger.runs.finish(run, {}, "the file is damaged")
                    raise click.ClickException(
                        f"{file} is damaged, nothing was imported; export it again"
                    ) from None
                ledger.runs.finish(run, {"paired": made})
        finally:
            ledger.close()
    click.echo(
        f"{made:,} pairs and {alone:,} single records. Now let the job use this ledger, and type: "
        f"{job('--full-refresh')}"
    )


def _lines(file: Path, opened: Any) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(opened, 1):
        try:
            line = json.loads(text)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise click.ClickException(
                f"line {number} of {file} is damaged, nothing was imported; export it again"
            )
        yield line
