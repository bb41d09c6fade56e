"""Values are compared in canonical form; what a side cannot hold is left out alone."""

from __future__ import annotations

import unicodedata

import phonenumbers
import pytest
from reconciler.fields.canonical import canonical, fold_name, text, unholdable
from reconciler.fields.countries import region_of
from reconciler.fields.phones import canonical_phone, format_phone
from reconciler.model import INVALID

from tests.reconciler.job import OBSERVE, TO_PHONEIQ

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
FORMATS = phonenumbers.PhoneNumberFormat


@pytest.mark.parametrize(
    ("raw", "sent"),
    [
        ("  Ada ", "Ada"),
        ("", None),
        (" \t\n", None),
        ("\u00a0", None),
        ("#N/A", None),
        (" #N/A\n", None),
        ("#N/A?", "#N/A?"),
        (None, None),
        ("e\u0301", "\u00e9"),
        ("one\r\ntwo\rthree", "one\ntwo\nthree"),
        ("two  spaces", "two  spaces"),
        (True, True),
        (3, 3),
        (["a"], ["a"]),
    ],
)
def test_text_is_nfc_trimmed_and_blank_is_null(raw, sent):
    assert text(raw) == sent


def test_emails_are_compared_without_case_and_sent_as_they_are():
    assert canonical("email", "Ada@Example.ORG") == canonical("email", "ada@example.org")
    assert canonical("text", "Ada") != canonical("text", "ada")


@pytest.mark.parametrize(
    ("kind", "value", "length", "reason"),
    [
        ("text", None, 3, None),
        ("text", "abc", 3, None),
        ("text", "abcd", 3, "value_too_long"),
        ("text", "abcd", None, None),
        ("phone", INVALID + "555", 40, "invalid_phone"),
        ("phone", "+14155550132", 40, None),
        ("email", "ada@example.org", 80, None),
        ("email", "ada", 80, "invalid_email"),
        ("email", "ada@example", 80, "invalid_email"),
        ("email", "a b@example.org", 80, "invalid_email"),
        ("email", "a" * 80 + "@example.org", 80, "value_too_long"),
    ],
)
def test_why_a_side_cannot_hold_a_value(kind, value, length, reason):
    assert unholdable(kind, value, length) == reason


def test_names_are_compared_folded():
    assert fold_name(" ADA ", "Lovelace") == fold_name("ada", " lovelace")
    assert fold_name("Stra\u00dfe") == fold_name("STRASSE")
    assert fold_name("\uff21da") == "ada"
    assert fold_name(None, None) == ""


@pytest.mark.parametrize(
    ("raw", "form"),
    [
        ("(415) 555-0132", "+14155550132"),
        ("+1 415 555 0132", "+14155550132"),
        ("415.555.0132", "+14155550132"),
        ("1-415-555-0132", "+14155550132"),
        ("4155550132 x12", "+14155550132;ext=12"),
        ("(415) 555-0132 ext. 12", "+14155550132;ext=12"),
        ("tel:+1-415-555-0132;ext=12", "+14155550132;ext=12"),
        ("+44 20 7946 0018", "+442079460018"),
        (" ", None),
        ("", None),
        ("555", INVALID + "555"),
        ("call  me", INVALID + "call me"),
        ("+999 123", INVALID + "+999 123"),
    ],
)
def test_phone_numbers_in_one_form(raw, form):
    assert canonical_phone(raw, "US") == form


def test_every_regions_example_number_is_one_number_in_every_format():
    for region in REGIONS:
        number = phonenumbers.example_number(region)
        e164 = phonenumbers.format_number(number, FORMATS.E164)
        forms = {
            canonical_phone(phonenumbers.format_number(number, style), region)
            for style in (FORMATS.E164, FORMATS.INTERNATIONAL, FORMATS.NATIONAL, FORMATS.RFC3966)
        }
        assert forms == {e164}, region


def test_every_regions_invalid_number_is_kept_as_it_was_typed_and_marked():
    for region in REGIONS:
        number = phonenumbers.invalid_example_number(region)
        if number is None:
            continue
        typed = phonenumbers.format_number(number, FORMATS.INTERNATIONAL)
        assert canonical_phone(typed, region) == INVALID + typed, region


@pytest.mark.parametrize("style", ["e164", "international", "national"])
def test_every_format_for_salesforce_is_read_back_as_the_same_number(style):
    for region in REGIONS:
        e164 = phonenumbers.format_number(phonenumbers.example_number(region), FORMATS.E164)
        for form in (e164, f"{e164};ext=12"):
            shown = format_phone(form, style, region)
            assert canonical_phone(shown, region) == form, (region, shown)
            elsewhere = "US" if region != "US" else "DE"
            assert canonical_phone(format_phone(form, style, elsewhere), elsewhere) == form


@pytest.mark.parametrize(
    ("country", "region"),
    [
        ("DE", "DE"),
        ("de", "DE"),
        (" Germany ", "DE"),
        ("United Kingdom", "GB"),
        ("United States", "US"),
        ("USA", "US"),
        (None, "FR"),
        ("", "FR"),
        ("Atlantis", None),
    ],
)
def test_the_region_of_a_records_country(country, region):
    assert region_of(country, "FR") == region


# Through the pipes.


def test_every_regions_numbers_pair_across_formats_and_invalid_ones_are_skips(start):
    job = start(shared_phone="allow")
    valid = invalid = 0
    for region in REGIONS:
        number = phonenumbers.example_number(region)
        job.salesforce.create(
            "Contact",
            FirstName=region,
            MailingCountry=region,
            Phone=phonenumbers.format_number(number, FORMATS.NATIONAL),
        )
        job.phoneiq.create(
            first_name=region,
            country=region,
            mobile_phone=phonenumbers.format_number(number, FORMATS.INTERNATIONAL),
        )
        valid += 1
        wrong = phonenumbers.invalid_example_number(region)
        if wrong is not None:
            job.salesforce.create(
                "Lead",
                FirstName=region,
                Country=region,
                Phone=phonenumbers.format_number(wrong, FORMATS.INTERNATIONAL),
            )
            invalid += 1
    passed = job.settle()
    assert passed[1].summary["skipped"]["no_valid_phone"] == invalid
    assert len(job.phoneiq.live()) == len(job.salesforce.live("Contact")) == valid
    for row in job.phoneiq.live():
        assert job.salesforce.get(row["salesforce_id"])["FirstName"] == row["first_name"]


@pytest.mark.parametrize(
    ("field", "salesforce", "phoneiq_field", "phoneiq"),
    [
        ("Title", "Ada\u0301", "job_title", "Ad\u00e1"),
        ("Email", "Ada@Example.org", "email", "ada@example.org"),
        ("Phone", "(415) 555-0177", "work_phone", "+1 415-555-0177"),
        ("MailingStreet", "1 Main St\r\nFloor 2", "street", "1 Main St\nFloor 2"),
        ("LastName", "[not provided]", "last_name", None),
    ],
)
def test_formatting_alone_is_never_a_change(job, field, salesforce, phoneiq_field, phoneiq):
    record, contact = job.pair_up(LastName="Lovelace")
    job.salesforce.edit(record, **{field: salesforce})
    job.phoneiq.edit(contact, **{phoneiq_field: phoneiq})
    job.settle()
    assert job.salesforce.written == job.phoneiq.written == []


def test_a_records_own_country_wins_over_the_default_region(job):
    job.salesforce.create("Contact", FirstName="Eva", MailingCountry="Germany", Phone="030 901820")
    job.settle()
    assert [row["work_phone"] for row in job.phoneiq.live()] == ["+4930901820"]


@pytest.mark.parametrize(
    ("style", "form"),
    [
        ("e164", "+14155550177"),
        ("international", "+1 415-555-0177"),
        ("national", "(415) 555-0177"),
    ],
)
def test_the_form_in_which_salesforce_gets_numbers(start, style, form):
    job = start(salesforce_phone_format=style)
    record, contact = job.pair_up()
    job.phoneiq.edit(contact, work_phone="+14155550177")
    job.settle()
    assert job.salesforce.get(record)["Phone"] == form
    assert job.phoneiq.get(contact)["work_phone"] == "+14155550177"


def test_a_number_that_salesforce_shows_in_its_own_form_is_left_alone(job):
    record, contact = job.pair_up(Phone="(415) 555-0177")
    job.phoneiq.edit(contact, job_title="Analyst")
    job.settle()
    assert job.salesforce.get(record)["Phone"] == "(415) 555-0177"


@pytest.mark.parametrize(
    ("phoneiq_field", "value", "field", "reason"),
    [
        ("first_name", "A" * 41, "FirstName", "value_too_long"),
        ("city", "L" * 41, "MailingCity", "value_too_long"),
        ("email", "x@" + "y" * 80 + ".org", "Email", "value_too_long"),
        ("email", "ada@localhost", "Email", "invalid_email"),
        ("work_phone", "call me", "Phone", "invalid_phone"),
    ],
)
def test_a_value_that_salesforce_cannot_hold_leaves_that_field_out(
    job, phoneiq_field, value, field, reason
):
    record, contact = job.pair_up(Title="Countess", FirstName="Ada")
    before = job.salesforce.get(record)[field]
    job.phoneiq.edit(contact, **{phoneiq_field: value, "job_title": "Analyst"})
    passed = job.settle()
    assert job.salesforce.get(record)["Title"] == "Analyst"
    assert job.salesforce.get(record)[field] == before
    assert job.phoneiq.get(contact)[phoneiq_field] == value
    assert passed[2].summary["skipped"] == {reason: 1}
    assert job.salesforce.refused == []
    # Once it fits, it travels.
    fits = {"first_name": "Augusta", "city": "London", "work_phone": "+14155550177"}
    job.phoneiq.edit(contact, **{phoneiq_field: fits.get(phoneiq_field, "ada@example.org")})
    assert job.settle()[2].summary["skipped"] == {}


def test_a_value_that_phoneiq_cannot_hold_leaves_that_field_out(job):
    record, contact = job.pair_up()
    job.salesforce.edit(record, Phone="ask at the desk", Title="Analyst")
    job.settle()
    assert job.phoneiq.get(contact)["work_phone"] is None
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"


def test_a_new_record_is_created_without_the_field_that_does_not_fit(job):
    contact = job.phoneiq.create(
        first_name="Ada", mobile_phone="+14155550132", city="L" * 41, job_title="Analyst"
    )
    passed = job.settle()
    record = job.record_of(contact)
    assert record["Title"] == "Analyst"
    assert record["MailingCity"] is None
    assert job.phoneiq.get(contact)["city"] == "L" * 41
    assert passed[2].summary["skipped"] == {"value_too_long": 1}


def test_a_first_name_in_wide_spaces_is_blank(job):
    job.salesforce.create("Contact", FirstName="\u3000", MobilePhone="+14155550132")
    job.pipe(OBSERVE)
    assert job.pipe(TO_PHONEIQ).summary["skipped"] == {"no_first_name": 1}
    assert unicodedata.name("\u3000") == "IDEOGRAPHIC SPACE"


@pytest.mark.parametrize("default_object", ["Contact", "Lead"])
@pytest.mark.parametrize("nothing", ["#N/A", " #N/A ", "  ", "\u00a0"])
def test_a_new_contact_with_a_last_name_that_salesforce_takes_for_none(
    start, default_object, nothing
):
    job = start(default_object=default_object)
    job.phoneiq.create(first_name="Ada", last_name=nothing, mobile_phone="+14155550132")
    job.settle()
    (row,) = job.salesforce.live()
    assert row["LastName"] == "[not provided]"


@pytest.mark.parametrize(
    ("field", "left"), [("last_name", "[not provided]"), ("job_title", None), ("city", None)]
)
def test_a_value_that_becomes_the_null_of_salesforces_bulk_api(job, field, left):
    """It is a clear, as everywhere where a spreadsheet has been: neither lost nor endless."""
    salesforce = {"last_name": "LastName", "job_title": "Title", "city": "MailingCity"}[field]
    salesforce_id, phoneiq_id = job.pair_up(**{salesforce: "Reyes"})
    job.settle()
    job.phoneiq.edit(phoneiq_id, **{field: "#N/A"})
    job.settle()
    assert job.record_of(phoneiq_id)[salesforce] == left
    assert job.contact_of(salesforce_id)[field] == "#N/A"


def test_a_salesforce_record_with_the_null_of_its_bulk_api_as_a_text(job):
    salesforce_id, _ = job.pair_up(Title="Dr")
    job.settle()
    job.salesforce.edit(salesforce_id, Title="#N/A")
    job.settle()
    assert job.contact_of(salesforce_id)["job_title"] is None
