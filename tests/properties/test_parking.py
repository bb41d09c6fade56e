"""A loader that refuses the same writes for ever: they are parked, the rest goes on."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from click.testing import CliRunner
from hypothesis import given
from reconciler.cli import main as contact_sync

from tests.properties.machine import AS_LONG_AS_IT_TAKES, FOLDER, profile, sides
from tests.properties.world import WRITES
from tests.reconciler.job import PIPES, Job

PEOPLE = 6
#: Runs after which a write is parked.
TRIES = 3


class Sync:
    """A job whose loaders refuse the writes of some people, or crash."""

    def __init__(self, folder, home, **settings):
        self.job = Job(folder, **settings)
        self.home = home
        self.ids = []
        for person in range(PEOPLE):
            values = {"first_name": f"P{person}", "phone": f"+1415555010{person}"}
            if home == "salesforce":
                id_ = self.job.salesforce.create(
                    "Contact", FirstName=values["first_name"], MobilePhone=values["phone"]
                )
            else:
                id_ = self.job.phoneiq.create(
                    first_name=values["first_name"], last_name="Doe", mobile_phone=values["phone"]
                )
            self.ids.append(id_)

    def edit(self, person, value):
        """A job title where the person is at home."""
        id_ = self.ids[person]
        if self.home == "salesforce":
            self.job.salesforce.edit(id_, Title=value)
        else:
            self.job.phoneiq.edit(id_, job_title=value)

    def delete(self, person):
        (self.job.salesforce if self.home == "salesforce" else self.job.phoneiq).delete(
            self.ids[person]
        )

    def run(self, refused=()):
        """The whole job; whose writes to the other side went out, by person."""
        sent = []
        for pipe in PIPES:

            def target(messages, pipe=pipe):
                accepted = []
                for message in messages:
                    person = None
                    if message["type"] == "RECORD" and WRITES[pipe] != self.home:
                        person = self.whose(message["record"])
                        sent.append(person)
                    if person is None or person not in refused:
                        accepted.append(message)
                return accepted

            passed = self.job.pipe(pipe, target=target)
            assert passed.code == 0, passed.text
        return sent

    def crash(self, after):
        """The job with targets that crash on the way to the other side, `after` messages."""
        for pipe in PIPES:
            is_other = WRITES[pipe] != self.home
            passed = self.job.pipe(pipe, target=lambda m, cut=is_other: m[:after] if cut else m)
            assert passed.code == 0, passed.text

    def whose(self, record):
        """The person of a write: by the name it sends, or of the record that it is for."""
        id_ = record.get("Id" if self.home == "phoneiq" else "id")
        name = "FirstName" if self.home == "phoneiq" else "first_name"
        if id_:
            platform = self.job.salesforce if self.home == "phoneiq" else self.job.phoneiq
            record = platform.get(id_)
        return int(record[name][1:])

    def titles(self):
        """Titles on the other side by person."""
        if self.home == "phoneiq":
            return {row["FirstName"]: row["Title"] for row in self.job.salesforce.live()}
        return {row["first_name"]: row["job_title"] for row in self.job.phoneiq.live()}

    def say(self, *command):
        """An operator's command."""
        result = CliRunner().invoke(contact_sync, ["--ledger-url", self.job.ledger_url, *command])
        return result.output

    def is_red(self):
        return '"red"' in self.say("status", "--json")


refusals = st.sets(st.integers(min_value=0, max_value=PEOPLE - 1), min_size=1, max_size=PEOPLE)


@AS_LONG_AS_IT_TAKES
@profile(share=0.2)
@given(
    home=sides,
    action=st.sampled_from(["create", "update", "clear", "delete"]),
    refused=refusals,
    percent=st.sampled_from([1, 40, 100]),
    way_out=st.sampled_from(["resync", "edit"]),
)
def test_what_is_refused_for_ever_is_parked(home, action, refused, percent, way_out):
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        sync = Sync(
            Path(folder),
            home,
            max_rejects_percent=percent,
            max_delete_percent=100,
            on_delete="propagate",
        )
        if action != "create":
            for person in range(PEOPLE):
                sync.edit(person, "before")
            sync.run()
            sync.run()
            for person in range(PEOPLE):
                if action == "delete":
                    sync.delete(person)
                else:
                    sync.edit(person, "after" if action == "update" else None)
        sent = [sync.run(refused) for _ in range(TRIES + 3)]
        for person in refused:
            tries = [one.count(person) for one in sent]
            assert sum(tries) == TRIES, f"{action} of person {person} was sent {tries}"
        assert not sent[-1]
        _check_arrived(sync, action, set(range(PEOPLE)) - refused, "after")
        pairs = PEOPLE - len(refused) if action in {"create", "delete"} else PEOPLE
        _check_state(sync, parked=len(refused), pairs=pairs, percent=percent, action=action)
        if way_out == "edit" and action != "delete":
            for person in refused:
                sync.edit(person, "later")
        else:
            for person in refused:
                sync.say("resync", sync.ids[person])
        sync.run()
        sync.run()
        value = "later" if way_out == "edit" and action != "delete" else "after"
        _check_arrived(sync, action, refused, value, is_edited=value == "later")
        assert not sync.run()
        assert not sync.is_red()


def _check_arrived(sync, action, people, value, *, is_edited=False):
    titles = sync.titles()
    for person in people:
        name = f"P{person}"
        if action == "delete":
            assert name not in titles
        elif action == "create" and not is_edited:
            assert name in titles
        else:
            assert titles[name] == (None if action == "clear" and not is_edited else value)


def _check_state(sync, *, parked, pairs, percent, action):
    """The state is red only where more is parked than the limit allows."""
    if action == "update":
        assert sync.is_red() == (parked * 100 > pairs * percent), sync.say("status")


@AS_LONG_AS_IT_TAKES
@profile(share=0.1)
@given(
    home=sides,
    action=st.sampled_from(["create", "update"]),
    crashes=st.integers(min_value=3, max_value=5),
    after=st.integers(min_value=0, max_value=4),
)
def test_a_loader_that_crashes_parks_nothing(home, action, crashes, after):
    with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
        sync = Sync(Path(folder), home)
        if action == "update":
            sync.run()
            sync.run()
            for person in range(PEOPLE):
                sync.edit(person, "after")
        for _ in range(crashes):
            sync.crash(after)
        sync.run()
        sync.run()
        _check_arrived(sync, action, range(PEOPLE), "after")
        assert not sync.run()
        assert not sync.is_red()
        assert "not_accepted" not in sync.say("skips", "--json")
