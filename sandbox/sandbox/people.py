"""The people of the sandbox: both sides' demo data from one seed.

People live in blocks of six who may share an employer. Every block of three persons holds one
whom both sides know, one whom only Salesforce knows and one whom only PhoneIQ knows, so about
half of each side's contacts are the same people. What else is true of the data, as shares of the
people concerned:

====================================  =====  ===================================================
what                                  share  of whom
====================================  =====  ===================================================
Lead rather than Contact                20%  people in Salesforce
no valid number at all                   4%  people whom one side knows
no first name                            3%  people, on each side by itself
no last name                             2%  people in PhoneIQ
named by the other side                 10%  people on both sides (`salesforce_id`)
... and no number in common             10%  of those
names the other side                     6%  people on both sides (`PhoneIQ_Contact_ID__c`)
a value that one side lacks             20%  each of six fields of people on both sides
a value that differs                    10%  each of six fields of people on both sides
short first name in PhoneIQ             25%  people on both sides whose name has one
number under another name               10%  people on both sides
company switchboard as work number      50%  employees (three in five of them with an extension)
home shared with the person before       5%  people: same family name, address and home number
Contact and Lead of one person           3%  Contacts (the Lead is converted where it can be)
longer than Salesforce takes             2%  people in PhoneIQ (names, city, e-mail)
written oddly (spaces, capitals)         8%  people in PhoneIQ
accents in decomposed form              30%  names with accents, on each side by itself
deleted                                1.5%  of each side's contacts, on top of them
Person Account                           2%  of Salesforce's contacts, on top of them
====================================  =====  ===================================================

Numbers are valid and reach nobody (`sandbox.numbers`); e-mail addresses are under example.com and
example.org.
"""

from __future__ import annotations

import pickle
import tempfile
import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from random import Random
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sandbox import names
from sandbox.numbers import (
    AUSTRALIA,
    CANADA,
    FRANCE,
    GERMANY,
    SWEDEN,
    UNITED_KINGDOM,
    UNITED_STATES,
    numbers,
)
from sandbox.phoneiq.store import contact_id
from sandbox.salesforce import ids

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sandbox.numbers import Number, Plan
    from sandbox.phoneiq.store import ContactStore
    from sandbox.salesforce.store import SalesforceStore

MAX_CONTACTS = 1_000_000

Known = Literal["both", "salesforce", "phoneiq"]
Row = dict[str, Any]
_T = TypeVar("_T")

_START = datetime(2024, 1, 1, tzinfo=timezone.utc)
_STEP = timedelta(seconds=20)
_DAY = timedelta(days=1)
_EMPLOYEES = 6

# The shadow Contacts of Person Accounts take the numbers below.
_FIRST_CONTACT = 1_048_577

# Share of the people of each country; those whose numbers are used up are Americans.
_COUNTRIES = (
    [UNITED_STATES] * 74
    + [CANADA] * 5
    + [UNITED_KINGDOM] * 8
    + [GERMANY] * 4
    + [FRANCE] * 4
    + [AUSTRALIA] * 4
    + [SWEDEN] * 1
)
_DEFAULT_REGION = ("United States", "Canada")  # one numbering plan
_SPOKEN_NAMES = {
    "United States": ("USA", "US", "U.S.A."),
    "Canada": ("CA", "canada"),
    "United Kingdom": ("UK", "GB", "England"),
    "Germany": ("DE", "Deutschland"),
    "France": ("FR", "FRANCE"),
    "Australia": ("AU", "Australie"),
    "Sweden": ("SE", "Sverige"),
}


@dataclass(slots=True)
class Person:
    """One person (or company) and the rows that the two sides have of them.

    Attributes:
        known: Which sides know the person.
        records: Salesforce's rows, as `SalesforceStore.load` takes them, each with its object.
        contacts: PhoneIQ's rows, as `ContactStore.load` takes them.
    """

    known: Known
    records: list[tuple[str, Row]] = field(default_factory=list)
    contacts: list[Row] = field(default_factory=list)


def fill(phoneiq: ContactStore, salesforce: SalesforceStore, *, contacts: int, seed: int) -> None:
    """Fill both stores, which must be empty, with the people of a seed.

    Args:
        phoneiq: Gets `contacts` contacts, and deleted ones on top.
        salesforce: Gets `contacts` Contacts and Leads, and Accounts, Person Accounts and deleted
            records on top.
        contacts: How many.
        seed: The same seed makes the same people, ids and times.
    """
    with _Spool() as account_rows, _Spool() as contact_rows, _Spool() as lead_rows:
        spools = {"Account": account_rows, "Contact": contact_rows, "Lead": lead_rows}

        def phoneiq_rows() -> Iterator[Row]:
            for person in people(contacts, seed):
                for name, row in person.records:
                    spools[name].add(row)
                yield from person.contacts

        phoneiq.load(phoneiq_rows())
        for name, spool in spools.items():
            salesforce.load(name, spool.rows())


def people(contacts: int, seed: int) -> Iterator[Person]:
    """Yield people until each side has `contacts` contacts that are not deleted."""
    yield from _World(seed).people(contacts)


class _Spool:
    """Rows on disk. The objects are made together but have to be loaded one after the other."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._part: list[Row] = []

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, row: Row) -> None:
        self._part.append(row)
        if len(self._part) == 1000:
            self._flush()

    def _flush(self) -> None:
        pickle.dump(self._part, self._file, pickle.HIGHEST_PROTOCOL)
        self._part = []

    def rows(self) -> Iterator[Row]:
        self._flush()
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield from pickle.load(self._file)  # noqa: S301 - written above


@dataclass(slots=True)
class _Company:
    name: str
    domain: str
    plan: Plan
    switchboard: Number
    address: tuple[str, str, str | None, str]
    account: str | None = None
    """Its Account's id, once Salesforce has it."""


@dataclass(slots=True)
class _Truth:
    """What is true of a person; each side knows some of it, in its own way."""

    plan: Plan
    first: str
    last: str
    email: str | None
    mobile: Number
    address: tuple[str, str, str | None, str]
    at: datetime
    title: str | None = None
    company: _Company | None = None
    work: Number | None = None
    extension: str | None = None
    home: Number | None = None
    fax: Number | None = None


class _World:
    """The state of the generator: what was used up, and the numbers of the next rows."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - demo data
        self._roll = self._random.random
        self._numbers = {plan.country: numbers(plan) for plan in set(_COUNTRIES)}
        self._next = {"Account": 1, "Contact": _FIRST_CONTACT, "Lead": 1, "PhoneIQ": 1}
        self._persons = 0
        self._last: _Truth | None = None
        self._plan = UNITED_STATES
        self._company: _Company | None = None

    def people(self, contacts: int) -> Iterator[Person]:
        records_left = contacts_left = contacts
        order: list[Known] = ["both", "salesforce", "phoneiq"]
        while records_left or contacts_left:
            self._random.shuffle(order)
            for drawn in order:
                known = drawn
                if known != "phoneiq" and not records_left:
                    known = "phoneiq"
                if known != "salesforce" and not contacts_left:
                    known = "salesforce"
                if not (records_left if known == "salesforce" else contacts_left):
                    break
                person = self._person(known, twice=records_left > 1)
                records_left -= sum(name != "Account" for name, _ in person.records)
                contacts_left -= len(person.contacts)
                yield person
                yield from self._on_top(known)

    def _on_top(self, known: Known) -> Iterator[Person]:
        """Yield what comes on top of the contacts that were asked for."""
        roll = self._roll()
        if known != "phoneiq" and roll < 0.015:
            truth = self._truth()
            row = self._contact_row(truth, self._id("Contact"))
            row["IsDeleted"] = True
            yield Person("salesforce", records=[("Contact", row)])
        elif known != "phoneiq" and roll < 0.035:
            row = self._person_account(self._truth(employed=False))
            yield Person("salesforce", records=[("Account", row)])
        elif known != "salesforce" and roll > 0.985:
            contact = self._phoneiq_row(self._truth())
            contact["deleted_at"] = contact["updated_at"]
            yield Person("phoneiq", contacts=[contact])

    def _person(self, known: Known, *, twice: bool) -> Person:
        truth = self._truth()
        person = Person(known)
        if known == "phoneiq":
            contact = self._phoneiq_row(truth)
            if self._roll() < 0.04:
                self._lose_numbers(contact, ("mobile_phone", "work_phone", "home_phone"))
            if self._roll() < 0.03:
                contact["salesforce_object"] = "Lead"
            person.contacts.append(contact)
            return person
        company = truth.company
        if company is not None and company.account is None and self._roll() < 0.4:
            company.account = self._id("Account")
            person.records.append(("Account", self._account_row(company, truth)))
        name = "Lead" if self._roll() < 0.2 else "Contact"
        sides = self._differing(truth) if known == "both" else (truth, truth)
        make = self._lead_row if name == "Lead" else self._contact_row
        row = make(sides[0], self._id(name))
        person.records.append((name, row))
        if known == "both":
            contact = self._phoneiq_row(sides[1])
            self._refer(name, row, contact)
            person.contacts.append(contact)
        elif self._roll() < 0.04:
            self._lose_numbers(row, ("MobilePhone", "Phone", "HomePhone"))
        if name == "Contact" and twice and self._roll() < 0.03:
            person.records.append(("Lead", self._earlier_lead(truth, row)))
        return person

    # What is true

    def _truth(self, *, employed: bool = True) -> _Truth:
        if self._persons % _EMPLOYEES == 0:
            self._plan = _COUNTRIES[int(self._roll() * len(_COUNTRIES))]
            self._company = self._new_company() if self._roll() < 0.8 else None
        self._persons += 1
        mobile = self._number(self._plan)
        plan = mobile.plan
        first, last = self._names(plan)
        company = self._company if employed and self._roll() < 0.9 else None
        truth = _Truth(
            plan=plan,
            first=first,
            last=last,
            email=self._email(first, last, company) if self._roll() < 0.85 else None,
            mobile=mobile,
            address=self._address(plan),
            at=_START + self._persons // 3 * _STEP,
        )
        if company is not None:
            truth.company = company
            truth.title = self._pick(names.TITLES)
            roll = self._roll()
            if roll < 0.5:
                truth.work = company.switchboard
                if roll < 0.3:
                    truth.extension = str(100 + self._persons % 900)
            elif roll < 0.8:
                truth.work = self._number(plan)
            if self._roll() < 0.1:
                truth.fax = self._number(plan)
        before = self._last
        at_home = before is not None and before.home is not None and before.plan is plan
        if before is not None and at_home and self._roll() < 0.25:
            truth.last, truth.home, truth.address = before.last, before.home, before.address
        elif self._roll() < 0.2:
            truth.home = self._number(plan)
        self._last = truth
        return truth

    def _new_company(self) -> _Company:
        switchboard = self._number(self._plan)
        country = switchboard.plan.country
        first, second = self._pick(names.COMPANY_FIRST), self._pick(names.COMPANY_SECOND)
        return _Company(
            name=f"{first} {second} {self._pick(names.COMPANY_FORM[country])}",
            domain=f"{first}-{second}.example.com".lower(),
            plan=switchboard.plan,
            switchboard=switchboard,
            address=self._address(switchboard.plan),
        )

    def _number(self, plan: Plan) -> Number:
        return next(self._numbers[plan.country], None) or next(self._numbers[UNITED_STATES.country])

    def _names(self, plan: Plan) -> tuple[str, str]:
        roll = self._roll()
        if roll < 0.02:
            return self._pick(names.OTHER_SCRIPTS)
        if roll < 0.7 and plan.country in names.LOCAL_NAMES:
            given, family = names.LOCAL_NAMES[plan.country]
            return self._pick(given), self._pick(family)
        if roll > 0.97:
            return (
                f"{self._pick(names.GIVEN)} {self._pick('ABCDEHJKLMR')}.",
                f"{self._pick(names.FAMILY)}-{self._pick(names.FAMILY)}",
            )
        return self._pick(names.GIVEN), self._pick(names.FAMILY)

    def _email(self, first: str, last: str, company: _Company | None) -> str:
        user = f"{first}.{last}" if (first + last).isascii() else "contact"
        user = user.lower().replace(" ", "").replace("..", ".").replace("'", "")
        return f"{user}.{self._persons}@{company.domain if company else 'example.org'}"

    def _address(self, plan: Plan) -> tuple[str, str, str | None, str]:
        city, state, code = self._pick(names.CITIES[plan.country])
        number = 1 + int(self._roll() * 980)
        street = f"{number} {self._pick(names.STREETS)} {self._pick(names.STREET_FORM)}"
        if number % 20 == 0:
            street += f"\nSuite {number}"
        return street, city, state, code

    # What each side knows

    def _differing(self, truth: _Truth) -> tuple[_Truth, _Truth]:
        """Return what Salesforce and what PhoneIQ knows of a person whom both know."""
        salesforce, phoneiq = replace(truth), replace(truth)
        for key in ("title", "email", "work", "home", "fax", "address"):
            roll = self._roll()
            if roll < 0.1:
                setattr(phoneiq, key, _NOTHING.get(key))
            elif roll < 0.2:
                setattr(salesforce, key, _NOTHING.get(key))
            elif roll < 0.3:
                setattr(phoneiq, key, self._another(key, truth))
        if truth.first in names.SHORT_FORMS and self._roll() < 0.25:
            phoneiq.first = names.SHORT_FORMS[truth.first]
        return salesforce, phoneiq

    def _another(self, key: str, truth: _Truth) -> Any:
        if key == "title":
            return self._pick(names.TITLES)
        if key == "email":
            return None if truth.email is None else f"{self._persons}.{truth.email}"
        if key == "address":
            return self._address(truth.plan)
        return None if getattr(truth, key) is None else self._number(truth.plan)

    def _refer(self, name: str, row: Row, contact: Row) -> None:
        roll = self._roll()
        if roll < 0.1:
            contact["salesforce_id"] = row["Id"] if roll < 0.05 else row["Id"][:15]
            contact["salesforce_object"] = name
            if self._roll() < 0.1:
                self._lose_numbers(contact, ("mobile_phone", "work_phone", "home_phone"))
        elif roll < 0.16:
            row["PhoneIQ_Contact_ID__c"] = contact_id(self._next["PhoneIQ"] - 1)
        elif roll < 0.26 and "other_phone" not in contact:
            contact["other_phone"] = contact.pop("mobile_phone", None)

    def _lose_numbers(self, row: Row, keys: tuple[str, ...]) -> None:
        for key in keys:
            row.pop(key, None)
        if self._roll() < 0.7:
            row[keys[0]] = self._pick(names.NO_NUMBER)

    def _id(self, name: str) -> str:
        number = self._next[name]
        self._next[name] = number + 1
        return ids.make(name, number)

    def _written(
        self, number: Number | None, country: str | None, extension: str | None = None
    ) -> str | None:
        if number is None:
            return None
        home = number.plan.country
        anywhere = home not in _DEFAULT_REGION and country != home
        text = number.written(int(self._roll() * 12), anywhere=anywhere)
        if extension is None:
            return text
        return f"{text} {self._pick(('x', 'ext. ', 'ext '))}{extension}"

    def _country(self, plan: Plan) -> str | None:
        roll = self._roll()
        if roll < 0.92:
            return plan.country
        return None if roll < 0.96 else self._pick(_SPOKEN_NAMES[plan.country])

    def _salesforce_row(self, truth: _Truth, record_id: str) -> Row:
        roll = self._roll()
        return {
            "Id": record_id,
            "FirstName": None if roll < 0.03 else self._accented(truth.first),
            "LastName": self._accented(truth.last),
            "Description": self._pick(names.NOTES) if roll > 0.9 else None,
            "CreatedDate": truth.at - int(roll * 100) * _DAY,
            "LastModifiedDate": truth.at,
            "SystemModstamp": truth.at,
        }

    def _contact_row(self, truth: _Truth, record_id: str) -> Row:
        country = self._country(truth.plan)
        street, city, state, code = truth.address
        company = truth.company
        return self._salesforce_row(truth, record_id) | {
            "Email": truth.email,
            "Phone": self._written(truth.work, country, truth.extension),
            "MobilePhone": self._written(truth.mobile, country),
            "HomePhone": self._written(truth.home, country),
            "OtherPhone": self._pick(names.NO_NUMBER) if self._roll() < 0.02 else None,
            "Fax": self._written(truth.fax, country),
            "Title": truth.title,
            "MailingStreet": street,
            "MailingCity": city,
            "MailingState": state,
            "MailingPostalCode": code,
            "MailingCountry": country,
            "AccountId": company.account if company else None,
        }

    def _lead_row(self, truth: _Truth, record_id: str) -> Row:
        country = self._country(truth.plan)
        street, city, state, code = truth.address
        company = truth.company
        return self._salesforce_row(truth, record_id) | {
            "Company": company.name if company else "[not provided]",
            "Email": truth.email,
            "Phone": self._written(truth.work, country, truth.extension),
            "MobilePhone": self._written(truth.mobile, country),
            "Fax": self._written(truth.fax, country),
            "Title": truth.title,
            "Website": f"https://{company.domain}" if company else None,
            "Street": street,
            "City": city,
            "State": state,
            "PostalCode": code,
            "Country": country,
        }

    def _earlier_lead(self, truth: _Truth, contact: Row) -> Row:
        """Return the Lead that a Contact began as, or that somebody typed in once more."""
        lead = self._lead_row(truth, self._id("Lead"))
        if contact["AccountId"] is not None:
            lead |= {
                "IsConverted": True,
                "ConvertedDate": truth.at.date().isoformat(),
                "ConvertedContactId": contact["Id"],
                "ConvertedAccountId": contact["AccountId"],
                "Status": "Closed - Converted",
            }
        return lead

    def _account_row(self, company: _Company, truth: _Truth) -> Row:
        street, city, state, code = company.address
        country = company.plan.country
        return {
            "Id": company.account,
            "Name": company.name,
            "Phone": self._written(company.switchboard, country),
            "Website": f"https://{company.domain}",
            "BillingStreet": street,
            "BillingCity": city,
            "BillingState": state,
            "BillingPostalCode": code,
            "BillingCountry": country,
            "CreatedDate": truth.at,
            "LastModifiedDate": truth.at,
            "SystemModstamp": truth.at,
        }

    def _person_account(self, truth: _Truth) -> Row:
        country = self._country(truth.plan)
        street, city, state, code = truth.address
        return self._salesforce_row(truth, self._id("Account")) | {
            "IsPersonAccount": True,
            "PersonEmail": truth.email,
            "Phone": self._written(truth.home, country),
            "PersonMobilePhone": self._written(truth.mobile, country),
            "PersonMailingStreet": street,
            "PersonMailingCity": city,
            "PersonMailingState": state,
            "PersonMailingPostalCode": code,
            "PersonMailingCountry": country,
        }

    def _phoneiq_row(self, truth: _Truth) -> Row:
        number = self._next["PhoneIQ"]
        self._next["PhoneIQ"] = number + 1
        country = self._country(truth.plan)
        street, city, state, code = truth.address
        company = truth.company
        version = 1 + int(self._roll() * 4)
        # Changes never share a microsecond, and come in the order of the rows.
        updated = truth.at + timedelta(microseconds=number)
        row = {
            "first_name": self._accented(truth.first),
            "last_name": self._accented(truth.last),
            "company": company.name if company else None,
            "job_title": truth.title,
            "email": truth.email,
            "mobile_phone": self._written(truth.mobile, country),
            "work_phone": self._written(truth.work, country, truth.extension),
            "home_phone": self._written(truth.home, country),
            "fax": self._written(truth.fax, country),
            "street": street,
            "city": city,
            "state": state,
            "postal_code": code,
            "country": country,
            "website": f"https://{company.domain}" if company else None,
            "version": version,
            "created_at": updated - (version - 1) * _DAY,
            "updated_at": updated,
        }
        self._spoil(row)
        return {key: value for key, value in row.items() if value is not None}

    def _spoil(self, row: Row) -> None:
        roll = self._roll()
        if roll < 0.03:
            row["first_name"] = None
        elif roll < 0.05:
            row["last_name"] = None
        elif roll < 0.09:
            row["first_name"] = f" {row['first_name']}  "
            row["last_name"] = f"{row['last_name']} "
        elif roll < 0.13:
            row["last_name"] = row["last_name"].upper()
            row["email"] = row["email"] and row["email"].upper()
        elif roll < 0.15:
            key, least = self._pick(_TOO_LONG)
            row[key] = _stretched(key, row[key], least)
        elif roll < 0.17:
            row["other_phone"] = self._pick(names.NO_NUMBER)
        elif roll < 0.3:
            row["tags"] = [self._pick(names.TAGS)]
            row["notes"] = self._pick(names.NOTES)
        elif roll < 0.4:
            row["custom_fields"] = {
                "customer_number": f"C-{self._persons:07}",
                "vip": roll < 0.32,
                "score": int(roll * 1000) / 10,
            }

    def _accented(self, name: str) -> str:
        if name.isascii() or self._roll() >= 0.3:
            return name
        return unicodedata.normalize("NFD", name)

    def _pick(self, choices: Sequence[_T]) -> _T:
        return choices[int(self._roll() * len(choices))]


_NOTHING = {"address": (None, None, None, None)}
"""What the absence of a field looks like, where it is not None."""

# PhoneIQ's fields that hold more than Salesforce's, and a length that Salesforce does not take.
_TOO_LONG = (("first_name", 41), ("last_name", 81), ("city", 41), ("email", 81))


def _stretched(key: str, value: str | None, least: int) -> str:
    if key == "email":
        return f"{'a.very.long.mailbox.' * 3}{value or 'nobody@example.org'}".rjust(least, "x")
    words = (value or "Llanfair").split()
    while len(" ".join(words)) < least:
        words.append(words[0])
    return " ".join(words)[:100]
