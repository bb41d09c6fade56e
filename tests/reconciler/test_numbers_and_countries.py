"""Nobody's number changes unless somebody types another number, whatever becomes of the country."""

from __future__ import annotations

import pytest

from tests.reconciler.platforms import EXTERNAL_ID

NUMBER = "+14155550132"
NATIONAL = "(415) 555-0132"
#: By object, its phone field and its country field.
FIELDS = {
    "Contact": ("MobilePhone", "MailingCountry"),
    "Lead": ("MobilePhone", "Country"),
    "Account": ("Phone", "BillingCountry"),
    "PersonAccount": ("PersonMobilePhone", "PersonMailingCountry"),
}


def start_with(start, object_, **settings):
    return start(objects=[object_], **settings)


def create(job, object_, **fields):
    names = {} if object_ == "Account" else {"FirstName": "Eva", "LastName": "Long"}
    stream = "Account" if object_ == "PersonAccount" else object_
    return job.salesforce.create(stream, **names, **fields)


def phone_of(object_):
    return "work_phone" if object_ == "Account" else "mobile_phone"


@pytest.mark.parametrize("object_", sorted(FIELDS))
@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
@pytest.mark.parametrize("country", ["Germany", "Mexico", "GB", "Atlantis"])
def test_only_the_country_is_edited(start, object_, side, country):
    job = start_with(start, object_)
    phone, field = FIELDS[object_]
    record = create(job, object_, **{phone: NATIONAL, field: "United States"})
    job.settle()
    contact = job.contact_of(record)["id"]
    if side == "salesforce":
        job.salesforce.edit(record, **{field: country})
    else:
        job.phoneiq.edit(contact, country=country)
    job.settle()
    assert job.phoneiq.get(contact)[phone_of(object_)] == NUMBER
    assert job.phoneiq.get(contact)["country"] == country
    assert job.salesforce.get(record)[field] == country
    assert job.salesforce.get(record)[phone] in {NATIONAL, NUMBER}
    # It goes on to be synced.
    job.phoneiq.edit(contact, city="Aachen")
    job.settle()
    assert "Aachen" in job.salesforce.get(record).values()


@pytest.mark.parametrize("country", ["Germany", "GB", "Atlantis"])
def test_the_sync_fills_in_the_country(start, country):
    job = start()
    record = job.salesforce.create(
        "Contact", FirstName="Eva", LastName="Long", MobilePhone=NATIONAL
    )
    job.phoneiq.create(first_name="Eva", last_name="Long", mobile_phone=NUMBER, country=country)
    job.settle()
    assert job.contact_of(record)["mobile_phone"] == NUMBER
    row = job.salesforce.get(record)
    # A national number would be read as another one beside this country.
    assert (row["MailingCountry"], row["MobilePhone"]) == (country, NUMBER)
    assert job.ask("conflicts") == []


def test_a_country_that_reads_the_number_the_same_comes_alone(start):
    job = start()
    record = job.salesforce.create(
        "Contact", FirstName="Eva", LastName="Long", MobilePhone=NATIONAL
    )
    job.phoneiq.create(
        first_name="Eva", last_name="Long", mobile_phone=NUMBER, country="United States"
    )
    job.settle()
    (written,) = job.salesforce.written
    assert written.fields == {"MailingCountry": "United States"}
    assert job.salesforce.get(record)["MobilePhone"] == NATIONAL


def test_the_country_of_a_national_number_is_filled_in_phoneiq(start):
    job = start()
    job.salesforce.create(
        "Contact", FirstName="Eva", LastName="Long", MobilePhone=NUMBER, MailingCountry="Germany"
    )
    contact = job.phoneiq.create(first_name="Eva", last_name="Long", mobile_phone=NATIONAL)
    job.settle()
    row = job.phoneiq.get(contact)
    assert (row["country"], row["mobile_phone"]) == ("Germany", NUMBER)
    assert [one["MobilePhone"] for one in job.salesforce.live()] == [NUMBER]


def test_an_invalid_number_is_read_again_with_another_country(start):
    job = start()
    record = job.salesforce.create("Contact", FirstName="Eva", MobilePhone="030 901820")
    assert job.settle()[1].summary["skipped"] == {"no_valid_phone": 1}
    job.salesforce.edit(record, MailingCountry="Deutschland")
    job.settle()
    assert job.contact_of(record)["mobile_phone"] == "+4930901820"


@pytest.mark.parametrize("style", ["e164", "international", "national"])
@pytest.mark.parametrize("country", [None, "United States", "Germany", "Canada", "Atlantis"])
@pytest.mark.parametrize("default_object", ["Contact", "Lead"])
def test_a_number_is_written_so_that_it_is_read_back(start, style, country, default_object):
    job = start(salesforce_phone_format=style, default_object=default_object)
    job.phoneiq.create(first_name="Eva", last_name="Long", mobile_phone=NUMBER, country=country)
    job.settle()
    (row,) = job.salesforce.live()
    shown = {
        "e164": NUMBER,
        "international": "+1 415-555-0132",
        "national": NATIONAL if country in {None, "United States"} else "+1 415-555-0132",
    }
    assert row["MobilePhone"] == shown[style]
    assert len(job.phoneiq.live()) == 1


@pytest.mark.parametrize("style", ["e164", "international", "national"])
@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_a_country_was_edited_and_the_ledger_is_lost(start, style, side):
    job = start(salesforce_phone_format=style)
    record = job.salesforce.create(
        "Contact",
        FirstName="Eva",
        LastName="Long",
        MobilePhone=NATIONAL,
        MailingCountry="United States",
    )
    job.settle()
    contact = job.contact_of(record)["id"]
    if side == "salesforce":
        job.salesforce.edit(record, MailingCountry="Germany")
    else:
        job.phoneiq.edit(contact, country="Germany")
    job.settle()
    job.lose_ledger()
    job.states.clear()
    job.forget_written()
    job.settle()
    assert job.phoneiq.get(contact)["mobile_phone"] == NUMBER
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 1
    assert job.phoneiq.written == job.salesforce.written == []
    job.phoneiq.edit(contact, city="Aachen")
    job.settle()
    assert job.salesforce.get(record)["MailingCity"] == "Aachen"
    assert job.phoneiq.get(contact)["mobile_phone"] == NUMBER


def test_a_changed_default_region_leaves_numbers_as_they_were_read(start):
    job = start()
    record = job.salesforce.create("Contact", FirstName="Eva", MobilePhone=NATIONAL)
    job.settle()
    job.settings["default_region"] = "DE"
    job.settle()
    assert job.contact_of(record)["mobile_phone"] == NUMBER
    later = job.salesforce.create("Contact", FirstName="Udo", MobilePhone="030 901820")
    job.settle()
    assert job.contact_of(later)["mobile_phone"] == "+4930901820"


def test_the_number_of_the_account_is_read_with_its_own_country(start):
    job = start(
        field_mappings={
            "Contact": [
                {"salesforce": "FirstName", "phoneiq": "first_name"},
                {"salesforce": "LastName", "phoneiq": "last_name"},
                {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
                {"salesforce": "MailingCountry", "phoneiq": "country"},
                {
                    "salesforce": "Account.Phone",
                    "phoneiq": "work_phone",
                    "direction": "salesforce_to_phoneiq",
                },
            ]
        }
    )
    account = job.salesforce.create("Account", Phone=NATIONAL, BillingCountry="United States")
    record = job.salesforce.create(
        "Contact",
        FirstName="Eva",
        MobilePhone="+4930901820",
        MailingCountry="Germany",
        AccountId=account,
    )
    job.settle()
    assert job.contact_of(record)["work_phone"] == NUMBER
    job.salesforce.edit(record, MailingCountry="Mexico")
    job.salesforce.edit(account, BillingCountry="Germany")
    job.settle()
    assert job.contact_of(record)["work_phone"] == NUMBER


def test_a_placeholder_is_no_number(job):
    job.salesforce.create("Contact", FirstName="Ada", LastName="One", MobilePhone="415-555-XXXX")
    job.phoneiq.create(first_name="Bob", last_name="Two", mobile_phone="415-555-XXXX")
    job.settle()
    assert [row["FirstName"] for row in job.salesforce.live()] == ["Ada"]
    assert [row["first_name"] for row in job.phoneiq.live()] == ["Bob"]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("+52 1 55 1234 5678", "+52 55 1234 5678"),
        ("+54 9 11 2345 6789", "+54 11 2345 6789"),
    ],
)
def test_a_mobile_prefix_that_may_be_left_out(job, one, two):
    job.salesforce.create("Contact", FirstName="Eva", LastName="Long", MobilePhone=one)
    job.phoneiq.create(first_name="Eva", last_name="Long", mobile_phone=two)
    job.settle()
    assert [row["MobilePhone"] for row in job.salesforce.live()] == [one]
    assert [row["mobile_phone"] for row in job.phoneiq.live()] == [two]


@pytest.mark.parametrize("text", ["+\u202a14155550132", "415\ufe0f5550132", "415\u200c555 0132"])
def test_characters_that_are_not_shown_are_not_there(job, text):
    job.salesforce.create("Contact", FirstName="Eva", LastName="Long", MobilePhone=text)
    job.phoneiq.create(first_name="Eva", last_name="Long", mobile_phone=NUMBER)
    job.settle()
    assert len(job.salesforce.live()) == len(job.phoneiq.live()) == 1
    assert job.phoneiq.written[0].fields.keys() == {"salesforce_id", "salesforce_object"}


def test_a_name_of_characters_that_are_not_shown_is_blank(job):
    job.salesforce.create("Contact", FirstName="\u200b\u2060", MobilePhone=NUMBER)
    assert job.settle()[1].summary["skipped"] == {"no_first_name": 1}


def test_a_comment_behind_a_number(job):
    record = job.salesforce.create("Contact", FirstName="Eva", MobilePhone="415-555-0132 (home)")
    job.settle()
    assert job.contact_of(record)["mobile_phone"] == NUMBER


@pytest.mark.parametrize("side", ["salesforce", "phoneiq"])
def test_a_field_with_two_numbers_is_not_written(start, side):
    job = start(salesforce_external_id_field=EXTERNAL_ID)
    both = "415-555-0132 / 415-555-0143"
    if side == "salesforce":
        record = job.salesforce.create(
            "Contact", FirstName="Eva", LastName="Long", MobilePhone=both
        )
        job.settle()
        contact = job.contact_of(record)["id"]
        assert job.phoneiq.get(contact)["mobile_phone"] == NUMBER
        job.phoneiq.edit(contact, mobile_phone="+14155550199")
        job.settle()
        assert job.salesforce.get(record)["MobilePhone"] == both
    else:
        contact = job.phoneiq.create(first_name="Eva", last_name="Long", mobile_phone=both)
        job.settle()
        (row,) = job.salesforce.live()
        assert row["MobilePhone"] == NUMBER
        job.salesforce.edit(row["Id"], MobilePhone="+14155550199")
        job.settle()
        assert job.phoneiq.get(contact)["mobile_phone"] == both
    assert [one["reason"] for one in job.ask("skips")] == ["several_numbers"]


@pytest.mark.parametrize("country", ["Germany", "United Kingdom", "Atlantis"])
@pytest.mark.parametrize(
    ("object_", "field"),
    [
        ("Contact", "MailingCountry"),
        ("Lead", "Country"),
        ("Account", "BillingCountry"),
        ("PersonAccount", "PersonMailingCountry"),
    ],
)
def test_the_ledger_is_lost_and_the_country_makes_the_number_another_one_or_none(
    start, object_, field, country
):
    objects = ["Contact", "Lead"] if object_ in {"Contact", "Lead"} else [object_, "Contact"]
    job = start(objects=objects)
    person = {} if object_ == "Account" else {"FirstName": "Ada", "LastName": "Lovelace"}
    stream = object_.removeprefix("Person")
    record = job.salesforce.create(
        stream, Phone="(415) 555-0132", **{field: "United States"}, **person
    )
    job.settle()
    job.salesforce.edit(record, **{field: country})
    job.settle()
    job.forget_written()
    job.lose_ledger()
    job.states.clear()
    assert "no_valid_phone" not in job.settle()[1].summary["skipped"]
    assert job.salesforce.written == job.phoneiq.written == []
    job.salesforce.edit(record, Fax="+1 415-555-0155")
    job.settle()
    contact = job.contact_of(record)
    assert (contact["work_phone"], contact["fax"]) == ("+14155550132", "+14155550155")


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_a_number_and_the_country_of_the_other_side_are_edited(start, on_conflict):
    job = start(on_conflict=on_conflict)
    record, contact = job.pair_up(MobilePhone="+4930123000", MailingCountry="Deutschland")
    job.phoneiq.edit(contact, mobile_phone="0222 1234011 (Anna)")
    job.salesforce.edit(record, MailingCountry="México")
    job.settle()
    assert job.salesforce.get(record)["MobilePhone"] == "+492221234011"
    assert job.phoneiq.get(contact)["mobile_phone"] == "+492221234011"
