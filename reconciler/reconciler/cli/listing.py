"""The lists: history, skips, conflicts, rejects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from rich.table import Table

from reconciler.cli.operator import Operator, as_csv, as_json, shown
from reconciler.lifecycle import REMEDIES
from reconciler.model import SkipReason, Winner

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _list_options(command: _Command) -> _Command:
    for option in (
        click.option("--limit", default=100, show_default=True, help="Show at most so many."),
        click.option("--csv", "form", flag_value="csv", help="For spreadsheets."),
        click.option("--json", "form", flag_value="json", help="For programs."),
    ):
        command = option(command)
    return command


def _print(
    operator: Operator, names: Sequence[str], rows: Sequence[Mapping[str, Any]], form: str | None
) -> None:
    if form == "json":
        as_json(list(rows))
    elif form == "csv":
        as_csv(names, rows)
    elif not rows:
        operator.console.print("none")
    else:
        table = Table(*names, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(shown(row[name]) for name in names))
        operator.console.print(table)


@click.command()
@_list_options
@click.pass_obj
def history(operator: Operator, form: str | None, limit: int) -> None:
    """List the runs: what each one read and wrote, and how it ended.

    Example: contact-sync history --limit 3
    """
    runs = operator.ledger.runs.history(limit)
    if form == "json":
        as_json([run._asdict() for run in runs])
        return
    counts = ("read", "changed", "paired", "created", "updated", "deleted", "skipped")
    rows = [
        {"run": run.run, "pipe": run.pipe, "started": run.started_at[:19].replace("T", " ")}
        | {"outcome": run.outcome}
        | {name: _count(run.summary.get(name)) for name in counts}
        for run in runs
    ]
    _print(operator, ("run", "pipe", "started", "outcome", *counts), rows, form)
    if form is None:
        for run in runs:
            if run.error:
                click.echo(f"run {run.run} failed: {run.error}")


@click.command()
@click.option("--side", type=click.Choice(["salesforce", "phoneiq"]), help="Only of one side.")
@click.option("--reason", type=click.Choice(get_args(SkipReason)), help="Only for one reason.")
@_list_options
@click.pass_obj
def skips(operator: Operator, side: Any, reason: str | None, form: str | None, limit: int) -> None:
    """List the records, and fields of records, that take no part now, and why.

    Example: contact-sync skips --reason no_valid_phone --csv
    """
    rows = [
        row._asdict()
        for row in operator.ledger.overview.skips(side=side, reason=reason, limit=limit)
    ]
    _print(operator, ("reason", "side", "object", "id", "field", "holder"), rows, form)
    if form is None:
        for name in sorted({row["reason"] for row in rows}):
            click.echo(f"{name}: {REMEDIES.get(name, 'type: contact-sync explain ID')}")


@click.command()
@click.option("--resolution", type=click.Choice(get_args(Winner)), help="Only of one resolution.")
@_list_options
@click.pass_obj
def conflicts(operator: Operator, resolution: str | None, form: str | None, limit: int) -> None:
    """List the conflicts, newest first: both values, and whose stood.

    Example: contact-sync conflicts --json
    """
    rows = [
        row._asdict()
        for row in operator.ledger.overview.conflicts(resolution=resolution, limit=limit)
    ]
    names = ("run", "at", "salesforce_id", "phoneiq_id", "field", "salesforce", "phoneiq",
             "resolution")  # fmt: skip
    _print(operator, names, rows, form)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@_list_options
@click.pass_obj
def rejects(operator: Operator, files: tuple[Path, ...], form: str | None, limit: int) -> None:
    """List what the targets were refused, newest first, from their reject FILES.

    Without FILES, those named rejects-*.jsonl in the folders `output` and `.`.

    Example: contact-sync rejects output/rejects-target-salesforce.jsonl
    """
    found = files or tuple(
        path for folder in ("output", ".") for path in sorted(Path(folder).glob("rejects-*.jsonl"))
    )
    rows: list[dict[str, Any]] = []
    for path in found:
        try:
            lines = path.read_text().splitlines()
        except OSError as error:
            raise click.ClickException(f"{path} cannot be read: {error.strerror}") from None
        rows.extend(_reject(path, number, line) for number, line in enumerate(lines, 1))
    rows.sort(key=lambda row: str(row["time"]), reverse=True)
    names = ("time", "target", "stream", "action", "id", "code", "fields", "message")
    _print(operator, names, rows[:limit], form)


def _count(value: Any) -> int | None:
    return sum(value.values()) if isinstance(value, dict) else value


def _reject(path: Path, number: int, line: str) -> dict[str, Any]:
    """One line of a reject file."""
    try:
        entry = json.loads(line)
        error = entry["error"]
        return {
            "time": entry["time"],
            "target": entry["target"],
            "stream": entry["stream"],
            "action": entry["action"],
            "id": entry.get("id") or entry.get("external_id"),
            "code": error["code"],
            "fields": ", ".join(error.get("fields") or ()),
            "message": error["message"],
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise click.ClickException(
            f"line {number} of {path} is not an entry of a reject file"
        ) from None
