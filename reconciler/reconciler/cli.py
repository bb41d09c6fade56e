"""The operator's commands."""

from __future__ import annotations

import json
import sys
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from reconciler.errors import ReconcilerError
from reconciler.ledger import Ledger


@click.group()
@click.option(
    "--ledger-url",
    envvar="RECONCILER_LEDGER_URL",
    required=True,
    help="SQLAlchemy URL of the ledger: sqlite:///PATH. [env: RECONCILER_LEDGER_URL]",
)
@click.pass_context
def main(context: click.Context, ledger_url: str) -> None:
    """See what the contact sync does."""
    try:
        context.obj = Ledger.existing(ledger_url)
    except ReconcilerError as error:
        raise click.ClickException(str(error)) from None
    context.call_on_close(context.obj.close)


@main.command()
@click.option("--limit", default=30, show_default=True, help="How many of the newest runs.")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, newest run first.")
@click.pass_obj
def history(ledger: Ledger, limit: int, as_json: bool) -> None:
    """List the runs: what each one read and wrote, and how it ended.

    Example: contact-sync history --limit 3
    """
    runs = ledger.runs.history(limit)
    if as_json:
        click.echo(json.dumps([run._asdict() for run in runs], indent=2))
        return
    table = Table("run", "pipe", "started", "outcome", box=None, pad_edge=False)
    for name in ("read", "changed", "paired", "created", "updated", "deleted", "skipped"):
        table.add_column(name, justify="right")
    for run in runs:
        table.add_row(
            str(run.run),
            run.pipe,
            run.started_at[:19].replace("T", " "),
            run.outcome,
            *(
                _count(run.summary.get(column.header if isinstance(column.header, str) else ""))
                for column in table.columns[4:]
            ),
        )
    Console(file=sys.stdout).print(table)
    for run in runs:
        if run.error:
            click.echo(f"run {run.run} failed: {run.error}")


def _count(value: Any) -> str:
    if isinstance(value, dict):
        value = sum(value.values())
    return f"{value:,}" if value is not None else "-"
