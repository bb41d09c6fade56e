"""How quickly the operator's commands answer on a ledger with a million records.

    python benchmarks/answers.py [--records 1000000] [--ledger FOLDER]

Makes a ledger of half as many Salesforce records, each paired with a PhoneIQ contact by reference,
one in fifty of Salesforce skipped, and a journal of a create for each pair. Then asks as a person
would, and prints the median of each command as a process of its own, and of its answer alone, from
opening the ledger to the last line, once Python has started and imported what it needs.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from click.testing import CliRunner
from reconciler.cli import main as contact_sync
from reconciler.ledger import Ledger
from reconciler.model import PHONEIQ, SALESFORCE, Observation
from reconciler.settings import Settings

BATCH = 20_000
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
REPEATS = 7


def salesforce_id(number: int) -> str:
    digits = ""
    for _ in range(9):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return f"003gn0{digits}AAA"


def number_of(row: int) -> str:
    return f"+1212{2_000_000 + row}"


def observation(side: str, row: int) -> Observation:
    """A person on one side; one in fifty has no phone number in Salesforce."""
    silent = side == SALESFORCE and row % 50 == 0
    number = number_of(row)
    fields = (
        {"FirstName": f"P{row}", "LastName": "Doe", "Title": "Buyer", "MobilePhone": number}
        if side == SALESFORCE
        else {
            "first_name": f"P{row}",
            "last_name": "Doe",
            "job_title": "Buyer",
            "mobile_phone": number,
            "salesforce_id": salesforce_id(row),
        }
    )
    return Observation(
        side=side,
        object="Contact",
        id=salesforce_id(row) if side == SALESFORCE else f"pc_{row:012}",
        fields=fields,
        numbers={"MobilePhone" if side == SALESFORCE else "mobile_phone": number},
        match_numbers=() if silent else (number,),
        name=f"p{row} doe",
        email=f"p{row}@example.com",
        reference=salesforce_id(row) if side == PHONEIQ else None,
        successor=None,
        related=None,
        created_at="2025-01-01T00:00:00Z",
        stamp="2025-01-01T00:00:00Z",
        deleted=False,
        skip="no_valid_phone" if silent else None,
    )


def build(path: Path, records: int) -> None:
    """A ledger after a first pass."""
    ledger = Ledger(f"sqlite:///{path}")
    settings = Settings.from_config({"mode": "observe-phoneiq", "ledger_url": f"sqlite:///{path}"})
    for side, pipe in ((PHONEIQ, "observe-phoneiq"), (SALESFORCE, "salesforce-to-phoneiq")):
        run = ledger.runs.begin(pipe)
        for start in range(1, records // 2 + 1, BATCH):
            rows = range(start, min(start + BATCH, records // 2 + 1))
            ledger.observations.store([observation(side, row) for row in rows], run)
        ledger.runs.mark_complete(side, run)
        ledger.runs.finish(run, {"read": records // 2})
    ledger.pairs.by_reference(run)
    ledger.controls.set(
        {
            "active_since": "2025-01-01T00:00:00Z",
            "fingerprint": settings.fingerprint,
            "settings": settings.as_config(),
        }
    )
    ledger.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE records SET settled = 1")
        database.execute(
            "INSERT INTO writes (side, source_row, action, run, tries, confirmed_run) "
            "SELECT 'phoneiq', salesforce_row, 'create', 2, 1, 2 FROM pairs"
        )


def command(path: Path, *args: str) -> float:
    """Milliseconds that a command takes, as a process of its own."""
    started = time.perf_counter()
    subprocess.run(
        [Path(sys.executable).parent / "contact-sync", "--ledger-url", f"sqlite:///{path}", *args],
        check=False,
        stdout=subprocess.DEVNULL,
        env={
            name: value
            for name, value in os.environ.items()
            if name not in {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}
        },
    )
    return (time.perf_counter() - started) * 1000


def answer(path: Path, *args: str) -> float:
    """Milliseconds that an answer takes in a process that has started."""
    started = time.perf_counter()
    result = CliRunner().invoke(contact_sync, ["--ledger-url", f"sqlite:///{path}", *args])
    taken = (time.perf_counter() - started) * 1000
    assert result.exit_code == 0, result.output
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--ledger", type=Path, help="Folder to keep the ledger in.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = (options.ledger or Path(folder)) / f"operator-{options.records}.db"
        if not path.exists():
            started = time.perf_counter()
            build(path, options.records)
            seconds = time.perf_counter() - started
            print(f"{options.records:,} records in {seconds:.0f} s")
        row = options.records // 4 + 1
        asked = {
            "status": ("status",),
            "explain, Salesforce id": ("explain", salesforce_id(row)),
            "explain, PhoneIQ id": ("explain", f"pc_{row:012}"),
            "explain, phone number": ("explain", number_of(row)),
            "explain, e-mail": ("explain", f"P{row}@example.com"),
            "skips": ("skips",),
            "conflicts": ("conflicts",),
            "history": ("history",),
        }
        print(f"{'command':26}{'process':>10}{'answer':>10}")
        for name, args in asked.items():
            process = statistics.median(command(path, *args) for _ in range(REPEATS))
            alone = statistics.median(answer(path, *args) for _ in range(REPEATS))
            print(f"{name:26}{process:7.0f} ms{alone:7.0f} ms")


if __name__ == "__main__":
    main()
