"""Nobody's number changes unless somebody typed another number, whatever becomes of countries."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.properties.machine import FOLDER, as_test, sides, which
from tests.properties.phonebook import (
    AWKWARD,
    BLANKS,
    COUNTRIES,
    DECORATIONS,
    FIELDS,
    NUMBERS,
    PEOPLE,
    PHONES,
    REGIONS,
    SPELLINGS,
    UNKNOWN_COUNTRIES,
    VANITY,
    Phonebook,
    region_of,
)
from tests.reconciler.platforms import EXTERNAL_ID

countries = st.sampled_from([*COUNTRIES, *UNKNOWN_COUNTRIES, *BLANKS])
numbers = st.integers(min_value=0, max_value=len(NUMBERS[0]) - 1)
spellings = st.sampled_from([*SPELLINGS])
decorations = st.sampled_from([*DECORATIONS])
FORMATS = ("e164", "international", "national")
objects = st.sampled_from([*FIELDS])


class NumbersAndCountries(RuleBasedStateMachine):
    """People type numbers and countries in every way that people have."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(dir=FOLDER))
        self.book = Phonebook(self.folder)

    @initialize(
        on_conflict=st.sampled_from(["keep_salesforce", "keep_phoneiq"]),
        external_id=st.sampled_from([None, EXTERNAL_ID]),
        style=st.sampled_from(FORMATS),
        side=sides,
        object_=objects,
        which=numbers,
        spelling=spellings,
        country=countries,
        runs=st.integers(min_value=0, max_value=2),
    )
    def begin(self, on_conflict, external_id, style, side, object_, which, spelling, country, runs):
        self.book.job.settings |= {
            "on_conflict": on_conflict,
            "salesforce_external_id_field": external_id,
            "salesforce_phone_format": style,
        }
        self.create(side, object_, which, spelling, country)
        for _ in range(runs):
            self.book.run()

    def pick(self, side, which):
        """A record of a side, of a person whose records are known to each other."""
        found = [
            id_
            for person, of, id_ in self.book.records()
            if of == side
            and (self.book.pair_of(person) or sum(map(len, person.records.values())) == 1)
        ]
        return found[which % len(found)] if found else None

    def number(self, id_, which):
        return NUMBERS[self.book.owner[id_].number][which]

    # --- people ---------------------------------------------------------------------------------

    @precondition(lambda self: len(self.book.people) < PEOPLE)
    @rule(side=sides, object_=objects, which=numbers, spelling=spellings, country=countries)
    def create(self, side, object_, which, spelling, country):
        number = NUMBERS[len(self.book.people)][which]
        text = self.book.text_of(number, spelling)
        self.book.create(side, object_, mobile_phone=text, country=country)

    @precondition(lambda self: len(self.book.people) < PEOPLE)
    @rule(
        object_=objects,
        which=numbers,
        texts=st.tuples(spellings, spellings),
        more=st.sampled_from([None, *COUNTRIES]),
    )
    def create_on_both_sides(self, object_, which, texts, more):
        """One person whom both sides know, each with a spelling and a country of its own."""
        number = NUMBERS[len(self.book.people)][which]
        own = next(name for name, region in COUNTRIES.items() if region == region_of(number))
        person = None
        for side, spelling, country in zip(sides_of(which), texts, (own, more), strict=True):
            text = self.book.text_of(number, spelling)
            self.book.create(side, object_, person, mobile_phone=text, country=country)
            person = self.book.people[-1]

    @rule(
        side=sides,
        which=which,
        name=st.sampled_from(PHONES),
        value=numbers,
        spelling=spellings,
        decoration=decorations,
    )
    def type_a_number(self, side, which, name, value, spelling, decoration):
        if id_ := self.pick(side, which):
            number = self.number(id_, value)
            self.book.edit(id_, name, self.book.text_of(number, spelling, decoration))

    @rule(
        side=sides,
        which=which,
        name=st.sampled_from(PHONES),
        values=st.tuples(numbers, numbers),
        between=st.sampled_from([" / ", "; ", " or "]),
    )
    def type_two_numbers(self, side, which, name, values, between):
        id_ = self.pick(side, which)
        if id_ and values[0] != values[1]:
            first, second = (self.number(id_, value) for value in values)
            self.book.edit(id_, name, self.book.two_numbers(first, second, between))

    @rule(
        side=sides,
        which=which,
        name=st.sampled_from(PHONES),
        text=st.sampled_from([*AWKWARD, None]),
    )
    def type_something_awkward(self, side, which, name, text):
        """No number, or the person's vanity number."""
        if id_ := self.pick(side, which):
            text = text or [*VANITY][self.book.owner[id_].number]
            self.book.edit(id_, name, self.book.awkward(text))

    @rule(side=sides, which=which, name=st.sampled_from(PHONES))
    def clear(self, side, which, name):
        if id_ := self.pick(side, which):
            self.book.edit(id_, name, None)

    @rule(side=sides, which=which, country=countries)
    def type_a_country(self, side, which, country):
        if id_ := self.pick(side, which):
            self.book.edit(id_, "country", country)

    # --- the job and its settings ---------------------------------------------------------------

    @rule()
    def run(self):
        self.book.run()

    @rule()
    def run_before_the_next(self):
        """Once more among the rules: half of what matters happens between two runs."""
        self.book.run()

    @rule(
        changed=st.sampled_from(
            [
                *({"salesforce_phone_format": one} for one in FORMATS),
                *({"default_region": one} for one in REGIONS),
            ]
        )
    )
    def change_a_setting(self, changed):
        self.book.job.settings |= changed

    @rule()
    def lose_the_ledger(self):
        self.book.lose_ledger()

    # --- the end --------------------------------------------------------------------------------

    def teardown(self):
        try:
            if sys.exc_info()[0] is None:
                self.book.check()
        finally:
            shutil.rmtree(self.folder)


def sides_of(which):
    """Both sides, in one order or the other."""
    return ("salesforce", "phoneiq")[:: 1 if which % 2 else -1]


TestNumbersAndCountries = as_test(NumbersAndCountries, share=0.5)
