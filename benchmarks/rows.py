"""What a benchmark says: a row of the table, and the sizes that it is measured at."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from benchmarks import data
from benchmarks.measuring import Taken

if TYPE_CHECKING:
    from benchmarks.measuring import Measured

BIN: Final = Path(sys.executable).parent


class NotMeasuredError(Exception):
    """Something that a benchmark needs is not there; the message says what."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is measured. Numbers of records, but for `rounds` and `stages`.

    Attributes:
        rounds: Turns of each contender.
        mapper: The stream of the rows that compare the mapper with another.
        target: The stream of the target that is sent to a server that answers at once.
        slow: The stream of the target where every answer takes 100 ms.
        tap: The contacts that the tap reads.
        workers: The contacts whose writes several workers share.
        matching: The contacts a side that are compared with vdirsyncer.
        changes: The changes of the row that shows that only changes cost.
        few, many: The contacts a side among which they are.
        stages: Contacts a side at which each stage is measured.
    """

    rounds: int
    mapper: int
    target: int
    slow: int
    tap: int
    workers: int
    matching: int
    changes: int
    few: int
    many: int
    stages: tuple[int, ...]


SIZES: Final = {
    "full": Sizes(
        rounds=3,
        mapper=100_000,
        target=50_000,
        slow=50_000,
        tap=100_000,
        workers=100_000,
        matching=50_000,
        changes=1_000,
        few=10_000,
        many=1_000_000,
        stages=(10_000, 100_000, 1_000_000),
    ),
    "quick": Sizes(
        rounds=1,
        mapper=10_000,
        target=10_000,
        slow=10_000,
        tap=20_000,
        workers=10_000,
        matching=5_000,
        changes=100,
        few=1_000,
        many=10_000,
        stages=(10_000,),
    ),
    # Only shows that the benchmarks work.
    "smoke": Sizes(
        rounds=1,
        mapper=200,
        target=200,
        slow=200,
        tap=200,
        workers=200,
        matching=200,
        changes=10,
        few=100,
        many=200,
        stages=(200,),
    ),
}


@dataclass(frozen=True)
class Bench:
    """Where a run of the benchmarks works, and at which sizes.

    Attributes:
        folder: Holds data, peers and results; git ignores it.
        sizes: How much is measured.
    """

    folder: Path
    sizes: Sizes

    def data(self, kind: str, contacts: int) -> data.Data:
        """Data of a kind, made if need be."""
        return data.made(kind, contacts, self.folder / "data")

    def work(self, name: str) -> Path:
        """A new, empty folder for what a benchmark leaves."""
        folder = self.folder / "work" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    @property
    def has_peers(self) -> bool:
        """Whether the peers are installed."""
        return (self.folder / "peers" / "bin" / "python").exists()

    def peer(self, program: str) -> Path:
        """A program of the peers' own environment.

        Raises:
            NotMeasuredError: It is not installed.
        """
        if not self.has_peers:
            raise NotMeasuredError("the peers are not installed: `make bench` does it")
        return self.folder / "peers" / "bin" / program


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes:
        name: Names it for good.
        what: What was measured.
        yardstick: What it was measured against.
        records: How many records it was.
        seconds: Median seconds, without start-up where `figures` has one.
        ratio: How many times as fast as the yardstick.
        target: The least ratio that is good enough.
        to_floor: How many times as fast as a bare loop on the same records, where there is one.
        taken: What whole processes of ours took, start-up and all.
        figures: What each contender took, for the JSON file.
    """

    name: str
    what: str
    yardstick: str
    records: int
    seconds: float
    ratio: float
    target: float
    taken: Taken
    to_floor: float | None = None
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def records_per_second(self) -> int:
        """Records a second."""
        return round(self.records / self.seconds)

    @property
    def is_met(self) -> bool:
        """Whether the ratio is good enough."""
        return round(self.ratio, 2) >= self.target

    def as_dict(self) -> dict[str, Any]:
        """The row of the closing line."""
        return {
            "name": self.name,
            "records_per_second": self.records_per_second,
            "ratio": round(self.ratio, 2),
            "target": self.target,
            "met": self.is_met,
        }


class Found(NamedTuple):
    """What a benchmark has measured.

    Attributes:
        rows: Comparisons with a target.
        stages: What each stage of the job took, as `Stage.as_dict` gives it.
        answers: Milliseconds of the operator's commands.
    """

    rows: list[Row]
    stages: Sequence[dict[str, Any]] = ()
    answers: Sequence[dict[str, Any]] = ()


Benchmark: TypeAlias = Callable[[Bench], Found]


def compared(
    name: str,
    what: str,
    yardstick: str,
    *,
    records: int,
    ours: Measured,
    theirs: Measured,
    target: float,
    floor: Measured | None = None,
) -> Row:
    """The row of contenders that had the same records."""
    bare = {} if floor is None else {"floor": floor.as_dict()}
    return Row(
        name=name,
        what=what,
        yardstick=yardstick,
        records=records,
        seconds=ours.net,
        ratio=theirs.net / ours.net,
        target=target,
        taken=Taken(ours.wall, ours.cpu, ours.memory),
        to_floor=None if floor is None else floor.net / ours.net,
        figures={
            "records": records,
            "ours": ours.as_dict(),
            "theirs": theirs.as_dict(),
            **bare,
            "ratio_with_start_up": round(theirs.wall / ours.wall, 2),
        },
    )
