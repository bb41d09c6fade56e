"""A run is taken back where it still stands, and nowhere else, whatever people do."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.operator.conftest import Seat
from tests.properties.machine import FOLDER, as_test, sides
from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE, Job, lost_from

#: Names of each field in Salesforce and PhoneIQ, with values that differ in more than their form.
FIELDS = {
    "title": ("Title", "job_title", [None, "Clerk", "Countess", "Analyst"]),
    "email": ("Email", "email", [None, "Ada@Example.com", "ada.l@example.com"]),
    "phone": ("HomePhone", "home_phone", [None, "(415) 555-0143", "+44 20 7946 0958"]),
    "city": ("MailingCity", "city", [None, "London", "Paris"]),
}
NAMES = {"salesforce": 0, "phoneiq": 1}


class Undoing(RuleBasedStateMachine):
    """One pair; each run that wrote to it may be taken back, in any order.

    The model of a field is its text on each side, and by writing run what it replaced by what.
    """

    @initialize(
        on_conflict=st.sampled_from(["keep_salesforce", "keep_phoneiq"]),
        style=st.sampled_from(["e164", "international", "national"]),
    )
    def start(self, on_conflict, style):
        self.folder = tempfile.TemporaryDirectory(dir=FOLDER)
        job = Job(Path(self.folder.name), on_conflict=on_conflict, salesforce_phone_format=style)
        self.seat, self.job = Seat(job), job
        self.record, self.contact = job.pair_up(MailingCountry="USA")
        self.shown = self._shown()
        self.runs = {}

    @rule(
        side=sides,
        fields=st.sets(st.sampled_from([*FIELDS]), min_size=1),
        data=st.data(),
        is_lost=st.booleans(),
    )
    def edit(self, side, fields, data, is_lost):
        """Someone edits some fields, and the sync carries them over, maybe at the second try."""
        typed = {
            field: data.draw(st.sampled_from(FIELDS[field][2]), label=field)
            for field in sorted(fields)
        }
        named = {FIELDS[field][NAMES[side]]: value for field, value in typed.items()}
        if side == "salesforce":
            self.job.salesforce.edit(self.record, **named)
        else:
            self.job.phoneiq.edit(self.contact, **named)
        before = self.shown
        self._lose(is_lost)
        latest = self._latest()
        self.job.settle(4)
        # To type what is there is no edit.
        new = {
            field for field, value in typed.items() if not same(field, before[side][field], value)
        }
        self._note(before, latest, typed={(side, field) for field in new})

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), is_lost=st.booleans())
    def take_back(self, data, is_lost):
        """One run, or two at once, are taken back."""
        chosen = data.draw(
            st.lists(st.sampled_from(sorted(self.runs)), min_size=1, max_size=2, unique=True)
        )
        expected = {side: dict(fields) for side, fields in self.shown.items()}
        for run in sorted(chosen, reverse=True):
            self.seat.done("undo", str(run), "--yes")
            side, changes = self.runs[run]
            for field, (old, new) in changes.items():
                if same(field, expected[side][field], new):
                    expected[side][field] = old
        self._lose(is_lost)
        latest = self._latest()
        self.job.settle(4)
        self._note(self.shown, latest, typed=set())
        for side, fields in expected.items():
            for field, value in fields.items():
                assert same(field, self.shown[side][field], value), (side, field, value, self.shown)

    def _lose(self, is_lost):
        """A run whose writes do not arrive."""
        for pipe in (OBSERVE, TO_PHONEIQ, TO_SALESFORCE) if is_lost else ():
            self.job.pipe(pipe, target=lost_from(0))

    def _shown(self):
        rows = self.job.salesforce.get(self.record), self.job.phoneiq.get(self.contact)
        return {
            side: {field: rows[place][names[place]] for field, names in FIELDS.items()}
            for side, place in NAMES.items()
        }

    def _latest(self):
        return max(one["run"] for one in self.job.history())

    def _note(self, before, latest, *, typed):
        """What the runs since have written; what is typed is on both sides then."""
        self.job.forget_written()
        assert not any(one.records for one in self.job.run())
        self.shown = self._shown()
        for one in self.job.history():
            side = "phoneiq" if one["pipe"] == "salesforce-to-phoneiq" else "salesforce"
            if one["run"] > latest and one["summary"].get("updated"):
                self.runs[one["run"]] = (
                    side,
                    {
                        field: (before[side][field], self.shown[side][field])
                        for field in FIELDS
                        if not same(field, before[side][field], self.shown[side][field])
                        and (side, field) not in typed
                    },
                )
        for side, field in typed:
            across = "phoneiq" if side == "salesforce" else "salesforce"
            values = self.shown[side][field], self.shown[across][field]
            assert same(field, *values), (field, values, before)

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()


def same(field, one, other):
    """Whether two texts are the same value."""
    return _plain(field, one) == _plain(field, other)


def _plain(field, value):
    if value is None or field not in {"email", "phone"}:
        return value
    if field == "email":
        return value.casefold()
    digits = "".join(char for char in value if char.isdigit())
    return digits.removeprefix("44").removeprefix("1").removeprefix("0") or value


TestUndoing = as_test(Undoing, share=0.2)
