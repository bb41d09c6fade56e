"""The lists: history, skips, conflicts, pairs, rejects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeVar, get_args

import click
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from reconciler.cli.operator import (
    Operator,
    ago,
    as_csv,
    as_json,
    named,
    print_rows,
    shown,
    shown_errors,
)
from reconciler.cli.planning import check_read
from reconciler.commands import command
from reconciler.ledger.runs import Run
from reconciler.lifecycle import remedy_of
from reconciler.model import SIDES, SkipReason, Winner
from reconciler.preview import pair, prepare

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Rows that people get to see where they do not say how many.
_SCREEN: Final = 50
_COUNTS: Final = ("created", "updated", "deleted")


def _list_options(command: _Command) -> _Command:
    for option in (
        click.option(
            "--limit",
            type=click.IntRange(min=1),
            help=f"At most so many; by default {_SCREEN}, for programs all.",
        ),
        click.option("--csv", "form", flag_value="csv", help="For spreadsheets."),
        click.option("--json", "form", flag_value="json", help="For programs."),
    ):
        command = option(command)
    return command


def _most(form: str | None, limit: int | None) -> int | None:
    """How many rows to ask for: one more than is shown tells whether there are more."""
    if form is not None:
        return limit
    return (limit or _SCREEN) + 1


def _for_people(operator: Operator, rows: Sequence[Any], limit: int | None, name: str) -> Any:
    """The rows that are shown; says so where there are none, or more."""
    limit = limit or _SCREEN
    if not rows:
        operator.console.print("none")
    if len(rows) > limit:
        more = command(f"{name} --limit {limit * 10}")
        operator.console.print(f"{limit:,} shown; for more: {more}")
    return rows[:limit]


@click.command()
@_list_options
@click.pass_obj
def history(operator: Operator, form: str | None, limit: int | None) -> None:
    """List the runs: what each one read and wrote, and how it ended.

    Example: contact-sync history --limit 3
    """
    runs = operator.ledger.runs.history(_most(form, limit))
    if form == "json":
        as_json([run._asdict() for run in runs])
        return
    if form == "csv":
        counts = ("read", "changed", "paired", *_COUNTS, "confirmed", "skipped", "seconds")
        as_csv(
            ("run", "pipe", "part", "started_at", "finished_at", "outcome", *counts, "error"),
            [
                run._asdict() | {name: _count(run.summary.get(name)) for name in counts}
                for run in runs
            ],
        )
        return
    runs = _for_people(operator, runs, limit, "history")
    if runs:
        print_runs(operator.console, runs)
    for run in runs:
        if run.error:
            operator.console.print(f"run {run.run} failed: {run.error}", markup=False)


def print_runs(console: Console, runs: Sequence[Run]) -> None:
    """Print the runs, one a line."""
    listed: list[list[Any]] = []
    for run in runs:
        counts = run.summary
        written = [f"{counts[name]:,} {name}" for name in _COUNTS if counts.get(name)]
        listed.append(
            [
                str(run.run),
                run.name,
                ago(run.started_at),
                Text(run.outcome, "red" if run.outcome == "failed" else ""),
                f"{counts.get('read', 0):,}",
                ", ".join(written) or "-",
                f"{_count(counts.get('skipped')) or 0:,}",
            ]
        )
    names = ("run", "pipe", "started", "ended", "read", "written", "skipped")
    print_rows(console, names, listed)


def _count(value: Any) -> Any:
    return sum(value.values()) if isinstance(value, dict) else value


@click.command()
@click.option("--side", type=click.Choice(SIDES), help="Only of one side.")
@click.option("--reason", type=click.Choice(get_args(SkipReason)), help="Only for one reason.")
@_list_options
@click.pass_obj
def skips(
    operator: Operator, side: Any, reason: str | None, form: str | None, limit: int | None
) -> None:
    """List the records, and fields of records, that take no part now, and why.

    Example: contact-sync skips --reason no_valid_phone --csv
    """
    found = operator.ledger.overview.skips(side=side, reason=reason)
    rows = list(islice(found, _most(form, limit)))
    if form == "json":
        as_json([row._asdict() for row in rows])
        return
    if form == "csv":
        names = ("reason", "side", "object", "id", "field", "holder")
        as_csv(names, (row._asdict() for row in rows))
        return
    rows = _for_people(operator, rows, limit, "skips")
    if not rows:
        return
    listed: list[list[Any]] = []
    for row in rows:
        what = f"field {row.field}" if row.field else f"held by {row.holder}" if row.holder else ""
        listed.append([row.reason, named(row.side, row.object, row.id), what])
    print_rows(operator.console, ("reason", "record", "what"), listed)
    operator.console.print()
    for name in sorted({row.reason for row in rows}):
        operator.console.print(f"{name}: {remedy_of(name)}", markup=False)
    operator.console.print(f"all about one of them: {command('explain ID')}")


@click.command()
@click.option("--resolution", type=click.Choice(get_args(Winner)), help="Only of one resolution.")
@_list_options
@click.pass_obj
def conflicts(
    operator: Operator, resolution: str | None, form: str | None, limit: int | None
) -> None:
    """List the conflicts, newest first: both values, and whose stood.

    Example: contact-sync conflicts --json
    """
    found = operator.ledger.overview.conflicts(resolution=resolution)
    rows = list(islice(found, _most(form, limit)))
    if form == "json":
        as_json([row._asdict() for row in rows])
        return
    if form == "csv":
        names = ("run", "at", "salesforce_id", "phoneiq_id", "field", "salesforce", "phoneiq",
                 "resolution")  # fmt: skip
        as_csv(names, (row._asdict() for row in rows))
        return
    rows = _for_people(operator, rows, limit, "conflicts")
    if not rows:
        return
    listed = [
        [
            f"{row.run}\n({ago(row.at)})",
            f"{row.salesforce_id}\n{row.phoneiq_id}",
            operator.field(row.field),
            shown(row.salesforce),
            shown(row.phoneiq),
            row.resolution,
        ]
        for row in rows
    ]
    columns = ("run", "pair", "field", "salesforce", "phoneiq", "resolution")
    print_rows(operator.console, columns, listed)


@click.command()
@click.option(
    "--name-mismatch", is_flag=True, help="Only those of people with different full names."
)
@click.option("--planned", is_flag=True, help="Also those that the next run would make.")
@_list_options
@click.pass_obj
def pairs(
    operator: Operator, name_mismatch: bool, planned: bool, form: str | None, limit: int | None
) -> None:
    """List the pairs, oldest first: both ids, and how each was found.

    With --name-mismatch, those whose two records have different full names now, and the names.

    Example: contact-sync pairs --name-mismatch
    """
    most = _most(form, limit)
    if planned:
        with shown_errors(), operator.ledger.copy() as copy:
            settings = operator.settings()
            prepare(copy, settings)
            check_read(copy)
            pair(copy, settings)
            rows = list(islice(copy.overview.pairs(name_mismatch=name_mismatch), most))
    else:
        rows = list(islice(operator.ledger.overview.pairs(name_mismatch=name_mismatch), most))
    names: tuple[str, ...] = ("object", "salesforce_id", "phoneiq_id", "found_by", "run")
    if name_mismatch:
        names += ("salesforce_name", "phoneiq_name")
    if form is not None:
        listed = [{name: getattr(row, name) for name in names} for row in rows]
        if form == "json":
            as_json(listed)
        else:
            as_csv(names, listed)
        return
    options = (" --planned" if planned else "") + (" --name-mismatch" if name_mismatch else "")
    typed = command(f"pairs{options}")
    rows = _for_people(operator, rows, limit, typed)
    if rows:
        cells = [[str(getattr(row, name)) for name in names] for row in rows]
        print_rows(operator.console, tuple(name.replace("_", " ") for name in names), cells)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@_list_options
@click.pass_obj
def rejects(
    operator: Operator, files: tuple[Path, ...], form: str | None, limit: int | None
) -> None:
    """List what the targets were refused, newest first, from their reject FILES.

    Without FILES, those named rejects-*.jsonl in the folders `output` and `.`.

    Example: contact-sync rejects output/rejects-target-salesforce.jsonl
    """
    rows: list[dict[str, Any]] = []
    for path in files or reject_files():
        rows.extend(reject_rows(path))
    rows.sort(key=lambda row: str(row["time"]), reverse=True)
    rows = rows[: _most(form, limit)]
    if form == "json":
        as_json(rows)
        return
    if form == "csv":
        names = ("time", "target", "stream", "action", "id", "code", "fields", "message")
        as_csv(names, rows)
        return
    rows = _for_people(operator, rows, limit, "rejects")
    for row in rows:
        fields = f" ({row['fields']})" if row["fields"] else ""
        operator.console.print(
            Text.assemble(
                (f"{ago(row['time'])}  ", "bright_black"),
                f"{row['target']}: {row['action']} {row['stream']} {row['id'] or '(new)'}",
            )
        )
        operator.console.print(
            Padding(
                Text.assemble((row["code"], "red"), f"{fields}: {row['message']}"),
                (0, 4),
                expand=False,
            )
        )
    if rows:
        operator.console.print(
            "\nThe next two runs try them again, then they are left out until a value changes. "
            "What a value has to be is in the message; all about one of them: "
            f"{command('explain ID')}"
        )


def reject_files() -> tuple[Path, ...]:
    """The reject files of the project that the command runs in."""
    return tuple(
        path for folder in ("output", ".") for path in sorted(Path(folder).glob("rejects-*.jsonl"))
    )


def reject_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The entries of a reject file; lines that are none are counted, and said in one line.

    A line is cut where a target crashed in the middle of it. Only a line feed ends a line: a text
    may hold U+2028 and its like, which end lines elsewhere.
    """
    wrong: list[int] = []
    found = 0
    line = b""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                row = _reject(line)
                if row is not None:
                    found += 1
                    yield row
                elif line.strip():
                    wrong.append(number)
    except OSError as error:
        raise click.ClickException(f"{path} cannot be read: {error.strerror}") from None
    if wrong and not found and line.endswith(b"\n"):
        raise click.ClickException(f"line {wrong[0]} of {path} is not an entry of a reject file")
    if wrong:
        more = f", and {len(wrong) - 1} more," if len(wrong) > 1 else ""
        click.echo(
            f"line {wrong[0]}{more} of {path} cannot be read and is left out: cut by a crash, or "
            "not an entry of a reject file",
            err=True,
        )


def _reject(line: bytes) -> dict[str, Any] | None:
    """One line of a reject file; None where it is no entry of one."""
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
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
