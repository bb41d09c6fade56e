"""The admin API: what people do on the two sides, and the way back to a fresh start."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
import requests
from sandbox.client import SandboxError


def test_people_edit_phoneiq(box):
    people = box.admin.phoneiq
    made = people.create(first_name="Ada", custom_fields={"vip": True})
    edited = people.edit(made["id"], last_name="Byron")
    assert (edited["first_name"], edited["last_name"], edited["version"]) == ("Ada", "Byron", 2)
    people.delete(made["id"])
    assert people.list() == []
    assert people.list(include_deleted=True) == [people.get(made["id"])]
    assert people.get(made["id"])["deleted_at"]


def test_people_edit_salesforce(box):
    people = box.admin.salesforce
    made = people.create("Contact", FirstName="Ada", LastName="Byron")
    edited = people.edit("Contact", made["Id"], LastName="Lovelace")
    assert (edited["FirstName"], edited["LastName"]) == ("Ada", "Lovelace")
    people.delete("Contact", made["Id"])
    assert people.list("Contact") == []
    (gone,) = people.list("Contact", include_deleted=True)
    assert gone["IsDeleted"] is True


def test_people_merge_and_convert_in_salesforce(box):
    people = box.admin.salesforce
    winner, loser = (people.create("Contact", LastName=name)["Id"] for name in "AB")
    assert people.merge("Contact", winner, [loser])["Id"] == winner
    assert people.get("Contact", loser)["MasterRecordId"] == winner
    lead = people.create("Lead", LastName="C", Company="D")
    converted = people.convert(lead["Id"])
    lead = people.get("Lead", lead["Id"])
    assert lead["IsConverted"] is True
    assert lead["ConvertedContactId"] == converted["contact_id"]
    assert lead["ConvertedAccountId"] == converted["account_id"]


def test_lists_are_complete_beyond_one_page(box):
    box.admin.reset(contacts=700)
    assert len(box.admin.phoneiq.list()) == 700
    contacts = box.admin.salesforce.list("Contact")
    leads = box.admin.salesforce.list("Lead")
    assert len(contacts) > 500
    assert sum(not contact["IsPersonAccount"] for contact in contacts) + len(leads) == 700
    assert len({contact["Id"] for contact in contacts}) == len(contacts)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda admin: admin.phoneiq.get("pc_aaaaaaaaaaaa"), "404"),
        (lambda admin: admin.phoneiq.create(nickname="A"), "422 .*nickname"),
        (lambda admin: admin.salesforce.create("Contact", FirstName="A"), "422 .*LastName"),
        (lambda admin: admin.salesforce.get("Contact", "003Sb0000000001IAA"), "404"),
        (lambda admin: admin.salesforce.delete("Contact", "003Sb0000000001IAA"), "422 .*CROSS"),
        (lambda admin: admin.salesforce.list("Case"), "404"),
        (lambda admin: admin.reset(contacts=-1), "400 .*contacts"),
        (lambda admin: admin.reset(contacts=2_000_000), "400 .*contacts"),
    ],
)
def test_admin_refuses(box, call, said):
    with pytest.raises(SandboxError, match=said):
        call(box.admin)


def test_clock_moves_both_sides(box):
    before = datetime.now(timezone.utc)
    box.admin.advance(3 * 24 * 60 * 60)
    contact = box.admin.phoneiq.create()
    record = box.admin.salesforce.create("Contact", LastName="A")
    later = before + timedelta(days=3)
    assert datetime.fromisoformat(contact["updated_at"].replace("Z", "+00:00")) >= later
    stamp = record["SystemModstamp"].replace(".000+0000", "+00:00")
    assert datetime.fromisoformat(stamp) >= later.replace(microsecond=0)


def test_clock_is_set_and_shown(box):
    url = f"{box.salesforce_url}/_sandbox/clock"
    answer = requests.post(url, json={"set": "2030-01-02T03:04:05+01:00"}, timeout=10)
    assert answer.json()["now"].startswith("2030-01-02T02:04:")
    assert requests.get(url, timeout=10).json()["now"].startswith("2030-01-02T02:0")
    for order in ({}, {"set": "tomorrow"}, {"advance": "1"}, {"set": "x", "advance": 1}):
        assert requests.post(url, json=order, timeout=10).status_code == 400


def test_reset_goes_back_to_a_fresh_start(phoneiq, box):
    phoneiq.create()
    box.admin.salesforce.create("Account", Name="A")
    box.admin.fault(side="phoneiq", kind="status")
    box.admin.advance(1_000_000)
    box.admin.reset()
    assert box.admin.requests() == []
    assert phoneiq.page()["data"] == []
    assert box.admin.salesforce.list("Account", include_deleted=True) == []
    overview = requests.get(f"{box.phoneiq_url}/_sandbox", timeout=10).json()
    assert overview["faults"] == []
    now = datetime.fromisoformat(overview["time"].replace("Z", "+00:00"))
    assert now - datetime.now(timezone.utc) < timedelta(hours=1)


def test_admin_calls_are_not_logged(box):
    box.admin.phoneiq.create()
    box.admin.phoneiq.list()
    assert box.admin.requests() == []


def test_unknown_admin_call(box):
    answer = requests.get(f"{box.phoneiq_url}/_sandbox/nothing", timeout=10)
    assert answer.status_code == 404
    assert "/nothing" in answer.json()["error"]["message"]
