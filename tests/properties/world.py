"""Two platforms, the people who work on them, and what must be true once they go home.

This is the reference model. It knows nothing of ledgers, baselines or plans; it remembers what
people typed, and when both sides were last seen to agree, and derives from that what may stand in
each field at the end:

- nobody typed since both sides agreed: the value of then, on both sides;
- people typed on one side only: what they typed last stands there, and travels if it may;
- people typed on both sides: what was typed last on one of them; if the next thing was a clean
  run of the whole job, what was typed on the side named by `on_conflict`.

Every text says whose it is (`p3.17` belongs to person 3), every number too, so that a value in
the wrong place shows. A person is `loose` once it can be mistaken for another by the rules
themselves (a number of someone else, a merge, a deletion in the middle of things): then only what
holds for everybody is checked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.reconciler.job import PIPES, TO_PHONEIQ, TO_SALESFORCE, Job, Message, Passed
from tests.reconciler.platforms import EXTERNAL_ID, deliver

Side = Literal["salesforce", "phoneiq"]
Value = str | None
SIDES: tuple[Side, Side] = ("salesforce", "phoneiq")

#: PhoneIQ's fields and Salesforce's by object.
FIELDS: dict[str, dict[str, str]] = {
    "first_name": {"Contact": "FirstName", "Lead": "FirstName"},
    "last_name": {"Contact": "LastName", "Lead": "LastName"},
    "job_title": {"Contact": "Title", "Lead": "Title"},
    "email": {"Contact": "Email", "Lead": "Email"},
    "city": {"Contact": "MailingCity", "Lead": "City"},
    "mobile_phone": {"Contact": "MobilePhone", "Lead": "MobilePhone"},
    "work_phone": {"Contact": "Phone", "Lead": "Phone"},
    # Of a Contact, the name of its Account: whoever renames that renames this.
    "company": {"Contact": "Account.Name", "Lead": "Company"},
}
PHONES = ("mobile_phone", "work_phone")
DIRECTIONS: dict[str, Side] = {
    "salesforce_to_phoneiq": "phoneiq",
    "phoneiq_to_salesforce": "salesforce",
}
#: The longest value that Salesforce takes where PhoneIQ takes a longer one.
SALESFORCE_LENGTHS = {"first_name": 40, "last_name": 80, "city": 40}
FALLBACK = "[not provided]"
INVALID_PHONE = "call me"
_NUMBER = re.compile(r"\+1415(\d{3})\d{4}")


def number(person: int, which: int) -> str:
    """A valid number of a person."""
    return f"+1415{200 + person}{1000 + which}"


def typed(value: str) -> str:
    """A number the way people type it."""
    return f"({value[2:5]}) {value[5:8]}-{value[8:]}"


def plain(name: str, value: Value) -> Value:
    """A value without the liberties of form that both sides may take."""
    if not value or value == FALLBACK:
        return None
    if name in PHONES and value.startswith("("):
        return "+1" + re.sub(r"\D", "", value)
    return value.casefold() if name == "email" else value


def is_number(value: Value) -> bool:
    return bool(value and _NUMBER.fullmatch(value))


@dataclass
class Field:
    """What people typed into one field of one person since both sides agreed.

    Attributes:
        agreed: Values on which both sides were seen to agree; empty where they never did.
        typed: By side, what was typed since, in order.
        when: How many pipes had run at each time.
    """

    agreed: list[Value] = field(default_factory=list)
    typed: dict[Side, list[Value]] = field(default_factory=dict)
    when: set[int] = field(default_factory=set)

    def type(self, side: Side, value: Value, now: int) -> None:
        self.typed.setdefault(side, []).append(value)
        self.when.add(now)

    def agree(self, value: Value) -> None:
        self.agreed = [value]
        self.typed.clear()
        self.when.clear()


@dataclass
class Person:
    """Somebody, on one side or both.

    Attributes:
        fields: Field by PhoneIQ's name.
        records: The records of the person that were ever made, by side.
        loose: Whether the rules themselves may mix this person up with another.
        twin_made: How many pipes had run when people made the record of the other side too.
        gone: Sides on which people deleted the record.
        edited_after: Whether people edited what was left after that.
        converted: Whether a conversion gave it a record that no clean run has seen.
        was_paired: Whether both records were there, one naming the other, when one was deleted.
        was_quiet: Whether both sides agreed on everything then.
    """

    number: int
    fields: dict[str, Field] = field(default_factory=lambda: {name: Field() for name in FIELDS})
    records: dict[Side, list[str]] = field(
        default_factory=lambda: {"salesforce": [], "phoneiq": []}
    )
    loose: bool = False
    twin_made: int | None = None
    gone: set[Side] = field(default_factory=set)
    edited_after: bool = False
    converted: bool = False
    was_paired: bool = False
    was_quiet: bool = False


class World:
    """Platforms, job, people and what they did."""

    def __init__(self, folder: Path, new_ledger: Callable[[], str] | None = None) -> None:
        self.job = Job(folder, new_ledger)
        self.people: list[Person] = []
        self.owner: dict[str, Person] = {}
        self.notes: dict[str, str] = {}
        self.values = 0
        self.pipes = 0
        #: How many pipes had run before each clean run of the whole job.
        self.clean_runs: set[int] = set()
        #: Side and messages, and how many pipes had run when they were sent.
        self.delayed: list[tuple[Side, list[Message], int]] = []
        self.ever: dict[str, set[Any]] = {}
        #: Which way job titles travel.
        self.title_direction = "both"
        #: Records and names of fields with a value that a loader put there instead of its own.
        #: Person, field, Salesforce's value, PhoneIQ's, and the rule, where a run had to choose.
        self.conflicts: list[tuple[Person, str, Value, Value, str]] = []
        #: What the mapper wrote, and to which side.
        self.sent: list[tuple[Side, Message]] = []
        self.rewritten: list[tuple[Person, Side, str, str]] = []
        self.change_setting()

    # --- looking ----------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "sync_direction": "both",
            "on_conflict": "keep_salesforce",
            "objects": ["Contact", "Lead"],
            "shared_phone": "reject",
            "on_delete": "keep",
            "default_object": "Contact",
            "salesforce_external_id_field": None,
            "title_direction": self.title_direction,
        } | self.job.settings

    def row(self, side: Side, id_: str) -> dict[str, Any]:
        return (self.job.salesforce if side == "salesforce" else self.job.phoneiq).get(id_)

    def is_live(self, side: Side, id_: str) -> bool:
        row = self.row(side, id_)
        if side == "phoneiq":
            return row["deleted_at"] is None
        return not row["IsDeleted"] and not row.get("IsConverted")

    def live(self, person: Person, side: Side) -> list[str]:
        return [id_ for id_ in person.records[side] if self.is_live(side, id_)]

    def everybody(self, side: Side) -> list[str]:
        """All live records of a side."""
        return [id_ for person in self.people for id_ in self.live(person, side)]

    def read(self, side: Side, id_: str) -> dict[str, Value]:
        """A record's fields under PhoneIQ's names, in plain form."""
        row = self.row(side, id_)
        names = {
            name: objects[row["attributes"]] if side == "salesforce" else name
            for name, objects in FIELDS.items()
        }
        if "Account.Name" in names.values():
            account = row["AccountId"] and self.row(side, row["AccountId"])
            row = row | {"Account.Name": account and account["Name"]}
        return {name: plain(name, row[field]) for name, field in names.items()}

    def is_paired(self, salesforce: str, phoneiq: str) -> bool:
        """Whether one of two records names the other."""
        return (
            self.row("phoneiq", phoneiq)["salesforce_id"] == salesforce
            or self.row("salesforce", salesforce)[EXTERNAL_ID] == phoneiq
        )

    # --- what people do -----------------------------------------------------------------------

    def new_value(self, person: Person, name: str) -> str:
        self.values += 1
        text = f"p{person.number}.{self.values}"
        return f"{text}@example.org" if name == "email" else text

    def create(self, side: Side, object_: str, person: Person | None = None) -> str:
        """A new record, of a new person or of one who is on the other side only."""
        if person is None:
            person = Person(len(self.people))
            self.people.append(person)
        else:
            person.twin_made = self.pipes
            # Nothing is paired with a record of an object that is not synced.
            there = self.live(person, "salesforce")
            objects = {self.row("salesforce", id_)["attributes"] for id_ in there} or {object_}
            unsynced = not objects.issubset(self.settings["objects"])
            person.loose |= bool(person.gone or self.delayed or unsynced)
        values: dict[str, Value] = {
            name: self.new_value(person, name) for name in ("first_name", "last_name", "email")
        }
        numbers = [
            found
            for other in SIDES
            for id_ in self.live(person, other)
            for name in PHONES
            if is_number(found := self.read(other, id_)[name])
        ]
        if person.fields["mobile_phone"].typed and not numbers:
            # Nothing says that the two records are of one person.
            person.loose = True
        values["mobile_phone"] = numbers[0] if numbers else number(person.number, 0)
        if side == "salesforce" and object_ == "Lead":
            values["company"] = self.new_value(person, "company")
        note = f"note {person.number}"
        if side == "salesforce":
            fields = {FIELDS[name][object_]: value for name, value in values.items()}
            id_ = self.job.salesforce.create(object_, **fields, Description=note)
        else:
            id_ = self.job.phoneiq.create(**values, notes=note)
        self.notes[id_] = note
        self._own(person, side, id_)
        for name, one in person.fields.items():
            one.type(side, values.get(name), self.pipes)
        return id_

    def edit(self, side: Side, id_: str, name: str, value: Value) -> None:
        person = self.owner[id_]
        if self.read(side, id_)[name] == plain(name, value):
            return
        if name in PHONES:
            mine = is_number(value) and value[5:8] == str(200 + person.number)
            if is_number(value) and not mine:
                self._mix(person, self.people[int(value[5:8]) - 200])
            elif not person.fields[name].agreed:
                # Without a reference only the number says whose record it is that was made.
                made_by_hand = person.twin_made is not None
                known = self.settings["salesforce_external_id_field"] and not made_by_hand
                person.loose |= not known and (side == "salesforce" or made_by_hand)
        person.fields[name].type(side, plain(name, value), self.pipes)
        if person.converted and side == "salesforce" and plain(name, value) is None:
            self._may_be_filled(person, name)
        person.edited_after = bool(person.gone)
        if side == "salesforce":
            object_ = self.row(side, id_)["attributes"]
            if value and name in PHONES and self.values % 2:
                value = typed(value) if is_number(value) else value
            if FIELDS[name][object_] == "Account.Name":
                self._employ(id_, value)
                return
            if value is None and name in {"last_name", "company"}:
                value = FALLBACK
            self.job.salesforce.edit(id_, **{FIELDS[name][object_]: value})
        else:
            self.job.phoneiq.edit(id_, **{name: value})

    def _employ(self, contact: str, company: Value) -> None:
        """Rename a Contact's Account, or give it another."""
        account = self.row("salesforce", contact)["AccountId"]
        if account and company and self.values % 2:
            self.job.salesforce.edit(account, Name=company)
        else:
            account = company and self.job.salesforce.create("Account", Name=company)
            self.job.salesforce.edit(contact, AccountId=account)

    def delete(self, side: Side, id_: str) -> None:
        person = self.owner[id_]
        if person.gone:
            person.loose = True
        # A pair that no run has seen yet is none.
        seen = any(one.agreed for one in person.fields.values())
        person.was_paired = seen and any(self.is_paired(*pair) for pair in self.pair_of(person))
        person.was_quiet = all(one.agreed and not one.typed for one in person.fields.values())
        person.gone.add(side)
        # What was typed on the other side, but not seen yet, may be seen after the deletion.
        person.edited_after = any(_other(side) in one.typed for one in person.fields.values())
        (self.job.salesforce if side == "salesforce" else self.job.phoneiq).delete(id_)
        for left in self.live(person, _other(side)):
            # From here the survivor is somebody who is on one side only.
            for name, value in self.read(_other(side), left).items():
                person.fields[name] = Field()
                person.fields[name].type(_other(side), value, self.pipes)

    def merge(self, winner: str, loser: str) -> None:
        self._mix(self.owner[winner], self.owner[loser])
        self.job.salesforce.merge(winner, loser)

    def convert(self, lead: str) -> None:
        person, before = self.owner[lead], self.read("salesforce", lead)
        contact = self.job.salesforce.convert(lead)
        self._own(person, "salesforce", contact)
        person.loose |= "Contact" not in self.settings["objects"]
        # Converted before both sides were seen to agree: nothing says who typed what since.
        person.loose |= not all(one.agreed for one in person.fields.values())
        person.converted = True
        for name, value in before.items():
            if value is None and person.fields[name].typed:
                self._may_be_filled(person, name)

    def _may_be_filled(self, person: Person, name: str) -> None:
        """What is blank on a record that takes another's place may be filled, or it clears."""
        for phoneiq in self.live(person, "phoneiq"):
            value = self.read("phoneiq", phoneiq)[name]
            person.fields[name] = Field(
                typed={"salesforce": [None], "phoneiq": [value]}, when={-1, -2}
            )

    def _mix(self, *people: Person) -> None:
        for person in people:
            person.loose = True

    def _own(self, person: Person, side: Side, id_: str) -> None:
        person.records[side].append(id_)
        self.owner[id_] = person

    # --- what the job does --------------------------------------------------------------------

    def change_setting(self, *, title_direction: str | None = None, **changed: Any) -> None:
        if title_direction:
            self.title_direction = title_direction
            changed["field_mappings"] = {
                object_: [
                    {"salesforce": objects[object_], "phoneiq": name, "direction": direction}
                    for name, objects in FIELDS.items()
                    for direction in [
                        {"company": "salesforce_to_phoneiq", "job_title": title_direction}.get(
                            name, "both"
                        )
                    ]
                ]
                for object_ in ("Contact", "Lead")
            }
        if changed.get("objects", self.settings["objects"]) != self.settings["objects"]:
            for person in self.people:
                person.loose |= any(id_.startswith("00Q") for id_ in person.records["salesforce"])
        self.job.settings |= changed
        for name, value in self.settings.items():
            self.ever.setdefault(name, set()).add(str(value))

    def pipe(self, pipe: str, **faults: Any) -> int:
        """One pipe, perhaps with faults; its exit code."""
        self._deliver_delayed()
        passed = self.job.pipe(pipe, **faults)
        self.pipes += 1
        self._check_writes(passed)
        self._adopt()
        for person, side, name, value in self.rewritten:
            # What a loader makes of a value is as if somebody had typed it there.
            if any(self.read(side, id_)[name] == value for id_ in self.live(person, side)):
                person.fields[name].type(side, value, self.pipes)
        self.rewritten.clear()
        return passed.code

    def rewrite(self, side: Side, message: Message) -> Message:
        """A write whose loader puts a value of its own in the place of one."""
        record = message["record"]
        id_ = record.get("Id" if side == "salesforce" else "id")
        person = self.owner[id_] if id_ else self._whose(record)
        for name, objects in FIELDS.items():
            field = objects[message["stream"]] if side == "salesforce" else name
            if record.get(field) and name not in PHONES and record[field] != FALLBACK:
                value = self.new_value(person, name)
                self.rewritten.append((person, side, name, value))
                return message | {"record": record | {field: value}}
        return message

    def delay(self, side: Side, messages: list[Message]) -> None:
        """Hold messages back until the next pipe starts."""
        self.delayed.append((side, messages, self.pipes))

    def run(self) -> list[Any]:
        """The whole job without a fault; what its pipes wrote."""
        self._deliver_delayed()
        self.clean_runs.add(self.pipes)
        before = dict(self._agreeing())
        passed = self.job.run()
        self.pipes += 3
        for one in passed:
            self._check_writes(one)
        self._adopt()
        for person in self.people:
            person.converted = False
        assert [one.code for one in passed] == [0, 0, 0], passed[-1].text
        for (number_, name), value in self._agreeing():
            if before.get((number_, name), "differs") == value:
                person, one = self.people[number_], self.people[number_].fields[name]
                if self._is_known(person):
                    what = f"{name} of person {number_}: both sides agree on {value}, {one}"
                    assert value in self._may_stand(one), what
                    if one.typed and self._is_judged(one):
                        self._note_conflict(person, name)
                one.agree(value)
        return [record for one in passed for record in one.records]

    def _note_conflict(self, person: Person, name: str) -> None:
        """Remember a conflict, of which the operator has to be told."""
        one = person.fields[name]
        values = [one.typed[side][-1] for side in SIDES]
        unchanged = one.agreed or [None]
        if len(set(values)) == 2 and not any(value in unchanged for value in values):
            self.conflicts.append((person, name, *values, self.settings["on_conflict"]))

    def _check_writes(self, passed: Passed) -> None:
        """Nothing goes against the directions, and nobody is created who takes no part."""
        to = WRITES[passed.pipe]
        assert not passed.records or self.allows(to), f"{passed.pipe} wrote {passed.records}"
        for record in passed.records:
            self.sent.append((to, record))
            for name in ("company", "job_title"):
                sent = name if to == "phoneiq" else {"job_title": "Title"}.get(name)
                against = f"{name} against its direction: {record}"
                assert self.allows(to, name) or not record.get(sent), against
            if to == "phoneiq" and "id" not in record:
                assert record["salesforce_object"] in self.settings["objects"], record
                assert record.get("first_name"), f"created without a first name: {record}"
                assert any(is_number(record.get(name)) for name in PHONES), record

    def _deliver_delayed(self) -> None:
        for side, messages, sent in self.delayed:
            before = {id_: self.read(side, id_) for id_ in self.everybody(side)}
            deliver(self.job.salesforce if side == "salesforce" else self.job.phoneiq, messages)
            for id_, values in before.items():
                self._overwrite(side, id_, values, sent)
        self.delayed.clear()
        self._adopt()

    def _overwrite(self, side: Side, id_: str, before: Mapping[str, Value], sent: int) -> None:
        """What comes late takes the place of what was typed there since: nothing is conditional."""
        for name, value in self.read(side, id_).items():
            one = self.owner[id_].fields[name]
            if value != before[name] and side in one.typed and max(one.when) > sent:
                one.type(side, value, self.pipes)

    def _agreeing(self) -> Iterator[tuple[tuple[int, str], Value]]:
        for person in self.people:
            for salesforce, phoneiq in self.pair_of(person):
                if self.is_paired(salesforce, phoneiq):
                    one, two = self.read("salesforce", salesforce), self.read("phoneiq", phoneiq)
                    for name in FIELDS:
                        if one[name] == two[name]:
                            yield (person.number, name), one[name]

    def pair_of(self, person: Person) -> list[tuple[str, str]]:
        """A person's two records, where there is one on each side."""
        salesforce, phoneiq = (self.live(person, side) for side in SIDES)
        return [(salesforce[0], phoneiq[0])] if len(salesforce) == len(phoneiq) == 1 else []

    def _adopt(self) -> None:
        """Find out whose the records are that the loaders made."""
        for side, platform in (("salesforce", self.job.salesforce), ("phoneiq", self.job.phoneiq)):
            for written in platform.written:
                if written.action == "create" and written.id not in self.owner:
                    self._own(self._whose(written.fields), side, written.id)  # type: ignore[arg-type]
            platform.written.clear()

    def _whose(self, fields: Mapping[str, Any]) -> Person:
        for name in ("salesforce_id", EXTERNAL_ID):
            if fields.get(name) in self.owner:
                return self.owner[fields[name]]
        for value in fields.values():
            if found := re.match(r"p(\d+)\.|\+1415(\d{3})", str(value)):
                return self.people[int(found[1]) if found[1] else int(found[2]) - 200]
        raise AssertionError(f"nobody's record: {fields}")

    # --- what must be true at the end -----------------------------------------------------------

    def check(self) -> None:
        """Go quiet, run twice, and look at everybody; then the next run writes nothing."""
        self.run()
        self.run()
        for person in self.people:
            self._check_nobody_is_lost(person)
            if not self._is_loose(person):
                self._check_nobody_is_twice(person)
                self._check_everybody_is_across(person)
            if self._is_known(person):
                for salesforce, phoneiq in self.pair_of(person):
                    self._check_fields(person, salesforce, phoneiq)
        for id_, note in self.notes.items():
            side: Side = "phoneiq" if id_.startswith("pc_") else "salesforce"
            kept = self.row(side, id_)["notes" if side == "phoneiq" else "Description"]
            assert kept == note, f"{id_}: a field that is not mapped was touched: {kept}"
        before = self.job.salesforce.everything(), self.job.phoneiq.everything()
        again = self.run()
        assert again == [], f"the third run still writes {again}"
        assert before == (self.job.salesforce.everything(), self.job.phoneiq.everything())

    def _is_loose(self, person: Person) -> bool:
        # A side that was not read again cannot know that somebody is there already.
        unseen = person.twin_made is not None and person.twin_made not in self.clean_runs
        return person.loose or unseen

    def _is_known(self, person: Person) -> bool:
        # Writes that were on their way when a record was deleted may have come or not.
        return not self._is_loose(person) and (not person.gone or person.was_quiet)

    def _check_nobody_is_lost(self, person: Person) -> None:
        if "propagate" in self.ever["on_delete"] and (person.gone or person.loose):
            return
        for side in SIDES:
            for id_ in person.records[side]:
                row = self.row(side, id_)
                if side == "salesforce":
                    lost = row["IsDeleted"] and not row["MasterRecordId"]
                else:
                    lost = row["deleted_at"] is not None
                assert not lost or side in person.gone, f"{id_} was deleted by the sync"

    def _check_nobody_is_twice(self, person: Person) -> None:
        for side in SIDES:
            found = self.live(person, side)
            assert len(found) <= 1, f"person {person.number} is there twice: {found}"

    def _check_everybody_is_across(self, person: Person) -> None:
        salesforce, phoneiq = (self.live(person, side) for side in SIDES)
        if not person.gone:
            for side, here, there in (
                ("phoneiq", salesforce, phoneiq),
                ("salesforce", phoneiq, salesforce),
            ):
                if here and self._may_be_created(side, here[0]):  # type: ignore[arg-type]
                    assert there, f"{here[0]} did not get across"
            return
        if not person.was_paired or person.edited_after:
            return
        if self.ever["on_delete"] == {"keep"}:
            side = next(iter(person.gone))
            assert not self.live(person, side), f"person {person.number} was created again"
        if (
            person.was_quiet
            and self.ever["on_delete"] == {"propagate"}
            and self.ever["sync_direction"] == {"both"}
        ):
            assert not salesforce, f"the deletion of person {person.number} did not travel"
            assert not phoneiq, f"the deletion of person {person.number} did not travel"

    def _may_be_created(self, to: Side, source: str) -> bool:
        if not self.allows(to):
            return False
        if to == "phoneiq":
            return self._takes_part(source)
        named = self.row("phoneiq", source)["salesforce_object"]
        has_number = any(is_number(self.read("phoneiq", source)[name]) for name in PHONES)
        return (named or self.settings["default_object"]) in self.settings["objects"] and (
            has_number or bool(self.settings["salesforce_external_id_field"])
        )

    def allows(self, to: Side, name: str = "") -> bool:
        """Whether the directions let a field travel to a side."""
        if name == "company" and to == "salesforce":
            return False
        directions = [self.settings["sync_direction"]]
        if name == "job_title":
            directions.append(self.title_direction)
        return all(DIRECTIONS.get(one, to) == to for one in directions)

    def _takes_part(self, salesforce: str) -> bool:
        values = self.read("salesforce", salesforce)
        return (
            self.row("salesforce", salesforce)["attributes"] in self.settings["objects"]
            and values["first_name"] is not None
            and any(is_number(values[name]) for name in PHONES)
        )

    def _check_fields(self, person: Person, salesforce: str, phoneiq: str) -> None:
        shown: dict[Side, dict[str, Value]] = {
            "salesforce": self.read("salesforce", salesforce),
            "phoneiq": self.read("phoneiq", phoneiq),
        }
        for name, one in person.fields.items():
            what = f"{name} of person {person.number} ({salesforce}, {phoneiq}): {one}"
            values = {side: shown[side][name] for side in SIDES}
            last = {side: told[-1] for side, told in one.typed.items()}
            may = self.may_travel(salesforce, name)
            if not last:
                assert set(values.values()) == set(one.agreed), f"{what}: {values}"
            elif len(last) == 1:
                (here, value), there = *last.items(), _other(next(iter(last)))
                assert values[here] == value, f"{what}: {values}"
                if may[there] and fits(name, value, there):
                    assert values[there] == value, f"{what}: {values}"
                else:
                    allowed = {*one.agreed, *one.typed[here], None}
                    assert values[there] in allowed, f"{what}: {values}"
            else:
                for side, value in values.items():
                    came = one.typed[_other(side)]
                    # Where the last cannot travel, what came before it stays.
                    travels = may[side] and fits(name, came[-1], side)
                    stand = {*last.values(), *(() if travels else came)}
                    assert value in stand, f"{what}: {values}"
                if all(may.values()) and all(
                    fits(name, value, _other(side)) for side, value in values.items()
                ):
                    assert len(set(values.values())) == 1, f"{what}: {values}"
                    assert values["phoneiq"] in self._may_stand(one), f"{what}: {values}"

    def may_travel(self, salesforce: str, name: str) -> dict[Side, bool]:
        """By side, whether a pair's field may travel there."""
        is_synced = self.row("salesforce", salesforce)["attributes"] in self.settings["objects"]
        return {
            "phoneiq": self.allows("phoneiq", name) and self._takes_part(salesforce),
            "salesforce": self.allows("salesforce", name) and is_synced,
        }

    def _is_judged(self, one: Field) -> bool:
        """Whether people typed on both sides, and a clean run was the next thing that happened."""
        (first, *more) = one.when
        always = self.ever["sync_direction"] == {"both"} and len(self.ever["on_conflict"]) == 1
        return len(one.typed) == 2 and not more and first in self.clean_runs and always

    def _may_stand(self, one: Field) -> set[Value]:
        """The values on which both sides may agree."""
        last = {side: told[-1] for side, told in one.typed.items()}
        if len(last) < 2:
            return set(last.values() or one.agreed)
        if not self._is_judged(one):
            return set(last.values())
        kept: Side = SIDES[self.settings["on_conflict"] == "keep_phoneiq"]
        # A blank is filled where the sides never agreed; what was undone was not changed.
        if last[kept] in (one.agreed or [None]):
            kept = _other(kept)
        return {last[kept]}


def _other(side: Side) -> Side:
    return SIDES[side == "salesforce"]


def fits(name: str, value: Value, to: Side) -> bool:
    """Whether a side can hold a value."""
    if value is None:
        return True
    if name in PHONES:
        return is_number(value)
    return to == "phoneiq" or len(value) <= SALESFORCE_LENGTHS.get(name, 80)


#: Where a pipe's writes go.
WRITES: dict[str, Side] = {
    PIPES[0]: "phoneiq",
    TO_PHONEIQ: "phoneiq",
    TO_SALESFORCE: "salesforce",
}
