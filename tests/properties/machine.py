"""Whatever people, platforms and crashes do: two clean runs later both sides are one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.postgresql import Places
from tests.properties.reasons import check_reasons
from tests.properties.world import FIELDS, INVALID_PHONE, PHONES, SIDES, WRITES, World, number
from tests.reconciler.job import PIPES, lost_from
from tests.reconciler.platforms import EXTERNAL_ID

_REPEATABLE = settings(
    # Twelve steps can be read as they are; to shorten them takes longer than all examples.
    stateful_step_count=12,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
)
#: The examples of `make test`, of mutations.py, and of a night: HYPOTHESIS_PROFILE=nightly.
PROFILES = {
    "test": settings(_REPEATABLE, max_examples=60),
    "mutations": settings(_REPEATABLE, max_examples=400),
    "nightly": settings(max_examples=3_000, stateful_step_count=30),
}

#: Ledgers of examples come and go: memory is kinder to them than a disk.
FOLDER = "/dev/shm" if Path("/dev/shm").is_dir() else None

which = st.integers(min_value=0, max_value=9)
sides = st.sampled_from(SIDES)
pipes = st.sampled_from(PIPES)


class ContactSync(RuleBasedStateMachine):
    """People and faults at random."""

    external_id: str | None = None
    #: Where ledgers on PostgreSQL may be; None for SQLite.
    places: Places | None = None

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=FOLDER))
        self.world = World(self.folder, self.places and self.places.take)

    @initialize(
        on_conflict=st.sampled_from(["keep_salesforce", "keep_phoneiq"]),
        default_object=st.sampled_from(["Contact", "Lead"]),
        on_delete=st.sampled_from(["keep", "propagate"]),
        where=st.tuples(sides, sides, sides),
        object_=st.sampled_from(["Contact", "Lead"]),
        runs=st.integers(min_value=0, max_value=2),
    )
    def begin(self, on_conflict, default_object, on_delete, where, object_, runs):
        self.world.ever.clear()
        self.world.change_setting(
            on_conflict=on_conflict,
            salesforce_external_id_field=self.external_id,
            default_object=default_object,
            on_delete=on_delete,
            max_delete_percent=100,
        )
        for side, made in zip(where, (object_, "Contact", object_), strict=True):
            self.world.create(side, made)
        for _ in range(runs):
            self.world.run()

    def pick(self, side, which):
        """One of a side's live records, or None."""
        found = self.world.everybody(side)
        return found[which % len(found)] if found else None

    # --- people -----------------------------------------------------------------------------

    @precondition(lambda self: len(self.world.people) < 7)
    @rule(side=sides, object_=st.sampled_from(["Contact", "Lead"]))
    def create(self, side, object_):
        self.world.create(side, object_)

    @rule(side=sides, which=which, object_=st.sampled_from(["Contact", "Lead"]))
    def create_who_is_on_the_other_side(self, side, which, object_):
        """Somebody makes by hand what the sync would have made."""
        world = self.world
        alone = [
            person
            for person in world.people
            if not world.live(person, side)
            and any(world.live(person, other) for other in SIDES if other != side)
        ]
        if alone:
            world.create(side, object_, alone[which % len(alone)])

    @rule(
        side=sides, which=which, names=st.sets(st.sampled_from([*FIELDS]), min_size=1, max_size=2)
    )
    def edit(self, side, which, names):
        id_ = self.pick(side, which)
        if id_:
            person = self.world.owner[id_]
            for name in sorted(names):
                self.world.values += 1
                self.world.edit(
                    side,
                    id_,
                    name,
                    number(person.number, self.world.values)
                    if name in PHONES
                    else self.world.new_value(person, name),
                )

    @rule(which=which, name=st.sampled_from([*FIELDS]), first=sides)
    def edit_both_sides(self, which, name, first):
        """One field, on both sides, before any pipe can see it."""
        id_ = self.pick("salesforce", which)
        pair = self.world.pair_of(self.world.owner[id_]) if id_ else []
        for found in pair:
            for side, id_ in sorted(
                zip(SIDES, found, strict=True), key=lambda one: one[0] != first
            ):
                person = self.world.owner[id_]
                self.world.values += 1
                self.world.edit(
                    side,
                    id_,
                    name,
                    number(person.number, self.world.values)
                    if name in PHONES
                    else self.world.new_value(person, name),
                )

    @rule(side=sides, which=which, name=st.sampled_from([*FIELDS]))
    def clear(self, side, which, name):
        id_ = self.pick(side, which)
        if id_:
            self.world.edit(side, id_, name, None)

    @rule(which=which, name=st.sampled_from(["first_name", "city"]))
    def type_more_than_salesforce_holds(self, which, name):
        id_ = self.pick("phoneiq", which)
        if id_:
            text = self.world.new_value(self.world.owner[id_], name)
            self.world.edit("phoneiq", id_, name, text.ljust(41, "x"))

    @rule(side=sides, which=which, name=st.sampled_from(PHONES))
    def type_an_invalid_number(self, side, which, name):
        id_ = self.pick(side, which)
        if id_:
            self.world.edit(side, id_, name, INVALID_PHONE)

    @rule(side=sides, which=which, name=st.sampled_from(PHONES), whose=which)
    def type_a_number_of_someone_else(self, side, which, name, whose):
        id_ = self.pick(side, which)
        if id_:
            other = self.world.people[whose % len(self.world.people)]
            self.world.edit(side, id_, name, number(other.number, 0))

    @rule(side=sides, which=which)
    def delete(self, side, which):
        id_ = self.pick(side, which)
        if id_:
            self.world.delete(side, id_)

    @rule(which=which, other=which)
    def merge(self, which, other):
        winner, loser = self.pick("salesforce", which), self.pick("salesforce", other)
        if winner and loser and winner != loser and winner[:3] == loser[:3]:
            self.world.merge(winner, loser)

    @rule(which=which)
    def convert(self, which):
        leads = [id_ for id_ in self.world.everybody("salesforce") if id_.startswith("00Q")]
        if leads:
            self.world.convert(leads[which % len(leads)])

    # --- the job ----------------------------------------------------------------------------

    @rule()
    def run(self):
        self.world.run()

    @rule(pipe=pipes)
    def run_a_part(self, pipe):
        assert self.world.pipe(pipe) == 0

    @rule(pipe=pipes, position=st.integers(min_value=0, max_value=12))
    def run_with_a_tap_that_crashes(self, pipe, position):
        complete = []

        def tap(messages):
            complete.append(position >= len(messages))
            return messages[:position]

        code = self.world.pipe(pipe, tap=tap)
        assert code == (0 if complete[0] else 1)

    @rule(pipe=pipes, position=st.integers(min_value=0, max_value=6))
    def run_with_a_target_that_crashes(self, pipe, position):
        assert self.world.pipe(pipe, target=lost_from(position)) == 0

    @rule(pipe=pipes, commit=st.integers(min_value=1, max_value=14))
    def run_with_a_mapper_that_is_killed(self, pipe, commit):
        assert self.world.pipe(pipe, kill_at_commit=commit) in {0, 137}

    @rule(pipe=pipes, messages=st.sampled_from([1, 1, 2]))
    def run_with_a_mapper_that_is_killed_once_it_has_written(self, pipe, messages):
        assert self.world.pipe(pipe, kill_at_commit=1, kill_after=messages) in {0, 137}

    @rule(
        pipe=pipes,
        what=st.sampled_from(["drop", "refuse", "duplicate", "delay", "rewrite"]),
        chosen=st.sets(st.integers(min_value=0, max_value=5), min_size=1),
    )
    def run_with_a_loader_that_errs(self, pipe, what, chosen):
        world, side = self.world, WRITES[pipe]

        def target(messages):
            arrived, records = [], 0
            for message in messages:
                if message["type"] != "RECORD":
                    arrived.append(message)
                    continue
                records += 1
                if records - 1 not in chosen:
                    arrived.append(message)
                elif what == "duplicate" and (
                    {"id", "Id", "salesforce_id", EXTERNAL_ID} & set(message["record"])
                ):
                    arrived += [message, message]
                elif what == "duplicate":
                    arrived.append(message)
                elif what == "refuse":
                    record = dict.fromkeys(message["record"], "9" * 50_000)
                    arrived.append(message | {"record": record})
                elif what == "rewrite":
                    arrived.append(world.rewrite(side, message))
                elif what == "delay":
                    schemas = [one for one in messages if one["type"] == "SCHEMA"]
                    world.delay(side, [*schemas, message])
            return arrived

        assert world.pipe(pipe, target=target) == 0

    # --- settings ---------------------------------------------------------------------------

    @rule(
        changed=st.sampled_from(
            [
                {"sync_direction": "both"},
                {"sync_direction": "salesforce_to_phoneiq"},
                {"sync_direction": "phoneiq_to_salesforce"},
                {"title_direction": "both"},
                {"title_direction": "salesforce_to_phoneiq"},
                {"title_direction": "phoneiq_to_salesforce"},
                {"on_conflict": "keep_salesforce"},
                {"on_conflict": "keep_phoneiq"},
                {"shared_phone": "reject"},
                {"shared_phone": "allow"},
                {"on_delete": "keep"},
                {"on_delete": "propagate"},
                {"objects": ["Contact", "Lead"]},
                {"objects": ["Lead", "Contact"]},
                {"objects": ["Contact"], "default_object": "Contact"},
            ]
        )
    )
    def change_a_setting(self, changed):
        self.world.change_setting(**changed)

    # --- the end ----------------------------------------------------------------------------

    def teardown(self):
        try:
            if sys.exc_info()[0] is None:
                self.world.check()
                check_reasons(self.world)
        finally:
            shutil.rmtree(self.folder)
            if self.places:
                self.places.give_back()


#: An example's own steps are what takes long, and a night has thousands of examples.
AS_LONG_AS_IT_TAKES = pytest.mark.timeout(0)


def profile(share: float = 1) -> settings:
    """The examples of the profile, or a share of them."""
    chosen = PROFILES[os.environ.get("HYPOTHESIS_PROFILE", "test")]
    return settings(
        chosen,
        max_examples=int(chosen.max_examples * share),
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def as_test(machine, share=1):
    """The machine's test with the examples of the profile, or a share of them."""
    case = machine.TestCase
    case.settings = profile(share)
    return AS_LONG_AS_IT_TAKES(case)
