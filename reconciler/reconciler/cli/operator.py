"""What every command works with: the ledger, the settings, the screen."""

from __future__ import annotations

import csv
import json
import os
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import click
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reconciler.commands import STARTED_BY_MELTANO, command, job
from reconciler.errors import ReconcilerError
from reconciler.fields.canonical import known
from reconciler.fields.ids import salesforce_id
from reconciler.fields.phones import (
    canonical_phone,
    is_valid,
    match_number,
    numbers_anywhere,
)
from reconciler.ledger import Ledger
from reconciler.model import SALESFORCE, Side
from reconciler.settings import JSON_SCHEMA, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a formula begins with, also in wide letters, and what may stand before it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
#: Columns that a text gets at least before rows are shown below each other.
_READABLE: Final = 24
#: Columns between two columns of a table.
_GAP: Final = 2

_PREFIX: Final = "RECONCILER_"

#: Columns of a screen on which both names of a field fit a line.
_WIDE: Final = 120
#: Columns of ids and words that are read, copied and searched for as a whole.
_WHOLE: Final = frozenset(
    {
        "run",
        "pipe",
        "started",
        "ended",
        "read",
        "skipped",
        "reason",
        "record",
        "pair",
        "resolution",
        "field",
    }
)
_NUMBERS: Final = frozenset({"read", "skipped"})


class Operator:
    """The ledger that a command is about, opened when it is first needed.

    Args:
        ledger_url: SQLAlchemy URL of the ledger, or None where nobody has named it.
    """

    def __init__(self, ledger_url: str | None) -> None:
        self._ledger_url = ledger_url
        self._ledger: Ledger | None = None
        self.console = Console(highlight=False, soft_wrap=False)

    @property
    def ledger_url(self) -> str:
        """Where the ledger is.

        Raises:
            click.ClickException: Nobody has named it, or it cannot be there.
        """
        if self._ledger_url is None:
            raise click.UsageError(
                "which ledger? Name it with --ledger-url or RECONCILER_LEDGER_URL, or type it "
                "through Meltano, which knows it: meltano invoke reconciler:status"
            )
        with shown_errors():
            config = {"mode": "observe-phoneiq", "ledger_url": self._ledger_url}
            return Settings.from_config(config).ledger_url

    @property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            click.ClickException: There is none.
        """
        if self._ledger is None:
            with shown_errors():
                self._ledger = Ledger.existing(self.ledger_url)
        return self._ledger

    def settings(self) -> Settings:
        """The settings of the job.

        Those that the environment names (as Meltano passes them), over those that the ledger was
        last planned with.

        Raises:
            click.ClickException: One of them is wrong.
        """
        with shown_errors():
            return self.settings_over(self.ledger)

    def settings_over(self, ledger: Ledger | None) -> Settings:
        """The settings of the job, where there may be no ledger yet.

        Raises:
            SettingsError: One of them is wrong.
        """
        # Meltano passes all settings that there are: what it does not pass has its default.
        is_complete = STARTED_BY_MELTANO in os.environ and f"{_PREFIX}SYNC_DIRECTION" in os.environ
        held = None if ledger is None or is_complete else ledger.controls.get("settings")
        config: dict[str, Any] = dict(held or {})
        for name in JSON_SCHEMA["properties"]:
            value = os.environ.get(f"{_PREFIX}{name.upper()}")
            if value:
                config[name] = value
        config |= {"mode": "observe-phoneiq", "ledger_url": self.ledger_url}
        return Settings.from_config(config)

    def find(self, text: str, *, in_any_country: bool = False) -> list[int]:
        """The rows of the records that a Salesforce id, PhoneIQ id, number or address names.

        Args:
            text: What a person typed.
            in_any_country: Whether a number without a country code that is nobody's in
                `default_region` may be one of any country.

        Raises:
            click.ClickException: There is none.
        """
        overview = self.ledger.overview
        number = canonical_phone(text, self.settings().default_region)
        rows = overview.find(
            ids=[text, salesforce_id(text)],
            numbers=[match_number(number)] if number and is_valid(number) else [],
            email=text.casefold() if "@" in text else None,
        )
        if not rows and in_any_country:
            numbers = [match_number(one) for one in numbers_anywhere(text)]
            rows = overview.find(ids=[], numbers=numbers, email=None)
        if not rows:
            raise click.ClickException(
                "the ledger knows no record with this id, phone number or e-mail address. If it "
                f"is new, the next run will see it: {job()}"
            )
        return rows

    def check_standing(self) -> None:
        """Refuse to change pairs while there are none to be.

        Raises:
            click.ClickException: The sync is deleted, or is being reverted.
        """
        controls = self.ledger.controls
        if controls.get("revert"):
            raise click.ClickException(f"a revert is under way; let it end first: {job()}")
        if controls.get("deleted_at"):
            raise click.ClickException(f"the sync is deleted; to start anew: {command('resume')}")

    def field(self, key: str) -> str:
        """A mapping on the screen: the PhoneIQ field, the same for all objects, and its twin."""
        salesforce, _, phoneiq = key.partition(">")
        gap = " " if self.console.width >= _WIDE else "\n"
        return f"{phoneiq}{gap}({salesforce})" if phoneiq else key

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()


def holder(command: str) -> str:
    """Who holds the ledger's lease, for people to read."""
    return f"contact-sync {command}, process {os.getpid()} on {socket.gethostname()}"


@contextmanager
def shown_errors() -> Iterator[None]:
    """Show what a user can cause as one message, without a traceback."""
    try:
        yield
    except ReconcilerError as error:
        raise click.ClickException(str(error)) from None


def as_json(value: Any) -> None:
    """Print a value for programs."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def as_csv(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Print rows for spreadsheets.

    A text that a spreadsheet would take for a formula gets an apostrophe in front (OWASP, CSV
    Injection). That goes for phone numbers, too: without it, one that begins with + would become a
    number. Programs take JSON.
    """
    writer = csv.DictWriter(sys.stdout, fieldnames=list(names))
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _for_spreadsheets(row.get(name)) for name in names})


def _for_spreadsheets(value: Any) -> Any:
    if isinstance(value, list | dict):
        value = str(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


def ago(moment: str | None) -> str:
    """How long ago an RFC 3339 moment was, in words."""
    if moment is None:
        return "never"
    then = datetime.fromisoformat(moment.replace("Z", "+00:00"))
    seconds = max(0, int((datetime.now(timezone.utc) - then).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def shown(value: Any) -> Text:
    """A field's value on the screen."""
    return Text("-" if value is None else str(known(value)))


def named(side: Side, object_: str, identifier: str | None) -> str:
    """A record on the screen."""
    name = object_ if side == SALESFORCE else "contact"
    return f"{side} {name} {identifier}" if identifier else f"{side}, a new {name}"


def print_rows(console: Console, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows as a table, or below each other where a table would be too narrow to read.

    Args:
        console: Where they go.
        names: The names of the columns.
        rows: The cells of each row, texts or `rich` texts.
    """
    cells = [[one if isinstance(one, Text) else Text(one) for one in row] for row in rows]
    needed = 0
    for position, name in enumerate(names):
        widths = [cell_len(line) for row in cells for line in row[position].plain.split("\n")]
        width = max([len(name), *widths])
        needed += (width if name in _WHOLE else min(width, _READABLE)) + _GAP
    if needed - _GAP <= console.width:
        listed = _table(names)
        for row in cells:
            listed.add_row(*row)
        console.print(listed)
        return
    for number, row in enumerate(cells):
        if number:
            console.print()
        grid = Table.grid(padding=(0, _GAP, 0, 0))
        grid.add_column(style="bright_black", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, cell in zip(names, row, strict=True):
            if cell.plain:
                grid.add_row(name, Text(" ").join(cell.split("\n")))
        console.print(grid)


def _table(names: Sequence[str]) -> Table:
    """An empty table that folds texts where the screen is narrow, and never cuts anything off."""
    made = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bright_black")
    for name in names:
        made.add_column(
            name,
            overflow="fold",
            no_wrap=name in _WHOLE,
            justify="right" if name in _NUMBERS else "left",
        )
    return made
