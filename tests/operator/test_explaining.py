"""Why a person was or was not synced, on one screen."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, TO_PHONEIQ


@pytest.fixture
def ada(seat):
    return seat.job.pair_up(Email="Ada@Example.org", Title="Countess")


@pytest.mark.parametrize(
    "form",
    ["{salesforce}", "{short}", "{phoneiq}", "+14155550132", "(415) 555-0132", "ADA@example.org"],
)
def test_a_person_by_any_name(seat, ada, form):
    salesforce, phoneiq = ada
    who = form.format(salesforce=salesforce, short=salesforce[:15], phoneiq=phoneiq)
    (found,) = seat.json("explain", who)
    assert {one["id"] for one in found["records"]} == set(ada)
    text = seat.done("explain", who).text
    assert salesforce in text
    assert phoneiq in text


def test_a_number_as_it_is_written_in_its_country(seat):
    contact = seat.job.phoneiq.create(
        first_name="Zoé", mobile_phone="06.12.34.56.78", country="France"
    )
    seat.job.pipe(OBSERVE)
    (found,) = seat.json("explain", "06.12.34.56.78")
    assert [one["id"] for one in found["records"]] == [contact]


def test_both_values_the_baseline_and_the_last_write_of_a_field(seat, ada):
    salesforce, phoneiq = ada
    seat.job.salesforce.edit(salesforce, Title="Analyst")
    seat.job.settle()
    seat.job.phoneiq.edit(phoneiq, job_title="Programmer")
    seat.job.pipe(OBSERVE)
    (found,) = seat.json("explain", phoneiq)
    (title,) = (row for row in found["fields"] if row["field"] == "Title>job_title")
    assert (title["salesforce"], title["phoneiq"], title["baseline"]) == (
        "Analyst", "Programmer", "Analyst",
    )  # fmt: skip
    last = title["last"]
    assert (last["to"], last["old"], last["new"]) == ("phoneiq", "Countess", "Analyst")
    assert last["arrived"]
    assert found["pair"]["why"] == "reference"
    words = seat.done("explain", phoneiq).words
    for part in ("Analyst", "Programmer", "job_title (Title)", "one names the other"):
        assert part in words


def test_a_pair_that_was_found_by_phone(seat):
    seat.job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132")
    salesforce, _ = seat.job.pair_up()
    (found,) = seat.json("explain", salesforce)
    assert found["pair"]["why"] == "phone"
    assert "they share a phone number" in seat.done("explain", salesforce).words


def test_a_record_without_a_phone_number(seat):
    record = seat.job.salesforce.create("Contact", FirstName="Ada")
    seat.job.run()
    (found,) = seat.json("explain", record)
    assert found["pair"] is None
    assert found["records"][0]["skip"] == "no_valid_phone"
    assert "give it a valid phone number" in seat.done("explain", record).words


def test_a_record_whose_number_is_taken(seat, ada):
    record = seat.job.salesforce.create("Lead", FirstName="Eve", MobilePhone="+14155550132")
    seat.job.run()
    (found,) = seat.json("explain", record)
    assert found["records"][0]["skip"] == "duplicate_phone"
    assert found["records"][0]["holder"] == ada[0]
    words = seat.done("explain", record).words
    assert f"{ada[0]} holds its number" in words


def test_a_released_record(seat, ada):
    seat.job.phoneiq.delete(ada[1])
    seat.job.run()
    words = seat.done("explain", ada[0]).words
    assert "is released" in words
    assert f"contact-sync resync {ada[0]}" in words
    (found,) = seat.json("explain", ada[0])
    assert found["records"][0]["released"]


def test_a_field_that_is_left_out(seat):
    record, _ = seat.job.pair_up()
    seat.job.salesforce.edit(record, Phone="no number")
    seat.job.run()
    words = seat.done("explain", record).words
    assert "work_phone is left out: invalid_phone" in words


def test_a_write_that_does_not_arrive(seat, ada):
    seat.job.salesforce.edit(ada[0], Title="Analyst")
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ, target=lambda messages: [])
    words = seat.done("explain", ada[0]).words
    assert "is not seen to arrive yet" in words
    assert "contact-sync rejects" in words


def test_a_record_that_is_created_by_the_next_run(seat):
    seat.job.run()
    record = seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    seat.job.settings["sync_direction"] = "phoneiq_to_salesforce"
    seat.job.run()
    words = seat.done("explain", record).words
    assert "sync_direction" in words


def test_nobody(seat, ada):
    answer = seat.refused("explain", "003000000000001AAA")
    assert "knows no record" in answer.words
    assert "meltano run contact-sync" in answer.words


def test_two_people_with_one_number(seat, ada):
    seat.job.salesforce.create("Lead", FirstName="Eve", MobilePhone="+14155550132")
    seat.job.run()
    assert len(seat.json("explain", "415-555-0132")) == 2


@pytest.mark.parametrize("width", [80, 200])
def test_ids_and_facts_are_whole_at_any_width(seat, ada, width):
    seat.job.salesforce.edit(ada[0], Title="Analyst and first programmer of the analytical engine")
    seat.job.settle()
    answer = seat.done("explain", ada[0], width=width)
    assert "…" not in answer.text
    assert all(id_ in answer.text for id_ in ada)
    assert all(len(line.rstrip()) <= width for line in answer.text.splitlines())


def test_a_contact_has_its_accounts_name_as_company(seat):
    account = seat.job.salesforce.create("Account", Name="Analytical Engines")
    record, _ = seat.job.pair_up(AccountId=account)
    other = seat.job.salesforce.create("Contact", FirstName="Zed", AccountId=account)
    seat.job.settle()
    (told,) = seat.json("explain", record)
    (company,) = (row for row in told["fields"] if row["field"] == "Account.Name>company")
    assert company["salesforce"] == company["phoneiq"] == "Analytical Engines"
    assert company["baseline"] == "Analytical Engines"
    (told,) = seat.json("explain", other)
    (company,) = (row for row in told["fields"] if row["field"] == "Account.Name>company")
    assert company["salesforce"] == "Analytical Engines"


def test_a_company_that_changed_on_both_sides(seat):
    account = seat.job.salesforce.create("Account", Name="Analytical Engines")
    record, contact = seat.job.pair_up(AccountId=account)
    seat.job.salesforce.edit(account, Name="Difference Engines")
    seat.job.phoneiq.edit(contact, company="Engines")
    seat.done("pause")
    seat.job.run()
    (write,) = seat.json("plan")["writes"]
    assert write["changes"]["company"]["new"] == "Difference Engines"
    seat.done("resume")
    seat.job.settle()
    (conflict,) = seat.json("conflicts")
    assert conflict["salesforce"] == "Difference Engines"
    (told,) = seat.json("explain", record)
    assert "Difference Engines" in str(told["fields"])
