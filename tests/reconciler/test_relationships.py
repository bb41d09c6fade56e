"""A mapping source behind a relationship: a Contact's company is the name of its Account."""

from __future__ import annotations

import pytest

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE

ACCOUNT_STREAM_MISSING = "the extract has no stream 'Account': companies are left as they are"


@pytest.fixture
def acme(job):
    return job.salesforce.create("Account", Name="Acme")


def company(job, contact):
    return job.phoneiq.get(contact)["company"]


def test_a_new_contact_carries_the_name_of_its_account(job, acme):
    _, contact = job.pair_up(AccountId=acme)
    assert company(job, contact) == "Acme"


def test_an_account_id_of_15_characters_is_the_same_account(job, acme):
    _, contact = job.pair_up(AccountId=acme[:15])
    assert company(job, contact) == "Acme"


def test_a_contact_without_an_account_has_no_company(job):
    _, contact = job.pair_up()
    assert company(job, contact) is None


def test_a_renamed_account_renames_the_company_of_all_its_contacts(job, acme):
    other = job.salesforce.create("Account", Name="Other")
    contacts = [
        job.pair_up(AccountId=account, MobilePhone=f"+1415555017{number}")[1]
        for number, account in enumerate([acme, acme, other])
    ]
    # Nothing but the Account changes.
    job.salesforce.edit(acme, Name="Acme International")
    passed = job.run()
    assert passed[1].summary["read"] < 4
    assert passed[1].summary["updated"] == 2
    assert [company(job, contact) for contact in contacts] == [
        "Acme International",
        "Acme International",
        "Other",
    ]
    job.settle()
    assert [one.fields for one in job.phoneiq.written] == [{"company": "Acme International"}] * 2
    assert job.salesforce.written == []


def test_a_change_of_an_account_that_no_mapping_sees_writes_nothing(job, acme):
    job.pair_up(AccountId=acme)
    job.salesforce.edit(acme, Website="acme.example")
    job.settle()
    assert job.phoneiq.written == job.salesforce.written == []


def test_a_contact_moves_to_another_account(job, acme):
    record, contact = job.pair_up(AccountId=acme)
    job.salesforce.edit(record, AccountId=job.salesforce.create("Account", Name="Other"))
    job.settle()
    assert company(job, contact) == "Other"
    # It no longer belongs to the first one.
    job.forget_written()
    job.salesforce.edit(acme, Name="Acme International")
    job.settle()
    assert job.phoneiq.written == []


def test_a_contact_leaves_its_account(job, acme):
    record, contact = job.pair_up(AccountId=acme)
    job.salesforce.edit(record, AccountId=None)
    job.settle()
    assert company(job, contact) is None


def test_a_contact_joins_an_account_that_was_there_before(job, acme):
    record, contact = job.pair_up()
    job.salesforce.edit(record, AccountId=acme)
    job.settle()
    assert company(job, contact) == "Acme"


def test_an_account_that_arrives_after_its_contact_names_it_then(job, acme):
    def late(messages):
        return [
            message
            for message in messages
            if message["type"] != "RECORD" or message["stream"] != "Account"
        ]

    record = job.salesforce.create(
        "Contact", FirstName="Ada", AccountId=acme, MobilePhone="+14155550132"
    )
    job.pipe(OBSERVE)
    job.pipe(TO_PHONEIQ, tap=late)
    assert job.contact_of(record)["company"] is None
    job.states.pop(TO_PHONEIQ)
    job.settle()
    assert job.contact_of(record)["company"] == "Acme"


def test_a_merged_account_takes_its_contacts_along(job, acme):
    record, contact = job.pair_up(AccountId=acme)
    winner = job.salesforce.create("Account", Name="Acme International")
    job.salesforce.merge(winner, acme)
    job.salesforce.edit(record, AccountId=winner)
    job.settle()
    assert company(job, contact) == "Acme International"


def test_a_converted_lead_has_the_company_of_its_new_account(job):
    lead, contact = job.pair_up("Lead", Company="Acme")
    converted = job.salesforce.convert(lead)
    job.settle()
    assert company(job, contact) == "Acme"
    job.salesforce.edit(job.salesforce.get(converted)["AccountId"], Name="Acme International")
    job.settle()
    assert company(job, contact) == "Acme International"


@pytest.mark.parametrize("on_conflict", ["keep_salesforce", "keep_phoneiq"])
def test_a_company_that_someone_edits_in_phoneiq_stays_there(start, on_conflict):
    job = start(on_conflict=on_conflict)
    account = job.salesforce.create("Account", Name="Acme")
    _, contact = job.pair_up(AccountId=account)
    job.phoneiq.edit(contact, company="Acme (main office)")
    job.settle()
    assert company(job, contact) == "Acme (main office)"
    assert job.salesforce.get(account)["Name"] == "Acme"
    assert job.salesforce.written == job.phoneiq.written == []


def test_without_the_stream_of_accounts_companies_are_left_as_they_are(job, acme):
    job.salesforce.objects = ["Contact", "Lead"]
    record = job.salesforce.create(
        "Contact", FirstName="Ada", AccountId=acme, MobilePhone="+14155550132"
    )
    contact = job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132", company="Mine")
    job.pipe(OBSERVE)
    passed = job.pipe(TO_PHONEIQ)
    assert passed.code == 0
    assert ACCOUNT_STREAM_MISSING in passed.text
    assert "Account.Name" in passed.text
    job.salesforce.edit(record, AccountId=None, Title="Analyst")
    job.settle()
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"
    assert company(job, contact) == "Mine"


def test_an_account_that_was_never_extracted_leaves_the_company_as_it_is(job, acme):
    job.salesforce.objects = ["Contact", "Lead"]
    record, contact = job.pair_up(AccountId=acme)
    job.phoneiq.edit(contact, company="Mine")
    job.salesforce.edit(record, Title="Analyst")
    job.settle()
    assert company(job, contact) == "Mine"
    job.salesforce.objects = ["Account", "Contact", "Lead"]
    job.settle()
    assert company(job, contact) == "Acme"


def test_no_warning_where_no_mapping_asks_for_the_account(start):
    rows = [("LastName", "last_name"), ("FirstName", "first_name"), ("Phone", "work_phone")]
    job = start(
        field_mappings={"Contact": [{"salesforce": one, "phoneiq": two} for one, two in rows]}
    )
    job.salesforce.objects = ["Contact", "Lead"]
    assert ACCOUNT_STREAM_MISSING not in job.pipe(TO_PHONEIQ).text


def test_without_the_reference_to_the_account_companies_are_left_as_they_are(job, acme):
    record, contact = job.pair_up(AccountId=acme)
    job.salesforce.unselected = {"AccountId"}
    job.salesforce.edit(record, AccountId=None, Title="Analyst")
    passed = job.run()
    assert "Contact.AccountId is mapped, but the tap does not deliver it" in passed[1].text
    assert company(job, contact) == "Acme"
    assert job.phoneiq.get(contact)["job_title"] == "Analyst"


def test_any_field_of_the_account(start):
    rows = [
        {"salesforce": "FirstName", "phoneiq": "first_name"},
        {"salesforce": "LastName", "phoneiq": "last_name"},
        {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
        {
            "salesforce": "Account.Industry",
            "phoneiq": "custom_segment",
            "direction": "salesforce_to_phoneiq",
        },
        {
            "salesforce": "Account.Phone",
            "phoneiq": "work_phone",
            "direction": "salesforce_to_phoneiq",
        },
    ]
    job = start(field_mappings={"Contact": rows})
    account = job.salesforce.create("Account", Industry="Banking", Phone="(415) 555-0100")
    _, contact = job.pair_up(AccountId=account)
    assert job.phoneiq.get(contact)["custom_segment"] == "Banking"
    assert job.phoneiq.get(contact)["work_phone"] == "+14155550100"
    job.salesforce.edit(account, Industry=None, Phone="(415) 555-0199")
    job.settle()
    assert job.phoneiq.get(contact)["custom_segment"] is None
    assert job.phoneiq.get(contact)["work_phone"] == "+14155550199"


def test_a_renamed_account_while_phoneiq_may_not_be_written(start, tmp_path):
    job = start()
    account = job.salesforce.create("Account", Name="Acme")
    _, contact = job.pair_up(AccountId=account)
    job.settings["sync_direction"] = "phoneiq_to_salesforce"
    job.salesforce.edit(account, Name="Acme International")
    job.settle()
    assert company(job, contact) == "Acme"
    job.settings["sync_direction"] = "both"
    job.settle()
    assert company(job, contact) == "Acme International"


def test_a_target_that_lost_the_new_name_gets_it_again(job, acme):
    _, contact = job.pair_up(AccountId=acme)
    job.salesforce.edit(acme, Name="Acme International")
    job.pipe(TO_PHONEIQ, target=lambda messages: messages[:1])
    assert company(job, contact) == "Acme"
    job.pipe(TO_SALESFORCE)
    job.settle()
    assert company(job, contact) == "Acme International"
