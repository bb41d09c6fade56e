"""A bookmark is good for the ledger that has its run, whatever became of ledgers and bookmarks."""

from __future__ import annotations

import shutil
import sqlite3
import sys
import tempfile
from copy import deepcopy
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.properties.machine import FOLDER, as_test, sides, which
from tests.reconciler.job import PIPES, Job

pipes = st.sampled_from(PIPES)


class Bookmarks(RuleBasedStateMachine):
    """Ledgers and STATE are copied, put back and lost, each by itself.

    The model: a ledger has the runs that it recorded, a bookmark is of one run. Without a
    bookmark everything is read, which is always right; with one whose run the ledger does not
    have, something was never stored there, and the run has to be refused, however often.
    """

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=FOLDER))
        self.job = Job(self.folder)
        self.count = 0
        #: The runs that the ledger has.
        self.recorded: set[int] = set()
        #: By pipe, the run that its bookmark is of.
        self.bookmarks: dict[str, int] = {}
        self.ledgers: list[tuple[Path, set[int]]] = []
        self.states: list[tuple[dict, dict[str, int]]] = []
        self.pairs = [
            self.job.salesforce.create(
                "Contact", FirstName=f"P{one}", MobilePhone=f"+1415555013{one}"
            )
            for one in range(3)
        ]

    # --- people ---------------------------------------------------------------------------------

    @rule(side=sides, which=which)
    def edit(self, side, which):
        self.count += 1
        if side == "salesforce":
            id_ = self.pairs[which % len(self.pairs)]
            self.job.salesforce.edit(id_, Title=f"title {self.count}")
        elif contacts := self.job.phoneiq.live():
            self.job.phoneiq.edit(
                contacts[which % len(contacts)]["id"], job_title=f"title {self.count}"
            )

    # --- the job --------------------------------------------------------------------------------

    @rule(pipe=pipes, times=st.integers(min_value=1, max_value=4))
    def run_a_part(self, pipe, times):
        """Refused as often as it is tried, where it has to be."""
        for _ in range(times):
            self.pipe(pipe)

    @rule()
    def run(self):
        for pipe in PIPES:
            if not self.pipe(pipe):
                break

    def pipe(self, pipe):
        """One pipe; whether it was accepted."""
        bookmark = self.bookmarks.get(pipe)
        expected = bookmark is None or bookmark in self.recorded
        passed = self.job.pipe(pipe)
        what = f"{pipe} from run {bookmark}, the ledger has {sorted(self.recorded)}: {passed.text}"
        assert (passed.code == 0) == expected, what
        if expected:
            self.count += 1
            self.recorded.add(self.count)
            self.bookmarks[pipe] = self.count
        else:
            assert not passed.records, what
            assert "--full-refresh" in passed.text, what
        return expected

    # --- what operators do ----------------------------------------------------------------------

    @precondition(lambda self: self.recorded and len(self.ledgers) < 3)
    @rule()
    def copy_the_ledger(self):
        path = self.folder / f"copy-{len(self.ledgers)}.db"
        _copy(self.job.ledger, path)
        self.ledgers.append((path, set(self.recorded)))

    @precondition(lambda self: self.ledgers)
    @rule(which=which)
    def put_a_ledger_back(self, which):
        path, recorded = self.ledgers[which % len(self.ledgers)]
        self.job.lose_ledger()
        _copy(path, self.job.ledger)
        self.recorded = set(recorded)

    @precondition(lambda self: self.recorded)
    @rule(jobs=st.integers(min_value=1, max_value=2), pipe=pipes, times=st.integers(1, 6))
    def go_back_to_an_older_copy(self, jobs, pipe, times):
        """A restored backup: what came after it was stored in another ledger."""
        recorded, path = set(self.recorded), self.folder / "backup.db"
        path.unlink(missing_ok=True)
        _copy(self.job.ledger, path)
        for _ in range(jobs):
            self.edit("salesforce", jobs)
            self.run()
        self.job.lose_ledger()
        _copy(path, self.job.ledger)
        self.recorded = recorded
        self.run_a_part(pipe, times)

    @rule()
    def copy_the_bookmarks(self):
        self.states.append((deepcopy(self.job.states), dict(self.bookmarks)))

    @precondition(lambda self: self.states)
    @rule(which=which)
    def put_bookmarks_back(self, which):
        states, bookmarks = self.states[which % len(self.states)]
        self.job.states, self.bookmarks = deepcopy(states), dict(bookmarks)

    @rule()
    def lose_the_ledger(self):
        self.job.lose_ledger()
        self.recorded = set()

    @rule(pipe=pipes)
    def refresh_fully(self, pipe):
        """What `--full-refresh` does to one pipeline: its bookmark is gone."""
        self.job.states.pop(pipe, None)
        self.bookmarks.pop(pipe, None)

    # --- the end --------------------------------------------------------------------------------

    def teardown(self):
        try:
            if sys.exc_info()[0] is None:
                self.check()
        finally:
            shutil.rmtree(self.folder)

    def check(self):
        """Read fully, both sides are one, and stay so."""
        for pipe in PIPES:
            self.refresh_fully(pipe)
        self.run()
        self.run()
        for id_ in self.pairs:
            title = self.job.contact_of(id_)["job_title"]
            assert title == self.job.salesforce.get(id_)["Title"]
        assert not [record for pipe in PIPES for record in self.job.pipe(pipe).records]


def _copy(source, target):
    """A ledger with what its journal still holds."""
    with sqlite3.connect(source) as one, sqlite3.connect(target) as two:
        one.backup(two)
    one.close()
    two.close()


TestBookmarks = as_test(Bookmarks, share=0.4)
