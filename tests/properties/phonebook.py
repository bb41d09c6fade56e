"""What phone numbers and countries mean: a small model beside World, for these alone.

A text is read once: with the country that its record shows when it is read first, or
`default_region` where the record names none. From then on it means that number, whatever becomes
of the country and of the settings, until somebody types another text. What the sync writes means
what it was written for. The model reads texts itself: it knows how each was made, and leaves only
plain numbers to libphonenumber.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from tests.reconciler.job import PIPES, TO_PHONEIQ, Job

Side = Literal["salesforce", "phoneiq"]
SIDES: tuple[Side, Side] = ("salesforce", "phoneiq")
PHONES = ("mobile_phone", "work_phone")

#: Salesforce's fields by object, under PhoneIQ's names.
FIELDS: dict[str, dict[str, str]] = {
    "Contact": {
        "first_name": "FirstName",
        "last_name": "LastName",
        "mobile_phone": "MobilePhone",
        "work_phone": "Phone",
        "country": "MailingCountry",
    },
    "Lead": {
        "first_name": "FirstName",
        "last_name": "LastName",
        "mobile_phone": "MobilePhone",
        "work_phone": "Phone",
        "country": "Country",
    },
    "PersonAccount": {
        "first_name": "FirstName",
        "last_name": "LastName",
        "mobile_phone": "PersonMobilePhone",
        "work_phone": "Phone",
        "country": "PersonMailingCountry",
    },
}

#: Regions by what people call their country, in English, in its own language and by code.
COUNTRIES: dict[str, str] = {
    "United States": "US",
    "USA": "US",
    "us": "US",
    "Germany": "DE",
    "Deutschland": "DE",
    "DEU": "DE",
    "United Kingdom": "GB",
    "UK": "GB",
    "Mexico": "MX",
    "México": "MX",
    "Argentina": "AR",
    "Russia": "RU",
    "Россия": "RU",
    "Italia": "IT",
    "भारत": "IN",
    "The Netherlands": "NL",
}
UNKNOWN_COUNTRIES = ("Atlantis", "see notes")
BLANKS = (None, "\u200b")
REGIONS = ("US", "DE", "GB", "MX", "AR", "RU", "IT", "IN")
PEOPLE = 3
VALUES = 3


def _numbers_of(person: int) -> list[str]:
    """Valid numbers that only this person has, three of each region, in E.164."""
    found = []
    for region in REGIONS:
        for value in range(VALUES):
            kind = PhoneNumberType.MOBILE if value else PhoneNumberType.FIXED_LINE
            example = phonenumbers.example_number_for_type(region, kind)
            e164 = phonenumbers.format_number(example, PhoneNumberFormat.E164)
            own = f"{e164[:-3]}{person}{value}{(person + value) % 10}"
            assert phonenumbers.is_valid_number(phonenumbers.parse(own)), own
            found.append(own)
    return found


#: Numbers by person.
NUMBERS: list[list[str]] = [_numbers_of(person) for person in range(PEOPLE)]


def region_of(number: str) -> str:
    """The region of a number in E.164."""
    return str(phonenumbers.region_code_for_number(phonenumbers.parse(number)) or "")


def _formatted(number: str, style: int) -> str:
    return str(phonenumbers.format_number(phonenumbers.parse(number), style))


def _national(number: str) -> str:
    return _formatted(number, PhoneNumberFormat.NATIONAL)


def _international(number: str) -> str:
    return _formatted(number, PhoneNumberFormat.INTERNATIONAL)


#: The ways to write a number of which a country has to tell what it means.
NATIONAL_SPELLINGS: dict[str, Callable[[str], str]] = {
    "national": _national,
    "digits": lambda number: re.sub(r"\D", "", _national(number)),
    "dots": lambda number: ".".join(re.findall(r"\d+", _national(number))),
    "fullwidth": lambda number: _national(number).translate(
        {ord(digit): ord(digit) + 0xFEE0 for digit in "0123456789"}
    ),
    "extension": lambda number: f"{_national(number)} ext. 12",
}
#: The ways to write one that every country reads alike.
INTERNATIONAL_SPELLINGS: dict[str, Callable[[str], str]] = {
    "e164": str,
    "international": _international,
    "mobile prefix": lambda number: re.sub(r"^\+(52|549?)", _with_prefix, number),
}
SPELLINGS = NATIONAL_SPELLINGS | INTERNATIONAL_SPELLINGS


def _with_prefix(found: re.Match[str]) -> str:
    """Mexico's 1 and Argentina's 9 behind the country code come and go."""
    return {"52": "+521", "54": "+549", "549": "+54"}[found[1]]


#: What people add to a number, which stays the number.
DECORATIONS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "spaces": lambda text: f"  {text} ",
    "comment": lambda text: f"{text} (Anna)",
    "directions": lambda text: f"\u202a{text}\u202c",
    "zero width": lambda text: f"{text[:-4]}\u200b{text[-4:-2]}\ufe0d{text[-2:]}",
}

#: Texts without a number.
AWKWARD = ("415-555-XXXX", "call me", "12", "n/a")
#: Vanity numbers, one for each person.
VANITY: dict[str, str] = {
    "+1 800 FLOWERS": "+18003569377",
    "+1 800 GOFEDEX": "+18004633339",
    "+1-800-PETMEDS": "+18007386337",
}


@dataclass(frozen=True)
class Text:
    """How a text was made: the plain number in it, and whether there is another one behind it."""

    plain: str | None
    several: bool = False


@dataclass
class Shown:
    """A phone field of a record.

    Attributes:
        text: What stands there.
        number: What it means; None for nothing, or while nothing has read it.
        is_read: Whether a pipe has read it, or wrote it.
    """

    text: str | None
    number: str | None = None
    is_read: bool = False


@dataclass
class Field:
    """The numbers of one phone field of one person.

    Attributes:
        agreed: The number on which both sides agreed; empty where they never did.
        typed: By side, what people typed there since, as it was read.
        when: The runs that read it.
        ever: All that people typed, here and on the other side.
        unsure: Whether the rules let more than one number stand now.
    """

    agreed: list[str | None] = field(default_factory=list)
    typed: dict[Side, str | None] = field(default_factory=dict)
    when: set[int] = field(default_factory=set)
    ever: set[str | None] = field(default_factory=set)
    unsure: bool = False


@dataclass
class Person:
    """Somebody, and the records that show him."""

    number: int
    object: str
    records: dict[Side, list[str]] = field(
        default_factory=lambda: {"salesforce": [], "phoneiq": []}
    )
    fields: dict[str, Field] = field(default_factory=lambda: {name: Field() for name in PHONES})
    #: Whether the numbers of two records that people made have not met when they were read.
    loose: bool = False


class Phonebook:
    """People, their numbers on two platforms, and the job between them."""

    def __init__(self, folder: Path) -> None:
        self.job = Job(folder)
        self.people: list[Person] = []
        self.owner: dict[str, Person] = {}
        self.shown: dict[tuple[str, str], Shown] = {}
        self.made: dict[str, Text] = {}
        self.runs = 0
        self.lost_in: int | None = None
        self.job.settings |= {
            "objects": ["Contact", "Lead", "PersonAccount"],
            "max_delete_percent": 100,
        }

    # --- looking --------------------------------------------------------------------------------

    @property
    def default_region(self) -> str:
        return str(self.job.settings.get("default_region", "US"))

    def row(self, id_: str) -> dict[str, Any]:
        return (self.job.phoneiq if id_.startswith("pc_") else self.job.salesforce).get(id_)

    def names(self, id_: str) -> dict[str, str]:
        """The fields of a record by PhoneIQ's names."""
        if id_.startswith("pc_"):
            return {name: name for name in FIELDS["Contact"]}
        return FIELDS["PersonAccount" if id_.startswith("001") else self.row(id_)["attributes"]]

    def value(self, id_: str, name: str) -> Any:
        return self.row(id_)[self.names(id_)[name]]

    def records(self) -> Iterator[tuple[Person, Side, str]]:
        for person in self.people:
            for side in SIDES:
                for id_ in person.records[side]:
                    yield person, side, id_

    def pair_of(self, person: Person) -> tuple[str, str] | None:
        """Both records, where one names the other."""
        if [len(person.records[side]) for side in SIDES] != [1, 1]:
            return None
        salesforce, phoneiq = (person.records[side][0] for side in SIDES)
        named = self.row(phoneiq)["salesforce_id"] == salesforce
        return (salesforce, phoneiq) if named else None

    def read(self, text: str | None, country: str | None) -> str | None:
        """The number that a text is, on a record that shows a country."""
        if text is None:
            return None
        made = self.made.get(text, Text(text))
        return made.plain and plain_number(made.plain, self._region(country))

    def _region(self, country: str | None) -> str | None:
        if country is None or not country.strip("\u200b"):
            return self.default_region
        return COUNTRIES.get(country)

    def is_several(self, text: str | None) -> bool:
        return text in self.made and self.made[text].several

    # --- what people do -------------------------------------------------------------------------

    def text_of(self, number: str, spelling: str, decoration: str = "plain") -> str:
        """A number the way somebody types it."""
        plain = SPELLINGS[spelling](number)
        text = DECORATIONS[decoration](plain)
        return self._made(text, Text(plain))

    def two_numbers(self, first: str, second: str, between: str) -> str:
        text = f"{_international(first)}{between}{_international(second)}"
        return self._made(text, Text(first, several=True))

    def awkward(self, text: str) -> str:
        return self._made(text, Text(VANITY.get(text)))

    def _made(self, text: str, made: Text) -> str:
        """Remember how a text was made, as platforms keep it."""
        self.made[text.strip()] = made
        return text

    def create(self, side: Side, object_: str, person: Person | None = None, **values: Any) -> None:
        """A new record of a new person, or of one who is on the other side only."""
        if person is None:
            person = Person(len(self.people), object_)
            self.people.append(person)
        values |= {"first_name": f"P{person.number}", "last_name": f"Doe{person.number}"}
        if side == "phoneiq":
            id_ = self.job.phoneiq.create(**values)
        else:
            fields = {FIELDS[object_][name]: value for name, value in values.items()}
            stream = "Account" if object_ == "PersonAccount" else object_
            id_ = self.job.salesforce.create(stream, **fields)
        self._own(person, side, id_)

    def edit(self, id_: str, name: str, value: str | None) -> None:
        platform = self.job.phoneiq if id_.startswith("pc_") else self.job.salesforce
        platform.edit(id_, **{self.names(id_)[name]: value})
        self._look(id_)

    def _own(self, person: Person, side: Side, id_: str) -> None:
        person.records[side].append(id_)
        self.owner[id_] = person
        self._look(id_)

    def _look(self, id_: str) -> list[str]:
        """Note texts that are new; the names of their fields."""
        changed = []
        for name in PHONES:
            text = self.value(id_, name)
            if (id_, name) not in self.shown or self.shown[id_, name].text != text:
                self.shown[id_, name] = Shown(text)
                changed.append(name)
        return changed

    # --- what the job does ----------------------------------------------------------------------

    def lose_ledger(self) -> None:
        """The ledger is gone; whoever notices starts again with both sides."""
        self.job.lose_ledger()
        self.job.states.clear()
        self.lost_in = self.runs

    def run(self) -> list[Any]:
        """The whole job; what it wrote."""
        self.runs += 1
        written = []
        before = {(person.number, name): value for person, name, value in self._agreeing()}
        for pipe in PIPES:
            if pipe == TO_PHONEIQ and self.lost_in is not None:
                self._read_anew()
            self._read("salesforce" if pipe == TO_PHONEIQ else "phoneiq")
            if pipe == TO_PHONEIQ:
                taking_part = {id_ for person in self.people for id_ in self._taking_part(person)}
            passed = self.job.pipe(pipe)
            assert passed.code == 0, passed.text
            written += passed.records
            self._check_written()
        for person in self.people:
            if pair := self.pair_of(person):
                self._check_pair(person, *pair, takes_part=pair[0] in taking_part)
        for person, name, value in self._agreeing():
            one = person.fields[name]
            if before.get((person.number, name), "differs") == value:
                one.agreed, one.typed, one.when, one.unsure = [value], {}, set(), False
        return written

    def _agreeing(self) -> Iterator[tuple[Person, str, str | None]]:
        for person in self.people:
            if pair := self.pair_of(person):
                for name in PHONES:
                    one, two = (self.shown[id_, name] for id_ in pair)
                    if one.is_read and two.is_read and one.number == two.number:
                        yield person, name, one.number

    def _read(self, side: Side) -> None:
        """The tap reads a side: from here what is new there means what it says now."""
        for person, of, id_ in self.records():
            if of != side:
                continue
            for name in PHONES:
                shown = self.shown[id_, name]
                if shown.is_read and shown.number is not None:
                    continue
                number = self.read(shown.text, self.value(id_, "country"))
                one = person.fields[name]
                if not shown.is_read or number != shown.number:
                    one.typed[side] = number
                    one.when.add(self.runs)
                shown.is_read, shown.number = True, number
                one.ever.add(number)
        if side == "salesforce":
            self._meet()

    def _meet(self) -> None:
        """Whether two records that people made share a number when they are seen first."""
        for person in self.people:
            if all(person.records.values()) and not self.pair_of(person):
                numbers = [
                    {
                        shown.number
                        for id_ in person.records[side]
                        for name in PHONES
                        if (shown := self.shown[id_, name]).number
                    }
                    for side in SIDES
                ]
                person.loose |= numbers[0].isdisjoint(numbers[1])

    def _read_anew(self) -> None:
        """A ledger that is new reads everything again; what is agreed says what it was."""
        self.lost_in = None
        for person in self.people:
            pair = self.pair_of(person)
            for name in PHONES:
                if pair and all(self.shown[id_, name].is_read for id_ in pair):
                    self._read_pair_anew(person.fields[name], name, pair)
                    continue
                person.fields[name].unsure = True
                for side in SIDES:
                    for id_ in person.records[side]:
                        self.shown[id_, name].is_read = False

    def _read_pair_anew(self, one: Field, name: str, pair: tuple[str, str]) -> None:
        """What two texts that meant one number mean to a ledger that has never seen them."""
        shown = [self.shown[id_, name] for id_ in pair]
        numbers = [
            self.read(text.text, self.value(id_, "country"))
            for text, id_ in zip(shown, pair, strict=True)
        ]
        before = shown[0].number
        may_be = [self._may_be(shown[0].text, numbers[1]), self._may_be(shown[1].text, numbers[0])]
        # One side still says the number, and the other one can be read as that, not vice versa.
        told = numbers[0] == numbers[1] or may_be == [numbers[1] == before, numbers[0] == before]
        one.agreed = []
        if before == shown[1].number and before in numbers and told:
            one.typed = dict.fromkeys(SIDES, before)
            return
        one.unsure = True
        for side, text, number in zip(SIDES, shown, numbers, strict=True):
            one.ever |= {number, *(number for number in numbers if self._may_be(text.text, number))}
            one.typed[side] = text.number = number

    def _may_be(self, text: str | None, number: str | None) -> bool:
        """Whether a text is a number in that number's own region."""
        if text is None or number is None:
            return False
        made = self.made.get(text, Text(text))
        return made.plain is not None and plain_number(made.plain, region_of(number)) == number

    def _check_written(self) -> None:
        """What a loader wrote means a number that people typed into that field."""
        for platform in (self.job.salesforce, self.job.phoneiq):
            for written in platform.written:
                id_ = written.id
                if id_ not in self.owner:
                    side: Side = "phoneiq" if id_.startswith("pc_") else "salesforce"
                    first_name = self.value(id_, "first_name")
                    self._own(self.people[int(first_name[1:])], side, id_)
                person, country = self.owner[id_], self.value(id_, "country")
                before = {name: self.shown[id_, name] for name in PHONES}
                for name in [*self._look(id_), *(n for n in PHONES if not before[n].is_read)]:
                    if self.names(id_)[name] not in written.fields:
                        continue
                    shown = self.shown[id_, name]
                    shown.is_read, shown.number = True, self.read(shown.text, country)
                    what = f"{id_} {name} {before[name]} became {shown} in {country}"
                    assert shown.number in {*person.fields[name].ever, None}, what
                    assert not self.is_several(before[name].text) or before[name] == shown, what
                    assert (shown.text is None) or shown.number, what
                if self.names(id_)["country"] in written.fields and written.action == "update":
                    self._check_country(id_, country)
            platform.written.clear()
            assert not platform.refused, platform.refused

    def _check_country(self, id_: str, country: str | None) -> None:
        """Beside a country that the sync writes, each number still reads as what it is."""
        for name in PHONES:
            shown = self.shown[id_, name]
            if self.owner[id_].fields[name].unsure:
                continue
            if shown.is_read and shown.number and not self.is_several(shown.text):
                number = self.read(shown.text, country)
                what = f"{id_} {name} {shown} reads as {number} in {country}"
                assert number == shown.number, what

    # --- what must be true ----------------------------------------------------------------------

    def _taking_part(self, person: Person) -> Iterator[str]:
        """Salesforce's records that have a number now."""
        for id_ in person.records["salesforce"]:
            if any(self.shown[id_, name].number for name in PHONES):
                yield id_

    def _check_pair(
        self, person: Person, salesforce: str, phoneiq: str, *, takes_part: bool
    ) -> None:
        """What both sides show after a run.

        Args:
            person: Whose pair it is.
            salesforce: The pair's record.
            phoneiq: Its contact.
            takes_part: Whether the record had a number when it could be written to PhoneIQ.
        """
        for name, one in person.fields.items():
            shown = [self.shown[id_, name] for id_ in (salesforce, phoneiq)]
            what = f"{name} of person {person.number}: {one}, {shown}"
            for text in shown:
                assert text.number in one.ever | {None}, what
            fixed = any(
                self.is_several(text.text) or (text.text and not text.number) for text in shown
            )
            if one.unsure or fixed or person.loose or not takes_part:
                continue
            numbers = {text.number for text in shown}
            if not one.typed:
                assert not one.agreed or numbers == set(one.agreed), what
            else:
                assert len(numbers) == 1, what
                assert numbers <= self._may_stand(one), what

    def _may_stand(self, one: Field) -> set[str | None]:
        last = set(one.typed.values())
        if len(one.typed) < 2 or len(one.when) != 1:
            return last
        kept: Side = SIDES[self.job.settings.get("on_conflict") == "keep_phoneiq"]
        # A blank is filled where the sides never agreed; what was undone was not changed.
        if one.typed[kept] in (one.agreed or [None]):
            kept = SIDES[kept == "salesforce"]
        return {one.typed[kept]}

    def check(self) -> None:
        """Two quiet runs, then nothing is left to write, and everybody is there once."""
        self.run()
        self.run()
        for person in self.people:
            if person.loose:
                continue
            found = {side: person.records[side] for side in SIDES}
            assert all(len(ids) <= 1 for ids in found.values()), f"there twice: {found}"
            numbers = {
                shown.number
                for ids in found.values()
                for id_ in ids
                for name in PHONES
                if (shown := self.shown[id_, name]).number
            }
            assert all(found.values()) or not numbers, f"not on the other side: {found}"
        again = self.run()
        assert again == [], f"the third run still writes {again}"


@lru_cache(maxsize=4096)
def plain_number(text: str, region: str | None) -> str | None:
    """A plain number as it is compared: E.164 without the prefixes that come and go."""
    try:
        number = phonenumbers.parse(re.sub(r"^\+52 ?1(\d{10})$", r"+52\1", text), region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    e164 = re.sub(r"^\+52 ?1(\d{10})$", r"+52\1", re.sub(r"^\+549", "+54", e164))
    return f"{e164};ext={number.extension}" if number.extension else e164
