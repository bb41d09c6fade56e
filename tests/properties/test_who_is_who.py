"""Nobody becomes another person: shared numbers, references that move, contacts imported again."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.properties.identities import PHONES, SWITCHBOARD, Identities, own_number
from tests.properties.machine import FOLDER, as_test, sides, which
from tests.reconciler.job import PIPES, lost_from
from tests.reconciler.platforms import EXTERNAL_ID

objects = st.sampled_from(["Contact", "Contact", "Lead"])
#: Which numbers somebody has: one of his own, the switchboard's, or both.
given_phones = st.sampled_from([(True, False), (False, True), (True, True)])


class WhoIsWho(RuleBasedStateMachine):
    """People who share a number, and people who say who is who."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=FOLDER))
        self.world = Identities(self.folder)

    @initialize(
        on_conflict=st.sampled_from(["keep_salesforce", "keep_phoneiq"]),
        shared_phone=st.sampled_from(["reject", "allow"]),
        on_name_mismatch=st.sampled_from(["merge", "skip"]),
        on_delete=st.sampled_from(["keep", "propagate"]),
        external_id=st.sampled_from([None, EXTERNAL_ID]),
        home=sides,
        people=st.lists(given_phones, min_size=2, max_size=3),
        namesakes=st.integers(min_value=0, max_value=3),
    )
    def begin(
        self,
        on_conflict,
        shared_phone,
        on_name_mismatch,
        on_delete,
        external_id,
        home,
        people,
        namesakes,
    ):
        self.external_id, self.home = external_id, home
        self.settings = {
            "on_conflict": on_conflict,
            "shared_phone": shared_phone,
            "on_name_mismatch": on_name_mismatch,
            "on_delete": on_delete,
            "salesforce_external_id_field": external_id,
            "max_delete_percent": 100,
        }
        self.world.job.settings |= self.settings
        for phones in people:
            self.create(home, "Contact", phones)
        for person in range(namesakes):
            self.create_a_namesake(person)

    def pick(self, side, which, among=None):
        """One of a side's live records, or of those of some, or None."""
        found = self.world.live(side)
        found = [id_ for id_ in found if among is None or id_ in among]
        return found[which % len(found)] if found else None

    def pick_paired(self, side, which):
        """One that a run has seen as half of a pair which is still one."""
        halves = {id_ for pair in self.world.paired & {*self.world.pairs()} for id_ in pair}
        return self.pick(side, which, halves)

    def phones(self, person, given):
        own, switchboard = given
        return {
            "mobile_phone": own_number(person) if own else None,
            "work_phone": SWITCHBOARD if switchboard else None,
        }

    # --- people ---------------------------------------------------------------------------------

    @precondition(lambda self: len(self.world.people) < 6)
    @rule(side=sides, object_=objects, given=given_phones)
    def create(self, side, object_, given):
        """Where a shared number merges people, all who share one come from one side."""
        if self.settings["on_name_mismatch"] == "merge" and given[1]:
            side = self.home
        self.world.create(side, object_, **self.phones(len(self.world.people), given))

    @precondition(lambda self: len(self.world.people) < 6)
    @rule(which=which)
    def create_a_namesake(self, which):
        """Somebody of the same name, behind the same switchboard, on the same side."""
        person = self.world.people[which % len(self.world.people)]
        home = self.world.side_of(min(person.made))
        alike = [one for one in self.world.people if one.name == person.name]
        if all(self.world.side_of(id_) == home for one in alike for id_ in one.made):
            phones = self.phones(len(self.world.people), (False, True))
            if not any(self.world.is_joined(one) or one.gone for one in alike):
                self.world.create(home, "Contact", namesake=person, **phones)

    @rule(side=sides, which=which)
    def edit(self, side, which):
        if id_ := self.pick(side, which):
            self.world.edit(id_)

    @rule(side=sides, which=which)
    def delete(self, side, which):
        if id_ := self.pick(side, which):
            self.world.delete(id_)

    @rule(side=sides, which=which, with_reference=st.booleans())
    def import_again(self, side, which, with_reference):
        """Deleted and made anew, with the reference or only with number and name."""
        id_ = self.pick_paired(side, which)
        if id_ and not self.world.is_joined(self.world.owner[id_]):
            can_refer = side == "phoneiq" or self.external_id
            self.world.import_again(id_, with_reference=bool(with_reference and can_refer))

    @rule(which=which, whose=which)
    def move_a_number_to_a_colleague(self, which, whose):
        """The former owner has none then, or one of his own that is new."""
        one = self.pick_paired("salesforce", which)
        two = self.pick_paired("salesforce", whose)
        if not one or not two or self.world.owner[one] is self.world.owner[two]:
            return
        number = self.world.read(one)["mobile_phone"]
        if number:
            self.world.values += 1
            new = own_number(self.world.owner[one].number, self.world.values)
            self.world.type(one, mobile_phone=new if self.world.values % 2 else None)
            self.world.type(two, mobile_phone=number)

    @rule(which=which, other=which)
    def merge(self, which, other):
        winner, loser = self.pick("salesforce", which), self.pick("salesforce", other)
        if winner and loser and winner != loser and winner[:3] == loser[:3]:
            self.world.merge(winner, loser)

    @rule(which=which)
    def edit_the_contact_of_a_record_that_was_merged_away(self, which):
        if id_ := self.pick("phoneiq", which, self.world.merged_away):
            self.world.edit(id_)

    # --- references -----------------------------------------------------------------------------

    @rule(which=which, whose=which)
    def move_a_reference(self, which, whose):
        """Another contact is the better one."""
        salesforce = self.pick_paired("salesforce", which)
        contact = self.pick("phoneiq", whose)
        if salesforce and contact and self.world.half_of(salesforce) != contact:
            self.world.refer(contact, salesforce)

    @rule(which=which)
    def make_a_better_contact(self, which):
        """A second contact of one person takes the reference over."""
        if salesforce := self.pick_paired("salesforce", which):
            person, values = self.world.owner[salesforce], self.world.read(salesforce)
            contact = self.world.create(
                "phoneiq", "", person, **{name: values[name] for name in PHONES}
            )
            self.world.refer(contact, salesforce)

    @precondition(lambda self: self.external_id)
    @rule(which=which, whose=which)
    def move_a_reference_in_salesforce(self, which, whose):
        contact = self.pick_paired("phoneiq", which)
        salesforce = self.pick("salesforce", whose)
        if contact and salesforce and self.world.half_of(contact) != salesforce:
            self.world.refer(salesforce, contact)

    @rule(which=which, other=which)
    def swap_references(self, which, other):
        one, two = self.pick_paired("phoneiq", which), self.pick_paired("phoneiq", other)
        if one and two and one != two:
            self.world.swap(one, two)

    @rule(side=sides, which=which)
    def clear_a_reference(self, side, which):
        id_ = self.pick_paired(side, which)
        if id_ and (side == "phoneiq" or self.external_id):
            self.world.refer(id_, None)

    # --- the job --------------------------------------------------------------------------------

    @rule()
    def run(self):
        self.world.run()

    @rule()
    def run_before_the_next(self):
        """Once more among the rules: half of what matters happens between two runs."""
        self.world.run()

    @rule(pipe=st.sampled_from(PIPES), position=st.integers(min_value=0, max_value=6))
    def run_with_a_target_that_crashes(self, pipe, position):
        assert self.world.job.pipe(pipe, target=lost_from(position)).code == 0
        self.world.look()

    # --- the end --------------------------------------------------------------------------------

    def teardown(self):
        try:
            if sys.exc_info()[0] is None:
                self.world.check(
                    on_delete=self.settings["on_delete"],
                    shared_phone=self.settings["shared_phone"],
                )
        finally:
            shutil.rmtree(self.folder)


TestWhoIsWho = as_test(WhoIsWho, share=0.5)
