"""How quickly the operator's commands answer on a ledger with many records.

Each is asked as a person would, as a process of its own; and its answer alone, from opening the
ledger to the last line, once Python has started and has imported what it needs.
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from benchmarks.measuring import BenchmarkError, Command, run
from benchmarks.rows import BIN

if TYPE_CHECKING:
    from benchmarks.job import Job


def measure(job: Job, rounds: int) -> list[dict[str, Any]]:
    """Ask every command that looks something up; median milliseconds by command."""
    contact = job.phoneiq.one_with("mobile_phone", "email", "salesforce_id")
    asked = {
        "status": ("status",),
        "explain, Salesforce id": ("explain", contact["salesforce_id"]),
        "explain, PhoneIQ id": ("explain", contact["id"]),
        "explain, phone number": ("explain", contact["mobile_phone"]),
        "explain, e-mail": ("explain", contact["email"]),
        "skips": ("skips",),
        "conflicts": ("conflicts",),
        "history": ("history",),
    }
    return [
        {
            "command": name,
            "process_ms": round(1000 * median(_process(job, args) for _ in range(rounds))),
            "answer_ms": round(1000 * median(_answer(job, args) for _ in range(rounds))),
        }
        for name, args in asked.items()
    ]


def _process(job: Job, args: tuple[str, ...]) -> float:
    command = Command(
        name=f"contact-sync {args[0]}",
        arguments=[BIN / "contact-sync", "--ledger-url", job.ledger, *args],
        log=job.folder / "contact-sync.log",
    )
    return run(command).wall


def _answer(job: Job, args: tuple[str, ...]) -> float:
    # Imported only now: what this process holds counts as the least memory of its children.
    from reconciler.cli import main as contact_sync

    started = time.perf_counter()
    result = CliRunner().invoke(contact_sync, ["--ledger-url", job.ledger, *args])
    taken = time.perf_counter() - started
    if result.exit_code:
        raise BenchmarkError(f"contact-sync {args[0]}: {result.output}")
    return taken
