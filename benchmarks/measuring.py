"""Runs commands as whole processes, in turn, and notes what each took."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT: Final = Path(__file__).resolve().parents[1]

#: They make every Python start slowly, or write every line by itself.
_SPOILING = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")


_NOWHERE: Final = Path(os.devnull)


class BenchmarkError(Exception):
    """A benchmark cannot be measured; the message says why."""


class Taken(NamedTuple):
    """What one process took.

    Attributes:
        wall: Seconds from its start to its end.
        cpu: Seconds of processor time, its own and the system's for it.
        memory: The most memory it held at once, in bytes.
    """

    wall: float
    cpu: float
    memory: int


def together(processes: Sequence[Taken]) -> Taken:
    """What processes took that ran one after the other: times add up, memory does not."""
    return Taken(
        sum(taken.wall for taken in processes),
        sum(taken.cpu for taken in processes),
        max(taken.memory for taken in processes),
    )


@dataclass(frozen=True, kw_only=True)
class Command:
    """A process to measure.

    Attributes:
        name: What messages call it.
        arguments: The program and its arguments.
        reads: The file on its standard input, or None for an empty one.
        writes: The file that keeps what it writes into the pipe on its standard output, or None
            where that is thrown away.
        log: The file for its standard error.
        prepare: Called before each start, outside the measured time.
    """

    name: str
    arguments: Sequence[str | Path]
    reads: Path | None = None
    writes: Path | None = None
    log: Path
    prepare: Callable[[], object] = lambda: None


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One of the two that a benchmark compares.

    Attributes:
        command: Does the work.
        empty: The same with nothing to do: what start-up takes. None where there is no such thing.
    """

    command: Command
    empty: Command | None = None


class Measured:
    """The rounds of one contender.

    Attributes:
        rounds: What each round took, start-up and all.
        start_ups: What each round with nothing to do took.
    """

    def __init__(self) -> None:
        self.rounds: list[Taken] = []
        self.start_ups: list[Taken] = []

    @property
    def wall(self) -> float:
        """Median seconds, start-up and all."""
        return median(taken.wall for taken in self.rounds)

    @property
    def start_up(self) -> float:
        """Median seconds of start-up."""
        return median(taken.wall for taken in self.start_ups) if self.start_ups else 0.0

    @property
    def net(self) -> float:
        """Median seconds without start-up."""
        return max(self.wall - self.start_up, 0.001)

    @property
    def cpu(self) -> float:
        """Median seconds of processor time."""
        return median(taken.cpu for taken in self.rounds)

    @property
    def memory(self) -> int:
        """The most memory that any round held, in bytes."""
        return max(taken.memory for taken in self.rounds)

    def as_dict(self) -> dict[str, Any]:
        """The figures for the JSON file: seconds and megabytes."""
        walls = [taken.wall for taken in self.rounds]
        return {
            "rounds": len(walls),
            "wall": round(self.wall, 3),
            "wall_least": round(min(walls), 3),
            "wall_most": round(max(walls), 3),
            "start_up": round(self.start_up, 3),
            "net": round(self.net, 3),
            "cpu": round(self.cpu, 3),
            "memory_mb": round(self.memory / 1e6),
        }


def run(command: Command) -> Taken:
    """Run a command to its end.

    Raises:
        BenchmarkError: It failed; the message holds the end of its log.
    """
    command.prepare()
    environment = {name: value for name, value in os.environ.items() if name not in _SPOILING}
    reads, writes = command.reads or _NOWHERE, command.writes or _NOWHERE
    with (
        reads.open("rb") as source,
        writes.open("wb") as sink,
        command.log.open("wb") as log,
        # As in a job, where the next program reads what this one writes.
        subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=sink) as reader,
    ):
        started = time.perf_counter()
        process = subprocess.Popen(
            command.arguments,
            stdin=source,
            stdout=reader.stdin,
            stderr=log,
            env=environment,
            cwd=ROOT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = "\n".join(command.log.read_text(errors="replace").splitlines()[-15:])
        raise BenchmarkError(f"{command.name} ended with exit code {process.returncode}:\n{said}")
    return Taken(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def in_turn(contenders: Sequence[Contender], rounds: int) -> list[Measured]:
    """Measure contenders in turn (A B A B …), so that all have the machine's same moods.

    Args:
        contenders: Whom to measure.
        rounds: How often each has its turn.

    Returns:
        What each took, in the order of `contenders`.
    """
    measured = [Measured() for _ in contenders]
    for _ in range(rounds):
        for contender, figures in zip(contenders, measured, strict=True):
            if contender.empty is not None:
                figures.start_ups.append(run(contender.empty))
        for contender, figures in zip(contenders, measured, strict=True):
            figures.rounds.append(run(contender.command))
    return measured
