"""Each stage of the job and the whole job, at several sizes; what a million and changes cost.

A pass of the reconciler is measured beside meltano-map-transform on the same stream and beside a
loop that only decodes and stores; tap and target beside bare loops and the SDK's own target.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from benchmarks import answers
from benchmarks.data import PEOPLE
from benchmarks.job import PIPES, Job, Pass
from benchmarks.mapper import bare_insert, map_transform
from benchmarks.measuring import Taken, run, together
from benchmarks.phoneiq import page_loop, plain_target, requests_loop, server, tap_phoneiq, target
from benchmarks.pipes import TO_PHONEIQ, LedgerFile
from benchmarks.rows import Found, Row

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.rows import Bench

#: Above this many contacts there is one round, and peers only beside the first stage: they take
#: minutes there and say nothing new.
_MANY: Final = 200_000
_SOME: Final = 50_000

_MILLION: Final = 1_000_000
_MOST_SECONDS: Final = 300
_MOST_MEMORY: Final = 500e6
_MOST_LEDGER: Final = 1.5e9


@dataclass
class Stage:
    """What a stage took, round by round, and what was beside it.

    Attributes:
        name: A pipe of the job, `tap-phoneiq` or `target-phoneiq`.
        contacts: Contacts a side.
        records: The records that it got.
        ours: Its own rounds, whole processes.
        peer: Those of the peer on the same stream; none where there is no peer.
        floor: Those of the bare loop.
    """

    name: str
    contacts: int
    records: int
    ours: list[Taken] = field(default_factory=list)
    peer: list[Taken] = field(default_factory=list)
    floor: list[Taken] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The stage for table and JSON file: seconds, megabytes, how many times as fast."""
        wall = _wall(self.ours)
        return {
            "stage": self.name,
            "contacts": self.contacts,
            "records": self.records,
            "wall": round(wall, 2),
            "cpu": round(median(taken.cpu for taken in self.ours), 2),
            "memory_mb": round(max(taken.memory for taken in self.ours) / 1e6),
            "records_per_second": round(self.records / wall),
            "to_peer": round(_wall(self.peer) / wall, 2) if self.peer else None,
            "to_floor": round(_wall(self.floor) / wall, 2) if self.floor else None,
        }


def _wall(rounds: list[Taken]) -> float:
    return median(taken.wall for taken in rounds)


def job(bench: Bench) -> Found:
    """Measure the job's stages, what a million and changes cost, and the operator's commands."""
    stages = Stages(bench)
    figures = stages.measure()
    rows = stages.million() + stages.changes()
    return Found(rows, figures, answers.measure(stages.largest_job, bench.sizes.rounds))


class Stages:
    """Measures stages, and goes on with the jobs that it has begun.

    Args:
        bench: Where, and at which sizes.
    """

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stages: dict[tuple[int, str], Stage] = {}
        self._jobs: dict[int, Job] = {}
        self._ledgers: dict[int, LedgerFile] = {}

    def measure(self) -> list[dict[str, Any]]:
        """Every stage, and the whole job, at every size."""
        sizes = self._bench.sizes.stages
        for contacts in sizes:
            for _ in range(self._rounds(contacts)):
                self._sync_once(contacts)
        found = []
        for contacts in sizes:
            stages = [one for one in self._stages.values() if one.contacts == contacts]
            found += [one.as_dict() for one in stages]
            found.append(self._whole_job(contacts).as_dict())
        return found

    def million(self) -> list[Row]:
        """Time, memory and ledger of a first sync of a million, against what they may be."""
        if _MILLION not in self._bench.sizes.stages:
            return []
        job = self._whole_job(_MILLION)
        (taken,) = job.ours
        ledger = self._ledgers[_MILLION].bytes
        what = "1,000,000 contacts a side, first sync, three passes"
        return [
            Row(
                name=f"million-{name}",
                what=f"{what}: {figure}",
                yardstick=limit,
                records=job.records,
                seconds=taken.wall,
                ratio=ratio,
                target=1.0,
                taken=taken,
            )
            for name, figure, limit, ratio in (
                ("time", f"{taken.wall:.0f} s", "300 s", _MOST_SECONDS / taken.wall),
                ("memory", f"{taken.memory / 1e6:.0f} MB", "500 MB", _MOST_MEMORY / taken.memory),
                ("ledger", f"{ledger / 1e9:.2f} GB", "1.5 GB", _MOST_LEDGER / ledger),
            )
        ]

    @property
    def largest_job(self) -> Job:
        """The job with the most contacts."""
        return self._jobs[max(self._jobs)]

    def changes(self) -> list[Row]:
        """The same number of changes among few contacts and among many; passes without start-up."""
        sizes = self._bench.sizes
        done: dict[int, list[list[Pass]]] = {sizes.few: [], sizes.many: []}
        for contacts in done:
            if contacts not in self._jobs:
                self._begin(contacts)
            self._jobs[contacts].settle()
        for _ in range(sizes.rounds):
            for contacts, runs in done.items():
                job = self._jobs[contacts]
                job.salesforce.edit(sizes.changes, "Title")
                runs.append(job.run())
        seconds = {
            contacts: [sum(one.seconds for one in passes) for passes in runs]
            for contacts, runs in done.items()
        }
        few, many = median(seconds[sizes.few]), median(seconds[sizes.many])
        return [
            Row(
                name="changes",
                what=f"{sizes.changes:,} changes in {sizes.many:,} contacts a side",
                yardstick=f"{sizes.changes:,} changes in {sizes.few:,}",
                records=sizes.changes,
                seconds=many,
                ratio=few / many,
                target=round(1 / 3, 2),
                taken=together([one.taken for one in done[sizes.many][-1]]),
                figures={"few": seconds[sizes.few], "many": seconds[sizes.many]},
            )
        ]

    def _rounds(self, contacts: int) -> int:
        """Fewer where one takes minutes."""
        if contacts > _MANY:
            return 1
        return min(self._bench.sizes.rounds, 2 if contacts > _SOME else 3)

    def _begin(self, contacts: int) -> Job:
        folder = self._bench.work(f"job-{contacts}")
        self._ledgers[contacts] = LedgerFile(folder / "ledger.db")
        job = Job(self._bench.data(PEOPLE, contacts), folder, self._ledgers[contacts].url)
        self._jobs[contacts] = job
        return job

    def _sync_once(self, contacts: int) -> None:
        """A first sync of both sides, stage by stage, with everything beside it."""
        job = self._begin(contacts)
        data, folder = self._bench.data(PEOPLE, contacts), job.folder
        with server(folder, contacts=data.phoneiq_extract) as url:
            stage = self._stage("tap-phoneiq", contacts, data.contacts)
            stage.ours.append(run(tap_phoneiq(url, folder)))
            stage.floor.append(run(page_loop(url, folder)))
        for extract, messages, done in job.passes():
            stage = self._stage(done.mode, contacts, done.records)
            stage.ours.append(done.taken)
            if self._has_peer(stage):
                stage.peer.append(run(map_transform(self._bench, folder, extract)))
            stage.floor.append(run(bare_insert(folder, extract)))
            if done.mode == TO_PHONEIQ:
                self._send(contacts, folder, messages, done.writes)

    def _send(self, contacts: int, folder: Path, messages: Path, writes: int) -> None:
        stage = self._stage("target-phoneiq", contacts, writes)
        with server(folder) as url:
            stage.ours.append(run(target(url, folder, messages)))
            if self._has_peer(stage):
                stage.peer.append(run(plain_target(folder, messages)))
            stage.floor.append(run(requests_loop(url, folder, messages)))

    def _has_peer(self, stage: Stage) -> bool:
        if stage.contacts > _MANY and stage.name != PIPES[0]:
            return False
        return stage.name == "target-phoneiq" or self._bench.has_peers

    def _stage(self, name: str, contacts: int, records: int) -> Stage:
        return self._stages.setdefault((contacts, name), Stage(name, contacts, records))

    def _whole_job(self, contacts: int) -> Stage:
        """The three passes, one after the other."""
        passes = [self._stages[contacts, name] for name in PIPES]
        whole = Stage("whole job", contacts, sum(one.records for one in passes))
        whole.ours = _summed([one.ours for one in passes])
        whole.floor = _summed([one.floor for one in passes])
        if all(one.peer for one in passes):
            whole.peer = _summed([one.peer for one in passes])
        return whole


def _summed(passes: list[list[Taken]]) -> list[Taken]:
    return [together(list(rounds)) for rounds in zip(*passes, strict=True)]
