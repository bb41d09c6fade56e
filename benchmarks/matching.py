"""Two address books with the same people, against vdirsyncer.

Both are timed inside their process: vdirsyncer's library is called on address books in memory, the
reconciler's three passes are timed once Python has started and has imported them.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.data import MATCHING
from benchmarks.job import Job, Pass
from benchmarks.measuring import Command, run, together
from benchmarks.pipes import LedgerFile
from benchmarks.rows import Bench, Found, Row
from benchmarks.yardsticks import __file__ as yardsticks

_PEER: Final = Path(yardsticks).with_name("vdirsyncer_sync.py")


def both(bench: Bench) -> Found:
    """The first sync of matching contacts, and one when nothing has changed."""
    folder = bench.work("matching")
    data = bench.data(MATCHING, bench.sizes.matching)
    said = folder / "vdirsyncer.out"
    vdirsyncer = Command(
        name="vdirsyncer",
        arguments=[bench.peer("python"), _PEER, data.phoneiq_extract],
        writes=said,
        log=folder / "vdirsyncer.log",
    )
    ours: dict[str, list[list[Pass]]] = {"first": [], "unchanged": []}
    theirs: dict[str, list[float]] = {"first": [], "unchanged": []}
    for number in range(bench.sizes.rounds):
        place = folder / str(number)
        place.mkdir()
        job = Job(data, place, LedgerFile(place / "ledger.db").url)
        ours["first"].append(job.run())
        job.settle()
        ours["unchanged"].append(job.run())
        run(vdirsyncer)
        for name, taken in json.loads(said.read_text()).items():
            theirs[name].append(taken)
    rows = [
        _row(f"matching-{name}", what, data.contacts, ours[name], theirs[name], target)
        for name, what, target in (
            ("first", "three passes, first sync of matching contacts", 2.0),
            ("unchanged", "three passes, nothing changed", 50.0),
        )
    ]
    return Found(rows)


def _row(
    name: str,
    what: str,
    contacts: int,
    ours: list[list[Pass]],
    theirs: list[float],
    target: float,
) -> Row:
    seconds = [[one.seconds for one in passes] for passes in ours]
    typical = median(map(sum, seconds))
    return Row(
        name=name,
        what=what,
        yardstick="vdirsyncer",
        records=contacts,
        seconds=typical,
        ratio=median(theirs) / typical,
        target=target,
        taken=together([one.taken for one in ours[-1]]),
        figures={"records": contacts, "ours": seconds, "theirs": theirs},
    )
