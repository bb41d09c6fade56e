"""The job through Meltano: what arrives on the other side, and that nothing else is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Project

pytestmark = pytest.mark.pipeline


def fields(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: record[name] for name in names}


def test_edits_on_each_side_arrive_and_nothing_else_is_written(project: Project) -> None:
    admin = project.box.admin
    ada = admin.salesforce.create(
        "Contact", FirstName="Ada", LastName="Reyes", Phone="+1 415 555 2671", Title="Buyer"
    )
    lee = admin.salesforce.create(
        "Lead", FirstName="Lee", LastName="Ochoa", Company="Acme", Phone="(212) 555-0199"
    )
    kim = admin.phoneiq.create(first_name="Kim", last_name="Sato", mobile_phone="+442079460123")
    twin = admin.phoneiq.create(first_name="Ada", last_name="Reyes", work_phone="4155552671")
    project.sync()

    contacts = {contact["id"]: contact for contact in admin.phoneiq.list()}
    assert len(contacts) == 3, "Ada is paired by her number, Lee is new, Kim was there"
    assert contacts[twin["id"]]["salesforce_id"] == ada["Id"]
    assert contacts[twin["id"]]["job_title"] == "Buyer"
    (kim_in_salesforce,) = (
        record for record in admin.salesforce.list("Contact") if record["Id"] != ada["Id"]
    )
    assert fields(kim_in_salesforce, "FirstName", "LastName") == {
        "FirstName": "Kim",
        "LastName": "Sato",
    }
    (lee_in_phoneiq,) = (c for c in contacts.values() if c["salesforce_id"] == lee["Id"])

    since = project.last_request()
    admin.salesforce.edit("Lead", lee["Id"], Title="Head of Supply", City="Lyon")
    admin.phoneiq.edit(kim["id"], email="kim@example.com", first_name=None)
    outcome = project.run()

    assert outcome.code == 0, outcome.log
    to_phoneiq, to_salesforce = project.writes(since)
    assert to_phoneiq == {
        "op": "update",
        "id": lee_in_phoneiq["id"],
        "contact": {"job_title": "Head of Supply", "city": "Lyon"},
    }
    to_salesforce.pop("attributes")
    to_salesforce = {name.lower(): value for name, value in to_salesforce.items()}
    assert to_salesforce == {
        "id": kim_in_salesforce["Id"],
        "email": "kim@example.com",
        "firstname": None,
    }
    assert admin.phoneiq.get(lee_in_phoneiq["id"])["job_title"] == "Head of Supply"
    assert admin.salesforce.get("Contact", kim_in_salesforce["Id"])["Email"] == "kim@example.com"

    since = project.last_request()
    outcome = project.run()
    assert outcome.code == 0, outcome.log
    assert project.writes(since) == []


BOTH, TO_PHONEIQ, TO_SALESFORCE = "both", "salesforce_to_phoneiq", "phoneiq_to_salesforce"


@pytest.mark.parametrize(
    ("direction", "on_conflict"),
    [
        (BOTH, "keep_salesforce"),
        (BOTH, "keep_phoneiq"),
        (TO_PHONEIQ, "keep_phoneiq"),
        pytest.param(TO_PHONEIQ, "keep_salesforce", marks=pytest.mark.nightly),
        (TO_SALESFORCE, "keep_salesforce"),
        pytest.param(TO_SALESFORCE, "keep_phoneiq", marks=pytest.mark.nightly),
    ],
)
def test_direction_and_conflicts(project: Project, direction: str, on_conflict: str) -> None:
    """One pair with a field that differs and a blank on each side, and one record alone."""
    admin = project.box.admin
    ada = admin.salesforce.create(
        "Contact",
        FirstName="Ada",
        LastName="Reyes",
        Phone="+14155552671",
        Title="Buyer",
        MailingCity="Lyon",
    )
    twin = admin.phoneiq.create(
        first_name="Ada",
        last_name="Reyes",
        work_phone="+14155552671",
        job_title="Purchaser",
        email="ada@example.com",
    )
    lone_record = admin.salesforce.create(
        "Contact", FirstName="Lee", LastName="Ochoa", MobilePhone="+12125550199"
    )
    lone_contact = admin.phoneiq.create(
        first_name="Kim", last_name="Sato", mobile_phone="+442079460123"
    )
    project.sync(RECONCILER_SYNC_DIRECTION=direction, RECONCILER_ON_CONFLICT=on_conflict)

    to_phoneiq = direction != TO_SALESFORCE
    to_salesforce = direction != TO_PHONEIQ
    wins = "Buyer" if on_conflict == "keep_salesforce" else "Purchaser"
    record = admin.salesforce.get("Contact", ada["Id"])
    contact = admin.phoneiq.get(twin["id"])
    assert fields(record, "FirstName", "LastName", "Phone", "Title", "MailingCity", "Email") == {
        "FirstName": "Ada",
        "LastName": "Reyes",
        "Phone": "+14155552671",
        "Title": wins if to_salesforce else "Buyer",
        "MailingCity": "Lyon",
        "Email": "ada@example.com" if to_salesforce else None,
    }
    assert fields(
        contact, "first_name", "last_name", "work_phone", "job_title", "city", "email"
    ) == {
        "first_name": "Ada",
        "last_name": "Reyes",
        "work_phone": "+14155552671",
        "job_title": wins if to_phoneiq else "Purchaser",
        "city": "Lyon" if to_phoneiq else None,
        "email": "ada@example.com",
    }

    created_contacts = [
        fields(c, "first_name", "last_name", "mobile_phone", "salesforce_id", "salesforce_object")
        for c in admin.phoneiq.list()
        if c["id"] not in {twin["id"], lone_contact["id"]}
    ]
    assert created_contacts == to_phoneiq * [
        {
            "first_name": "Lee",
            "last_name": "Ochoa",
            "mobile_phone": "+12125550199",
            "salesforce_id": lone_record["Id"],
            "salesforce_object": "Contact",
        }
    ]
    created_records = [
        fields(r, "FirstName", "LastName", "MobilePhone", "PhoneIQ_Contact_ID__c")
        for r in admin.salesforce.list("Contact")
        if r["Id"] not in {ada["Id"], lone_record["Id"]}
    ]
    assert created_records == to_salesforce * [
        {
            "FirstName": "Kim",
            "LastName": "Sato",
            "MobilePhone": "+442079460123",
            "PhoneIQ_Contact_ID__c": lone_contact["id"],
        }
    ]
    if direction != BOTH:
        return

    # Now both sides change one field of the pair, each to its own value.
    admin.salesforce.edit("Contact", ada["Id"], Title="Chief Buyer")
    admin.phoneiq.edit(twin["id"], job_title="Chief Purchaser")
    project.sync(RECONCILER_ON_CONFLICT=on_conflict)
    wins = "Chief Buyer" if on_conflict == "keep_salesforce" else "Chief Purchaser"
    assert admin.salesforce.get("Contact", ada["Id"])["Title"] == wins
    assert admin.phoneiq.get(twin["id"])["job_title"] == wins


def test_prod_takes_everything_from_the_environment(project: Project) -> None:
    """And has a ledger and bookmarks of its own."""
    admin = project.box.admin
    ada = admin.salesforce.create(
        "Contact", FirstName="Ada", LastName="Reyes", Phone="+14155552671"
    )
    kim = admin.phoneiq.create(first_name="Kim", last_name="Sato", mobile_phone="+442079460123")
    outcome = project.meltano(
        "--environment",
        "prod",
        "run",
        "contact-sync",
        PHONEIQ_API_URL=project.box.phoneiq_url,
        PHONEIQ_API_KEY=project.box.phoneiq_key,
        SALESFORCE_CLIENT_ID="sandbox-client-id",
        SALESFORCE_CLIENT_SECRET="sandbox-client-secret",
        SALESFORCE_REFRESH_TOKEN="sandbox-refresh-token",
        SALESFORCE_EXTERNAL_ID_FIELD="PhoneIQ_Contact_ID__c",
        **project.box.salesforce_env,
    )
    assert outcome.code == 0, outcome.log
    assert {contact["salesforce_id"] for contact in admin.phoneiq.list()} == {ada["Id"], None}
    assert {record["PhoneIQ_Contact_ID__c"] for record in admin.salesforce.list("Contact")} == {
        kim["id"],
        None,
    }
    assert (project.folder / ".meltano" / "contact-sync-prod.db").exists()
    assert not project.ledger.exists()
    state = project.meltano("--environment", "sandbox", "state", "list")
    assert "prod:tap-salesforce-to-target-phoneiq" in state.log
    assert "sandbox:" not in state.log
