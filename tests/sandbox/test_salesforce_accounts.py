"""Accounts, Person Accounts and their Contacts; merges and conversions."""

from __future__ import annotations

import pytest


@pytest.fixture
def person(salesforce):
    """A Person Account: its id and its shadow Contact's."""
    account = salesforce.create(
        "Account", FirstName="Ada", LastName="Rossi", PersonEmail="a@b.co", PersonMobilePhone="1"
    )
    record = salesforce.call("GET", f"sobjects/Account/{account}").json()
    return account, record["PersonContactId"]


def _get(salesforce, name, record_id):
    return salesforce.call("GET", f"sobjects/{name}/{record_id}").json()


def test_a_person_account_is_an_account_and_a_contact(salesforce, person):
    account, contact = (
        _get(salesforce, name, each)
        for name, each in zip(("Account", "Contact"), person, strict=True)
    )
    assert account["IsPersonAccount"] is True
    assert account["Name"] == "Ada Rossi"
    assert account["RecordTypeId"].startswith("012")
    assert contact["IsPersonAccount"] is True
    assert contact["AccountId"] == account["Id"]
    assert (contact["Name"], contact["Email"], contact["MobilePhone"]) == (
        *("Ada Rossi", "a@b.co", "1"),
    )


def test_each_half_follows_the_other(box, salesforce, person):
    account, contact = person
    box.admin.advance(60)
    salesforce.call("PATCH", f"sobjects/Account/{account}", {"PersonMobilePhone": "2"})
    assert _get(salesforce, "Contact", contact)["MobilePhone"] == "2"
    salesforce.call("PATCH", f"sobjects/Contact/{contact}", {"FirstName": "Eva", "Email": None})
    halves = [_get(salesforce, "Account", account), _get(salesforce, "Contact", contact)]
    assert [half["Name"] for half in halves] == ["Eva Rossi"] * 2
    assert halves[0]["PersonEmail"] is None
    assert len({half["SystemModstamp"] for half in halves}) == 1


def test_the_shadow_contact_goes_only_with_its_account(salesforce, person):
    account, contact = person
    error = salesforce.error("DELETE", f"sobjects/Contact/{contact}")
    assert error["errorCode"] == "INVALID_PERSON_ACCOUNT_OPERATION"
    error = salesforce.error("PATCH", f"sobjects/Contact/{contact}", {"AccountId": account})
    assert error["errorCode"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    salesforce.call("DELETE", f"sobjects/Account/{account}")
    assert salesforce.query("SELECT Id FROM Contact") == []
    assert salesforce.query("SELECT Id FROM Contact WHERE IsDeleted = TRUE", everything=True) == [
        {"Id": contact}
    ]


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"Name": "Acme", "LastName": "Rossi"}, ["Name"]),
        ({"LastName": "Rossi", "ParentId": "001Sb0000000001IAA"}, ["ParentId"]),
        (
            {"Name": "Acme", "PersonEmail": "a@b.co", "RecordTypeId": "012Sb0000000001IAA"},
            ["PersonEmail"],
        ),
    ],
)
def test_fields_of_both_kinds_of_account_do_not_mix(salesforce, person, fields, at_fault):
    error = salesforce.error("POST", "sobjects/Account", fields)
    assert (error["errorCode"], error["fields"]) == ("INVALID_FIELD_FOR_INSERT_UPDATE", at_fault)


def test_a_person_account_needs_a_last_name(salesforce, person):
    account, _ = person
    error = salesforce.error("PATCH", f"sobjects/Account/{account}", {"LastName": None})
    assert error["errorCode"] == "REQUIRED_FIELD_MISSING"
    error = salesforce.error("POST", "sobjects/Account", {"FirstName": "Ada"})
    assert error["fields"] == ["LastName"]


def test_an_account_takes_its_contacts_along_when_it_goes(salesforce):
    account = salesforce.create("Account", Name="Acme")
    contact = salesforce.create("Contact", LastName="Rossi", AccountId=account[:15])
    other = salesforce.create("Contact", LastName="Bianchi")
    salesforce.call("DELETE", f"sobjects/Account/{account}")
    assert salesforce.query("SELECT Id FROM Contact") == [{"Id": other}]
    error = salesforce.error("PATCH", f"sobjects/Contact/{contact}", {"Phone": "1"})
    assert error["errorCode"] == "ENTITY_IS_DELETED"
    error = salesforce.error("PATCH", f"sobjects/Contact/{other}", {"AccountId": account})
    assert (error["errorCode"], error["fields"]) == ("ENTITY_IS_DELETED", ["AccountId"])


def test_merged_contacts_name_their_master(box, salesforce):
    winner, *losers = (salesforce.create("Contact", LastName=name) for name in "ABC")
    box.admin.advance(60)
    box.admin.salesforce.merge("Contact", winner, losers)
    rows = salesforce.query(
        "SELECT Id, IsDeleted, MasterRecordId, SystemModstamp FROM Contact", everything=True
    )
    assert [(row["Id"], row["IsDeleted"], row["MasterRecordId"]) for row in rows] == [
        (winner, False, None),
        *((loser, True, winner) for loser in losers),
    ]
    # All of them changed, so an incremental extract sees the winner and the losers.
    assert len({row["SystemModstamp"] for row in rows}) == 1


def test_merged_accounts_leave_their_contacts_to_the_winner(box, salesforce):
    winner, loser = (salesforce.create("Account", Name=name) for name in "AB")
    contact = salesforce.create("Contact", LastName="Rossi", AccountId=loser)
    box.admin.salesforce.merge("Account", winner, [loser])
    assert _get(salesforce, "Contact", contact)["AccountId"] == winner


def test_merged_person_accounts_merge_their_contacts_too(box, salesforce, person):
    winner, master = person
    loser = salesforce.create("Account", LastName="Rossi")
    shadow = _get(salesforce, "Account", loser)["PersonContactId"]
    box.admin.salesforce.merge("Account", winner, [loser])
    assert salesforce.query(
        "SELECT Id, MasterRecordId FROM Contact WHERE IsDeleted = true", everything=True
    ) == [{"Id": shadow, "MasterRecordId": master}]


def test_a_converted_lead_names_what_became_of_it(box, salesforce):
    lead = salesforce.create(
        "Lead", FirstName="Ada", LastName="Rossi", Company="Acme", Phone="1", City="Roma"
    )
    made = box.admin.salesforce.convert(lead)
    contact = _get(salesforce, "Contact", made["contact_id"])
    assert (contact["Name"], contact["Phone"], contact["MailingCity"]) == ("Ada Rossi", "1", "Roma")
    assert contact["AccountId"] == made["account_id"]
    assert _get(salesforce, "Account", made["account_id"])["Name"] == "Acme"
    converted = _get(salesforce, "Lead", lead)
    assert converted["IsConverted"] is True
    assert converted["ConvertedContactId"] == made["contact_id"]
    assert converted["ConvertedAccountId"] == made["account_id"]
    assert converted["ConvertedOpportunityId"] is None
    error = salesforce.error("PATCH", f"sobjects/Lead/{lead}", {"Phone": "2"})
    assert error["errorCode"] == "CANNOT_UPDATE_CONVERTED_LEAD"
    assert salesforce.call("DELETE", f"sobjects/Lead/{lead}").status_code == 204


def test_a_lead_converted_into_an_account_that_is_there(box, salesforce, person):
    company = salesforce.create("Account", Name="Acme")
    leads = [salesforce.create("Lead", LastName="Rossi", Company="Acme") for _ in range(2)]
    made = box.admin.salesforce.convert(leads[0], company)
    assert made["account_id"] == company
    assert _get(salesforce, "Contact", made["contact_id"])["AccountId"] == company
    account, contact = person
    assert box.admin.salesforce.convert(leads[1], account) == {
        "contact_id": contact,
        "account_id": account,
    }
