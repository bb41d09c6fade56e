"""The data that benchmarks read: made once from the sandbox's people, kept in a folder.

    python -m benchmarks.data KIND CONTACTS FOLDER

is how a benchmark has it made, in a process of its own: the memory of the process that measures
counts as the least memory of every process that it starts.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from reconciler.fields.defaults import DEFAULT_MAPPINGS
from sandbox.clock import rfc3339
from sandbox.phoneiq.fields import blank_contact
from sandbox.phoneiq.store import contact_id

from benchmarks import sides
from benchmarks.measuring import ROOT
from benchmarks.sides import SALESFORCE_STREAMS, Record, Records, contact_stream_fields
from sandbox import names, people

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED: Final = 1

#: The kinds of data.
PEOPLE: Final = "people"
"""Both sides as the sandbox fills them: half of each side's contacts are the same people."""

TWO_NUMBERS: Final = "two-numbers"
"""Salesforce Contacts with two phone numbers each that nobody shares; no PhoneIQ contacts."""

MATCHING: Final = "matching"
"""The same, and for each a PhoneIQ contact with the same values; nothing but those says so."""


@dataclass(frozen=True)
class Data:
    """Both sides' records, and their first extracts.

    Attributes:
        folder: Where they are.
        contacts: How many contacts were asked for on each side.
    """

    folder: Path
    contacts: int

    @property
    def salesforce_extract(self) -> Path:
        """All that tap-salesforce would send."""
        return self.folder / "salesforce.jsonl"

    @property
    def phoneiq_extract(self) -> Path:
        """All that tap-phoneiq would send."""
        return self.folder / "phoneiq.jsonl"

    @property
    def salesforce_nothing(self) -> Path:
        """What tap-salesforce sends when nothing has changed."""
        return self.folder / "salesforce-nothing.jsonl"

    @property
    def phoneiq_nothing(self) -> Path:
        """What tap-phoneiq sends when nothing has changed."""
        return self.folder / "phoneiq-nothing.jsonl"

    @property
    def salesforce(self) -> Records:
        """Salesforce's records."""
        return Records(self.folder / "salesforce.db", "salesforce", _salesforce_fields())

    @property
    def phoneiq(self) -> Records:
        """PhoneIQ's contacts."""
        fields = {"contacts": contact_stream_fields()}
        return Records(self.folder / "phoneiq.db", "phoneiq", fields)


def made(kind: str, contacts: int, folder: Path) -> Data:
    """Return data, which is made unless the folder has it from before.

    Args:
        kind: `PEOPLE`, `TWO_NUMBERS` or `MATCHING`.
        contacts: How many contacts a side has.
        folder: Where data is kept.
    """
    # Other code would make other data.
    sources = b"".join(Path(source).read_bytes() for source in (__file__, sides.__file__))
    sources += Path(people.__file__).read_bytes() + repr(_salesforce_fields()).encode()
    version = hashlib.sha256(sources).hexdigest()[:8]
    data = Data(folder / f"{kind}-{contacts}-{version}", contacts)
    if not data.folder.exists():
        command = [sys.executable, "-m", "benchmarks.data", kind, str(contacts), str(data.folder)]
        subprocess.run(command, cwd=ROOT, check=True)
    return data


def _make(kind: str, contacts: int, folder: Path) -> None:
    os.umask(0o077)
    part = folder.with_suffix(".part")
    part.mkdir(parents=True)
    data = Data(part, contacts)
    salesforce, phoneiq = data.salesforce, data.phoneiq
    if kind == PEOPLE:
        _fill(salesforce, phoneiq, contacts)
    else:
        rows = list(_with_two_numbers(contacts))
        if kind == MATCHING:
            phoneiq.load("contacts", map(_contact_like, rows, range(1, contacts + 1)))
        salesforce.load("Contact", rows)
    salesforce.extract(data.salesforce_extract)
    salesforce.extract(data.salesforce_nothing, after=salesforce.position)
    phoneiq.extract(data.phoneiq_extract)
    phoneiq.extract(data.phoneiq_nothing, after=phoneiq.position)
    salesforce.close()
    phoneiq.close()
    part.rename(folder)


def _fill(salesforce: Records, phoneiq: Records, contacts: int) -> None:
    fields = _salesforce_fields()
    made = people.people(contacts, SEED)
    number = 0
    while chunk := list(islice(made, 10_000)):
        by_stream: dict[str, list[Record]] = {stream: [] for stream in fields}
        rows = []
        for person in chunk:
            for stream, row in person.records:
                by_stream[stream].append(_salesforce_record(row, fields[stream]))
            for row in person.contacts:
                number += 1
                rows.append(_contact(row, number))
        for stream, records in by_stream.items():
            salesforce.load(stream, records)
        phoneiq.load("contacts", rows)


def _with_two_numbers(contacts: int) -> Iterator[Record]:
    """Contacts that qualify, each with its own mobile number and that of another as work number."""
    fields = _salesforce_fields()["Contact"]
    rows = (
        row
        for person in people.people(6 * contacts + 100, SEED)
        for name, row in person.records
        if name == "Contact"
        and row["FirstName"]
        and row.get("MobilePhone", "") not in {"", None, *names.NO_NUMBER}
        and row["MailingCountry"]
    )
    left = contacts
    before: Record | None = None
    for row in rows:
        # Numbers are written as one writes them at home.
        if before is None or before["MailingCountry"] != row["MailingCountry"]:
            before = row
            continue
        numbers = {"Phone": before["MobilePhone"], "HomePhone": None, "OtherPhone": None}
        before = None
        yield _salesforce_record(row | numbers | {"IsDeleted": False}, fields)
        left -= 1
        if not left:
            return


def _contact_like(record: Record, number: int) -> Record:
    """The PhoneIQ contact with the same values as a Salesforce Contact."""
    row = {
        mapping.phoneiq: record[mapping.salesforce]
        for mapping in DEFAULT_MAPPINGS["Contact"]
        if mapping.related is None
    }
    times = {"created_at": record["CreatedDate"], "updated_at": record["SystemModstamp"]}
    return _contact(row | times, number)


def _contact(row: Record, number: int) -> Record:
    """A record of tap-phoneiq."""
    contact = blank_contact() | {"version": 1} | row | {"id": contact_id(number)}
    custom = contact.pop("custom_fields")
    contact |= {f"custom_{key}": value for key, value in custom.items()}
    return {name: _text(contact.get(name)) for name in contact_stream_fields()}


def _salesforce_record(row: Record, fields: list[str]) -> Record:
    """A record of tap-salesforce."""
    record = {field: _text(row.get(field)) for field in fields}
    for flag in ("IsDeleted", "IsPersonAccount", "IsConverted"):
        if flag in record:
            record[flag] = bool(record[flag])
    return record


def _text(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    return value.isoformat() if isinstance(value, date) else value


def _salesforce_fields() -> dict[str, list[str]]:
    """By stream, what contact-sync.yml selects, without an external id field."""
    project = msgspec.yaml.decode((ROOT / "contact-sync.yml").read_bytes())
    selected = next(
        plugin["select"]
        for plugin in project["plugins"]["extractors"]
        if plugin["name"] == "tap-salesforce"
    )
    fields: dict[str, list[str]] = {stream: [] for stream in SALESFORCE_STREAMS}
    for pattern in selected:
        stream, _, field = pattern.partition(".")
        if not field.endswith("__c"):
            fields[stream].append(field)
    return fields


if __name__ == "__main__":
    _make(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
