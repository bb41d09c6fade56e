"""The job's three passes over one ledger, between two sides that carry out what they are sent."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from benchmarks.measuring import BenchmarkError, Command, Taken, run
from benchmarks.pipes import OBSERVE, TO_PHONEIQ, TO_SALESFORCE, settings_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.data import Data

PIPES: Final = (OBSERVE, TO_PHONEIQ, TO_SALESFORCE)
#: A record that one run completes can take part in the next one.
_MOST_RUNS: Final = 5


@dataclass(frozen=True)
class Pass:
    """What one pass did.

    Attributes:
        mode: Which pipe of the job.
        records: The records that it got.
        writes: The writes that it sent.
        taken: What its process took.
        seconds: How long it took once Python had started.
    """

    mode: str
    records: int
    writes: int
    taken: Taken
    seconds: float


class Job:
    """Two sides, their taps' bookmarks, a ledger.

    Args:
        data: How both sides begin.
        folder: Where everything is that changes.
        ledger: The `ledger_url`.
    """

    def __init__(self, data: Data, folder: Path, ledger: str) -> None:
        self.folder = folder
        self.ledger = ledger
        self.salesforce = data.salesforce.copy(folder / "salesforce.db")
        self.phoneiq = data.phoneiq.copy(folder / "phoneiq.db")
        self._seen = dict.fromkeys(PIPES, 0)
        self._markers: dict[str, dict[str, Any]] = {}

    def passes(self) -> Iterator[tuple[Path, Path, Pass]]:
        """Run the passes one after the other; each with the messages that it got and sent."""
        for mode in PIPES:
            source = self.salesforce if mode == TO_PHONEIQ else self.phoneiq
            sink = self.salesforce if mode == TO_SALESFORCE else self.phoneiq
            extract, messages = self.folder / "extract.jsonl", self.folder / "writes.jsonl"
            marker = self._markers.get(mode)
            records = source.extract(extract, after=self._seen[mode], marker=marker)
            self._seen[mode] = source.position
            taken, seconds = self._run(mode, extract, messages)
            applied = sink.apply(messages)
            self._markers[mode] = applied.marker
            yield extract, messages, Pass(mode, records, applied.writes, taken, seconds)

    def run(self) -> list[Pass]:
        """Run all passes."""
        return [done for _, _, done in self.passes()]

    def settle(self) -> None:
        """Run until nothing is left to write, and once more, so that everything is confirmed."""
        for _ in range(_MOST_RUNS):
            if not sum(done.writes for done in self.run()):
                return
        raise BenchmarkError(f"after {_MOST_RUNS} runs there is still something to write")

    def _run(self, mode: str, extract: Path, messages: Path) -> tuple[Taken, float]:
        config = settings_file(mode, {"mode": mode, "ledger_url": self.ledger}, self.folder)
        said = config.with_suffix(".seconds")
        command = Command(
            name=mode,
            arguments=[sys.executable, "-m", "benchmarks.passes", config, extract, messages],
            writes=said,
            log=config.with_suffix(".log"),
        )
        return run(command), float(said.read_text())
