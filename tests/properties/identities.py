"""Who is who: a small model beside World, for people who share numbers and for references.

A name never changes here and every job title carries the number of its person, so that a person
who became another shows at once, also where two people have one name. People make references,
move and swap them, import contacts again and merge records; whom they join by that belongs to one
group, whose values may mix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.reconciler.job import Job
from tests.reconciler.platforms import EXTERNAL_ID

Side = Literal["salesforce", "phoneiq"]
SIDES: tuple[Side, Side] = ("salesforce", "phoneiq")
SWITCHBOARD = "+14155550100"
PHONES = ("mobile_phone", "work_phone")
#: Salesforce's fields, of a Contact and of a Lead, under PhoneIQ's names.
FIELDS = {
    "first_name": "FirstName",
    "last_name": "LastName",
    "job_title": "Title",
    "email": "Email",
    "mobile_phone": "MobilePhone",
    "work_phone": "Phone",
}
_OWNER = re.compile(r"(?:P|Doe|p)(\d+)(?:\.|$)")


def own_number(person: int, which: int = 0) -> str:
    """A number that only this person is given, until it moves on to a colleague."""
    return f"+1415{200 + person}{1000 + which}"


@dataclass
class Person:
    """Somebody, with all the records that show him.

    Attributes:
        number: Which one.
        name: The number that is in the name: of the person himself, or of a namesake.
        records: By side, the ids of all records that were ever made of him.
        made: Those of them that people made.
        gone: Whether people deleted one of them.
    """

    number: int
    name: int
    records: dict[Side, list[str]] = field(
        default_factory=lambda: {"salesforce": [], "phoneiq": []}
    )
    made: set[str] = field(default_factory=set)
    gone: bool = False


class Identities:
    """Two platforms, the job between them, and the people who are on them."""

    def __init__(self, folder: Path) -> None:
        self.job = Job(folder)
        self.people: list[Person] = []
        self.owner: dict[str, Person] = {}
        #: Which group of people who were joined each person is in.
        self.group: dict[int, int] = {}
        self.values = 0
        self.deleted: set[str] = set()
        #: Pairs that people named last: PhoneIQ's id by Salesforce's.
        self.stated: dict[str, str] = {}
        #: Contacts of records that were merged away since they were paired.
        self.merged_away: set[str] = set()
        #: Pairs that both sides showed when the last run ended.
        self.paired: set[tuple[str, str]] = set()

    # --- looking --------------------------------------------------------------------------------

    def side_of(self, id_: str) -> Side:
        return "phoneiq" if id_.startswith("pc_") else "salesforce"

    def row(self, id_: str) -> dict[str, Any]:
        return (self.job.phoneiq if self.side_of(id_) == "phoneiq" else self.job.salesforce).get(
            id_
        )

    def is_live(self, id_: str) -> bool:
        row = self.row(id_)
        return not row["IsDeleted"] if "IsDeleted" in row else row["deleted_at"] is None

    def live(self, side: Side, person: Person | None = None) -> list[str]:
        people = self.people if person is None else [person]
        return [id_ for one in people for id_ in one.records[side] if self.is_live(id_)]

    def read(self, id_: str) -> dict[str, str | None]:
        """A record's fields under PhoneIQ's names."""
        row, is_salesforce = self.row(id_), self.side_of(id_) == "salesforce"
        return {name: row[field if is_salesforce else name] for name, field in FIELDS.items()}

    def half_of(self, id_: str) -> str | None:
        """The record that is named by a record or names it, where both are live."""
        if self.side_of(id_) == "phoneiq":
            named = self.row(id_)["salesforce_id"]
            naming = [x for x in self.live("salesforce") if self.row(x)[EXTERNAL_ID] == id_]
            known = [named] if named else naming
        else:
            named = self.row(id_)[EXTERNAL_ID]
            known = [x for x in self.live("phoneiq") if self.row(x)["salesforce_id"] == id_]
            if named in self.owner and self.row(named)["salesforce_id"] is None:
                known.append(named)
        return next((x for x in known if x in self.owner and self.is_live(x)), None)

    def pairs(self) -> Iterator[tuple[str, str]]:
        for salesforce in self.live("salesforce"):
            if phoneiq := self.half_of(salesforce):
                yield salesforce, phoneiq

    def join(self, *ids: str) -> None:
        """People say that records are of one person: from here their values may mix."""
        groups = {self.group[self.owner[id_].number] for id_ in ids}
        for number, group in self.group.items():
            if group in groups:
                self.group[number] = min(groups)

    def join_namesakes(self, person: Person) -> None:
        """Where one of them goes or is imported again, the rules may take another for him."""
        self.join(*(id_ for id_, one in self.owner.items() if one.name == person.name))

    def is_joined(self, person: Person) -> bool:
        return list(self.group.values()).count(self.group[person.number]) > 1

    # --- what people do -------------------------------------------------------------------------

    def create(
        self,
        side: Side,
        object_: str,
        person: Person | None = None,
        *,
        reference: str | None = None,
        namesake: Person | None = None,
        **phones: str | None,
    ) -> str:
        """A new record, of a new person or once more of one.

        Args:
            side: Where.
            object_: Salesforce's object.
            person: Who, if not a new person.
            reference: The record that it names on the other side.
            namesake: Somebody whose name a new person has as well.
            phones: Numbers by field.
        """
        if person is None:
            number = len(self.people)
            person = Person(number, namesake.name if namesake else number)
            self.people.append(person)
            self.group[person.number] = person.number
        values = {
            "first_name": f"P{person.name}",
            "last_name": f"Doe{person.name}",
            "job_title": self._value(person),
            **phones,
        }
        if side == "phoneiq":
            id_ = self.job.phoneiq.create(**values, salesforce_id=reference)
        else:
            fields = {FIELDS[name]: value for name, value in values.items()}
            id_ = self.job.salesforce.create(object_, **fields, **{EXTERNAL_ID: reference})
        self._own(person, side, id_)
        person.made.add(id_)
        if reference:
            self.state(id_, reference)
        return id_

    def _value(self, person: Person) -> str:
        self.values += 1
        return f"p{person.number}.{self.values}"

    def _own(self, person: Person, side: Side, id_: str) -> None:
        person.records[side].append(id_)
        self.owner[id_] = person

    def type(self, id_: str, **values: str | None) -> None:
        """Values into the mapped fields of a record."""
        if self.side_of(id_) == "phoneiq":
            self.job.phoneiq.edit(id_, **values)
        else:
            fields = {FIELDS[name]: value for name, value in values.items()}
            self.job.salesforce.edit(id_, **fields)

    def edit(self, id_: str) -> None:
        """A new job title."""
        self.type(id_, job_title=self._value(self.owner[id_]))

    def refer(self, id_: str, to: str | None) -> None:
        """Let a record name another one, or none, as the other half of its pair."""
        if self.side_of(id_) == "phoneiq":
            for other in self.live("phoneiq"):
                if to and other != id_ and self.row(other)["salesforce_id"] == to:
                    self.job.phoneiq.edit(other, salesforce_id=None)
            self.job.phoneiq.edit(id_, salesforce_id=to)
        else:
            for other in self.live("salesforce"):
                if to and other != id_ and self.row(other)[EXTERNAL_ID] == to:
                    self.job.salesforce.edit(other, **{EXTERNAL_ID: None})
            self.job.salesforce.edit(id_, **{EXTERNAL_ID: to})
        if to:
            self.state(id_, to)

    def state(self, id_: str, to: str) -> None:
        """What people say last of two records stands."""
        salesforce, phoneiq = (id_, to) if self.side_of(id_) == "salesforce" else (to, id_)
        self.unstate(salesforce, phoneiq)
        self.stated[salesforce] = phoneiq
        self.join(salesforce, phoneiq)

    def unstate(self, *ids: str) -> None:
        """Nothing that people said of these records is the last word any more."""
        self.stated = {
            salesforce: phoneiq
            for salesforce, phoneiq in self.stated.items()
            if not {salesforce, phoneiq} & set(ids)
        }

    def swap(self, one: str, two: str) -> None:
        """Two contacts exchange the records that they name."""
        first, second = self.half_of(one), self.half_of(two)
        assert first
        assert second
        for id_ in (one, two):
            self.job.phoneiq.edit(id_, salesforce_id=None)
        self.refer(one, second)
        self.refer(two, first)

    def delete(self, id_: str) -> None:
        person = self.owner[id_]
        self.join_namesakes(person)
        for one in self.people:
            # Whom a group's deletion reaches is for the rules to say.
            one.gone |= self.group[one.number] == self.group[person.number]
        self.unstate(id_)
        self.deleted.add(id_)
        (self.job.phoneiq if self.side_of(id_) == "phoneiq" else self.job.salesforce).delete(id_)

    def import_again(self, id_: str, *, with_reference: bool) -> str:
        """Delete a record and make it anew before any run sees that."""
        row, person, side = self.row(id_), self.owner[id_], self.side_of(id_)
        values, half = self.read(id_), self.half_of(id_)
        gone = person.gone
        self.delete(id_)
        person.gone = gone
        phones = {name: values[name] for name in PHONES}
        reference = half if with_reference else None
        object_ = row["attributes"] if side == "salesforce" else ""
        return self.create(side, object_, person, reference=reference, **phones)

    def merge(self, winner: str, loser: str) -> None:
        self.join(winner, loser)
        half = next((b for a, b in self.paired if a == loser and self.half_of(b) == a), None)
        if half and any(a == winner for a, _ in self.paired):
            self.merged_away.add(half)
        self.unstate(loser)
        self.job.salesforce.merge(winner, loser)

    # --- what the job does ----------------------------------------------------------------------

    def run(self) -> list[Any]:
        """The whole job; what it wrote."""
        passed = self.job.run()
        assert [one.code for one in passed] == [0, 0, 0], passed[-1].text
        self.look()
        self.paired = set(self.pairs())
        return [record for one in passed for record in one.records]

    def look(self) -> None:
        """Whose the records are that the loaders made, and whether all are who they were."""
        for side, platform in (("salesforce", self.job.salesforce), ("phoneiq", self.job.phoneiq)):
            for written in platform.written:
                if written.action == "create" and written.id not in self.owner:
                    (number,) = _OWNER.findall(self.read(written.id)["job_title"] or "")
                    self._own(self.people[int(number)], side, written.id)  # type: ignore[arg-type]
            platform.written.clear()
        for person in self.people:
            group = [
                one for one in self.people if self.group[one.number] == self.group[person.number]
            ]
            for id_ in (id_ for side in SIDES for id_ in person.records[side]):
                for name, value in self.read(id_).items():
                    is_name = name in {"first_name", "last_name"}
                    allowed = {one.name if is_name else one.number for one in group}
                    found = (
                        set() if name in PHONES else {int(n) for n in _OWNER.findall(value or "")}
                    )
                    mixed = f"{id_} of person {person.number} has {name} {value}"
                    assert found <= allowed, mixed

    # --- what must be true ----------------------------------------------------------------------

    def check(self, *, on_delete: str, shared_phone: str) -> None:
        """Two quiet runs, then nothing is left to write, and everybody is who he was."""
        self.run()
        self.run()
        for person in self.people:
            self._check_is_not_lost(person, on_delete)
            self._check_is_not_doubled(person)
        for salesforce, phoneiq in self.pairs():
            self._check_pair(salesforce, phoneiq)
        for salesforce, phoneiq in self.stated.items():
            if self.is_live(salesforce) and self.is_live(phoneiq):
                found, half = self.row(phoneiq)["salesforce_id"], self.half_of(phoneiq)
                what = f"people said that {phoneiq} is {salesforce}, it names {found}, is {half}"
                # One of the two names the other.
                assert half == salesforce, what
                assert found in {salesforce, None}, what
        for id_ in self.merged_away:
            half = self.half_of(id_)
            assert half is None or half in self.owner[half].made, f"{id_}: created again as {half}"
        if shared_phone == "allow":
            self._check_everybody_is_across()
        self._check_numbers_moved()
        again = self.run()
        assert again == [], f"the third run still writes {again}"

    def _check_is_not_lost(self, person: Person, on_delete: str) -> None:
        if on_delete == "propagate" and person.gone:
            return
        for side in SIDES:
            for id_ in person.records[side]:
                row = self.row(id_)
                merged = row.get("MasterRecordId")
                assert self.is_live(id_) or id_ in self.deleted or merged, (
                    f"{id_} was deleted by the sync"
                )

    def _check_is_not_doubled(self, person: Person) -> None:
        """The sync makes no more records of somebody than the other side has of him."""
        for side in SIDES:
            found = {*self.live(side, person)} - person.made
            other = self.live(SIDES[side == "salesforce"], person)
            if not self.is_joined(person):
                what = f"person {person.number} was created as {found}, there is {other}"
                assert len(found) <= max(len(other), 1), what

    def _check_pair(self, salesforce: str, phoneiq: str) -> None:
        """Both halves of a pair that takes part show the same."""
        one, two = self.read(salesforce), self.read(phoneiq)
        if any(one[name] for name in PHONES):
            assert one == two, f"{salesforce} and {phoneiq} differ: {one}, {two}"

    def _check_everybody_is_across(self) -> None:
        """Where numbers may be shared, nobody waits for another one's number."""
        for person in self.people:
            if person.gone or self.is_joined(person):
                continue
            found = [self.live(side, person) for side in SIDES]
            takes_part = any(
                self.read(id_)[name] for ids in found for id_ in ids for name in PHONES
            )
            assert all(found) or not takes_part, f"person {person.number} is only there as {found}"

    def _check_numbers_moved(self) -> None:
        """A number that one side gave to a colleague is not on the former one's other half."""
        for pair in self.pairs():
            for here, there in (pair, pair[::-1]):
                one, two = self.read(here), self.read(there)
                for name in PHONES:
                    number = two[name]
                    if number in {None, SWITCHBOARD} or number in {one[n] for n in PHONES}:
                        continue
                    others = [
                        id_
                        for id_ in self.live(self.side_of(here))
                        if id_ != here and number in {self.read(id_)[n] for n in PHONES}
                    ]
                    what = f"{there} still has {number}, which {others} has instead of {here}"
                    assert not others, what
