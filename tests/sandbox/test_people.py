"""The demo data: the same for a seed, valid on both sides, and as dirty as its page says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from itertools import islice

import phonenumbers
import pytest
from sandbox.clock import Clock
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
from sandbox.people import fill, people
from sandbox.phoneiq.fields import checked
from sandbox.phoneiq.store import ContactStore
from sandbox.salesforce.schema import find_object
from sandbox.salesforce.store import SalesforceStore

REGIONS = {
    UNITED_STATES: "US",
    CANADA: "CA",
    UNITED_KINGDOM: "GB",
    GERMANY: "DE",
    FRANCE: "FR",
    AUSTRALIA: "AU",
    SWEDEN: "SE",
}
BY_COUNTRY = {plan.country: region for plan, region in REGIONS.items()}
SIZE = 4000

SALESFORCE_PHONES = ("Phone", "MobilePhone", "HomePhone", "OtherPhone", "PersonMobilePhone")
PHONEIQ_PHONES = ("work_phone", "mobile_phone", "home_phone", "other_phone")


@pytest.fixture(scope="module")
def everybody():
    return list(people(SIZE, seed=1))


def canonical(text, country):
    """Return a number in E.164 with its extension, None where it is not valid."""
    try:
        number = phonenumbers.parse(text, BY_COUNTRY.get(country, "US"))
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{e164};ext={number.extension}" if number.extension else e164


def country_of(row):
    keys = ("MailingCountry", "Country", "PersonMailingCountry", "BillingCountry", "country")
    return next((row[key] for key in keys if row.get(key)), None)


def valid_numbers(row):
    keys = SALESFORCE_PHONES + PHONEIQ_PHONES
    found = {canonical(row[key], country_of(row)) for key in keys if row.get(key)}
    return found - {None}


def share(part, whole):
    return len(list(part)) / len(list(whole))


def persons_record(person):
    """Return object and row of a person's first Contact or Lead."""
    return next((record for record in person.records if record[0] != "Account"), None)


def test_same_seed_makes_the_same_people_in_every_process():
    program = (
        "import hashlib; from sandbox.people import people;"
        "print(hashlib.sha256(repr(list(people(300, seed=7))).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(digests) == 1
    assert list(people(300, seed=7)) != list(people(300, seed=8))


def test_more_contacts_begin_with_the_same_people():
    few = list(people(100, seed=1))[:100]
    assert list(people(1000, seed=1))[:100] == few


@pytest.mark.parametrize("contacts", [0, 1, 2, 7, 1000])
def test_each_side_gets_exactly_the_number_that_was_asked_for(tmp_path, contacts):
    phoneiq = ContactStore(tmp_path / "phoneiq.db", Clock())
    salesforce = SalesforceStore(tmp_path / "salesforce.db", Clock())
    fill(phoneiq, salesforce, contacts=contacts, seed=1)
    assert phoneiq.count() == contacts
    shadows = sum(row["IsPersonAccount"] for row in salesforce.list("Contact"))
    assert salesforce.count("Contact") - shadows + salesforce.count("Lead") == contacts
    phoneiq.close()
    salesforce.close()


def test_stores_hold_what_was_made(tmp_path):
    phoneiq = ContactStore(tmp_path / "phoneiq.db", Clock())
    salesforce = SalesforceStore(tmp_path / "salesforce.db", Clock())
    fill(phoneiq, salesforce, contacts=2500, seed=1)
    made = list(people(2500, seed=1))
    for person in made:
        for name, row in person.records:
            stored = salesforce.get(name, row["Id"])
            kept = {key: value for key, value in row.items() if isinstance(value, (str, bool))}
            assert stored.items() >= kept.items()
            reference = row.get("PhoneIQ_Contact_ID__c")
            if reference is not None:
                contact = phoneiq.get(reference)
                assert contact["email"] == person.contacts[0].get("email")
    bodies, _ = phoneiq.page(after=0, include_deleted=True, limit=10_000)
    contacts = [contact for person in made for contact in person.contacts]
    assert [json.loads(body)["last_name"] for body in bodies] == [
        contact.get("last_name") for contact in contacts
    ]
    phoneiq.close()
    salesforce.close()


# What the two products would accept


def test_phoneiq_would_take_every_contact(everybody):
    made = {"created_at", "updated_at", "deleted_at", "version"}
    ids = []
    for person in everybody:
        for contact in person.contacts:
            sent = {key: value for key, value in contact.items() if key not in made}
            assert checked(sent) == sent
            ids += [contact["salesforce_id"]] if "salesforce_id" in contact else []
    assert len(ids) == len(set(ids)) > 0


def test_salesforce_would_take_every_record(everybody):
    required = {"Contact": ["LastName"], "Lead": ["LastName", "Company"], "Account": ["Name"]}
    for person in everybody:
        for name, row in person.records:
            described = find_object(name)
            needed = ["LastName"] if row.get("IsPersonAccount") else required[name]
            assert all(row.get(key) for key in needed)
            for key, value in row.items():
                field = described.find(key)
                assert field is not None, key
                if isinstance(value, str) and field.is_text:
                    assert field.check(value) == value
                    assert value == value.strip()


def test_records_refer_to_records_that_exist(everybody):
    made = {row["Id"]: name for person in everybody for name, row in person.records}
    assert len(made) == sum(len(person.records) for person in everybody)
    references = Counter()
    for person in everybody:
        for _, row in person.records:
            for key in ("AccountId", "ConvertedContactId", "ConvertedAccountId"):
                if row.get(key):
                    assert made[row[key]] == key.removeprefix("Converted").removesuffix("Id")
                    references[key] += 1
        for contact in person.contacts:
            if "salesforce_id" in contact:
                (full,) = [id_ for id_ in made if id_.startswith(contact["salesforce_id"][:15])]
                assert made[full] == contact["salesforce_object"]
                references[len(contact["salesforce_id"])] += 1
    assert all(
        references[key] > 0
        for key in ("AccountId", "ConvertedContactId", "ConvertedAccountId", 15, 18)
    )


def test_nobody_can_be_reached(everybody):
    emails = [
        row[key]
        for person in everybody
        for row in [*(row for _, row in person.records), *person.contacts]
        for key in ("Email", "PersonEmail", "email")
        if row.get(key)
    ]
    assert all(
        re.search(r"@([a-z-]+\.example\.com|example\.org)$", email, re.IGNORECASE)
        for email in emails
    )
    found = {
        number
        for person in everybody
        for row in [*(row for _, row in person.records), *person.contacts]
        for number in valid_numbers(row)
    }
    american = [number for number in found if number.startswith("+1")]
    # So few people need no other lines than those reserved for fiction.
    assert all(re.fullmatch(r"\+1\d{3}55501\d{2}(;ext=\d+)?", number) for number in american)
    others = r"\+(4420794|441..496|44191498|4428964|4429201|49|33[1-5]|61.(5550|7010)|46)"
    assert all(re.match(others, number) for number in found - set(american))


# Numbers


@pytest.mark.parametrize("plan", REGIONS, ids=lambda plan: plan.country)
def test_numbers_are_valid_however_they_are_written(plan):
    given = list(islice(numbers(plan), 40_000))
    for number in given[:: len(given) // 200]:
        written = {number.written(choice) for choice in range(12)}
        abroad = {number.written(choice, anywhere=True) for choice in range(12)}
        forms = {canonical(text, plan.country) for text in written | abroad}
        forms |= {canonical(text, None) for text in abroad}
        forms |= {
            canonical(f"{text} {mark}123", plan.country).removesuffix(";ext=123")
            for text in written
            for mark in ("x", "ext. ", "ext ")
        }
        assert len(forms) == 1
        assert forms != {None}
    assert len({(number.area, number.subscriber) for number in given}) == len(given)


def test_there_are_numbers_for_a_million_contacts(everybody):
    found = {
        number.partition(";")[0]
        for person in everybody
        for row in [*(row for _, row in person.records), *person.contacts]
        for number in valid_numbers(row)
    }
    needed = len(found) / SIZE * 1_000_000
    # Everybody may end up in the United States, where numbers do not run out.
    lines = sum(10**digits for block in UNITED_STATES.blocks for _, _, digits in block)
    assert lines > 1.1 * needed


# The shares that the module's page tells


def test_half_of_each_side_are_the_same_people(everybody):
    known = Counter(person.known for person in everybody)
    assert known["both"] / SIZE == pytest.approx(0.5, abs=0.03)
    both = [person for person in everybody if person.known == "both"]
    sharing = [
        person
        for person in both
        if valid_numbers(persons_record(person)[1]) & valid_numbers(person.contacts[0])
    ]
    assert share(sharing, both) == pytest.approx(0.99, abs=0.01)
    others = [person for person in both if person not in sharing]
    assert all("salesforce_id" in person.contacts[0] for person in others)


def test_people_on_one_side_have_no_number_of_their_own_on_the_other(everybody):
    mobiles = {
        canonical(contact.get("mobile_phone") or "", country_of(contact))
        for person in everybody
        for contact in person.contacts
    }
    alone = [
        canonical(row.get("MobilePhone") or "", country_of(row))
        for person in everybody
        if person.known == "salesforce"
        for _, row in person.records
    ]
    assert len(alone) > 0.4 * SIZE
    assert not (mobiles & set(alone)) - {None}


def test_shares_within_salesforce(everybody):
    records = [
        (person, name, row)
        for person in everybody
        for name, row in person.records
        if name != "Account" and not row.get("IsDeleted")
    ]
    rows = [row for _, _, row in records]
    leads = [row for _, name, row in records if name == "Lead"]
    contacts = [row for _, name, row in records if name == "Contact"]
    assert share(leads, rows) == pytest.approx(0.22, abs=0.03)
    assert share((row for row in rows if not row["FirstName"]), rows) == pytest.approx(
        0.03, abs=0.01
    )
    alone = [persons_record(person) for person in everybody if person.known == "salesforce"]
    alone = [row for name, row in filter(None, alone) if not row.get("IsDeleted")]
    assert share((row for row in alone if not valid_numbers(row)), alone) == pytest.approx(
        0.04, abs=0.02
    )
    doubled = [
        person for person in everybody if {"Contact", "Lead"} <= {n for n, _ in person.records}
    ]
    assert len(doubled) / len(contacts) == pytest.approx(0.03, abs=0.01)
    for person in doubled:
        first, lead = (row for name, row in person.records if name != "Account")
        assert valid_numbers(first) & valid_numbers(lead) or not valid_numbers(first)
    assert 0 < sum(row.get("IsConverted", False) for row in leads) < len(doubled)
    everything = [row for person in everybody for _, row in person.records]
    assert sum(row.get("IsDeleted", False) for row in everything) / SIZE == pytest.approx(
        0.015, abs=0.007
    )
    persons = sum(row.get("IsPersonAccount", False) for row in everything)
    assert persons / SIZE == pytest.approx(0.02, abs=0.008)


def test_shares_within_phoneiq(everybody):
    contacts = [contact for person in everybody for contact in person.contacts]
    live = [contact for contact in contacts if "deleted_at" not in contact]

    def part(holds):
        return share(filter(holds, live), live)

    assert part(lambda c: "first_name" not in c) == pytest.approx(0.03, abs=0.01)
    assert part(lambda c: "last_name" not in c) == pytest.approx(0.02, abs=0.01)
    assert part(
        lambda c: (
            len(c.get("first_name", "")) > 40
            or len(c.get("last_name", "")) > 80
            or len(c.get("city", "")) > 40
            or len(c.get("email", "")) > 80
        )
    ) == pytest.approx(0.02, abs=0.01)
    assert part(lambda c: c.get("first_name", "x")[0] == " ") == pytest.approx(0.04, abs=0.015)
    assert (len(contacts) - len(live)) / SIZE == pytest.approx(0.015, abs=0.007)
    both = [person.contacts[0] for person in everybody if person.known == "both"]
    assert share((c for c in both if "salesforce_id" in c), both) == pytest.approx(0.1, abs=0.03)
    named = [
        person
        for person in everybody
        if person.known == "both" and persons_record(person)[1].get("PhoneIQ_Contact_ID__c")
    ]
    assert share(named, both) == pytest.approx(0.06, abs=0.02)


def test_people_on_both_sides_differ_so_that_there_is_something_to_fill_and_to_settle(everybody):
    pairs = [
        (persons_record(person)[1], person.contacts[0])
        for person in everybody
        if person.known == "both"
    ]
    for record_key, contact_key in (("Email", "email"), ("Title", "job_title")):
        kinds = Counter()
        for row, contact in pairs:
            ours, theirs = row[record_key], contact.get(contact_key)
            if ours == theirs:
                kinds["same"] += 1
            elif ours is None or theirs is None:
                kinds["phoneiq" if ours is None else "salesforce"] += 1
            else:
                kinds["differs"] += 1
        assert min(kinds[kind] for kind in ("phoneiq", "salesforce", "differs")) > 0.03 * len(pairs)
        assert kinds["same"] > 0.5 * len(pairs)


def test_numbers_are_shared_within_each_side(everybody):
    for rows in (
        [row for person in everybody for name, row in person.records if name != "Account"],
        [contact for person in everybody for contact in person.contacts],
    ):
        taken = Counter(number for row in rows for number in valid_numbers(row))
        assert sum(count > 1 for count in taken.values()) > 0.02 * len(rows)
        homes = Counter(
            canonical(row.get("HomePhone") or row.get("home_phone") or "", country_of(row))
            for row in rows
        )
        assert sum(count > 1 for number, count in homes.items() if number) > 10


def test_text_is_from_everywhere_and_in_both_unicode_forms(everybody):
    names = [
        row.get(key) or ""
        for person in everybody
        for row in [*(row for _, row in person.records), *person.contacts]
        for key in ("FirstName", "LastName", "first_name", "last_name")
    ]
    assert any(unicodedata.normalize("NFC", name) != name for name in names)
    assert any(unicodedata.normalize("NFD", name) != name for name in names)
    assert any("一" <= letter <= "鿿" for name in names for letter in name)
    countries = Counter(country_of(contact) for p in everybody for contact in p.contacts)
    assert set(BY_COUNTRY) < countries.keys()
    assert countries["United States"] > 0.6 * SIZE
