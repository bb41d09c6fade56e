"""Each setting is checked at start; an error names the setting, the value and what is allowed."""

from __future__ import annotations

import json
import re

import pytest
from reconciler.errors import SettingsError
from reconciler.settings import Settings

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, Job

BASE = {"mode": OBSERVE, "ledger_url": "sqlite:///ledger.db"}

CONTACT = [
    {"salesforce": "FirstName", "phoneiq": "first_name"},
    {"salesforce": "LastName", "phoneiq": "last_name"},
    {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
]


def settings(**given):
    return Settings.from_config(BASE | given)


def test_defaults_are_those_of_the_page():
    default = settings()
    assert default.sync_direction == "both"
    assert default.on_conflict == "keep_salesforce"
    assert default.objects == ("Contact", "Lead")
    assert default.default_object == "Contact"
    assert default.default_region == "US"
    assert default.shared_phone == "reject"
    assert default.on_delete == "keep"
    assert default.max_delete_percent == 10
    assert default.salesforce_external_id_field is None
    assert default.salesforce_phone_format == "e164"
    assert default.lead_company_fallback == default.last_name_fallback == "[not provided]"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("sync_directions", "both", "did you mean 'sync_direction'?"),
        ("bogus", 1, "unknown setting 'bogus'"),
        ("sync_direction", "up", "both, salesforce_to_phoneiq, phoneiq_to_salesforce"),
        ("on_conflict", "newest", "keep_salesforce, keep_phoneiq"),
        ("default_object", "Account", "Contact, Lead"),
        ("default_region", "Germany", "two-letter country code"),
        ("shared_phone", "maybe", "reject, allow"),
        ("on_delete", "ignore", "keep, propagate"),
        ("max_delete_percent", 101, "a number from 0 to 100"),
        ("max_delete_percent", -1, "a number from 0 to 100"),
        ("max_delete_percent", "many", "a number from 0 to 100"),
        ("salesforce_phone_format", "E.164", "e164, international, national"),
        ("salesforce_external_id_field", 7, "a text"),
        ("last_name_fallback", " ", "not blank"),
        ("lead_company_fallback", "", "not blank"),
        ("ledger_url", "ledger.db", "sqlite:///PATH"),
        ("ledger_url", "sqlite://", "sqlite:///PATH"),
        ("mode", "both-ways", "observe-phoneiq, observe-salesforce, salesforce-to-phoneiq, "),
        ("objects", [], "a list of Contact, Lead"),
        ("objects", "Contact", "JSON"),
        ("objects", ["Contact", "Opportunity"], "'Opportunity' is none of Contact, Lead"),
        ("objects", ["Lead", "Lead"], "each object may be named once"),
        ("field_mappings", [], "an object with a list"),
        ("field_mappings", "{", "JSON"),
        ("field_mappings", {"Opportunity": []}, "'Opportunity' is none of"),
        ("field_mappings", {"Contact": []}, "Contact has to be a list"),
        ("field_mappings", {"Contact": ["Email"]}, "has to be an object"),
        ("field_mappings", {"Contact": [{"salesforce": "Email"}]}, "'phoneiq' has to name a field"),
    ],
)
def test_a_wrong_value_is_one_error_that_says_what_is_allowed(name, value, said):
    with pytest.raises(SettingsError) as error:
        settings(**{name: value})
    assert f"'{name}'" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize("name", ["mode", "ledger_url"])
def test_a_required_setting_is_missing(name):
    with pytest.raises(SettingsError, match=f"'{name}' is missing"):
        Settings.from_config({key: value for key, value in BASE.items() if key != name})


def mapped(*rows, object_="Contact", **given):
    fields = ("salesforce", "phoneiq", "direction")
    rows = [*CONTACT, *(dict(zip(fields, row, strict=False)) for row in rows)]
    return settings(field_mappings={object_: rows}, **given)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("Account", "company")], "company only travels to PhoneIQ"),
        ([("Department", "company", "phoneiq_to_salesforce")], "company only travels to PhoneIQ"),
        ([("Email", "email"), ("Email", "custom_mail")], "two mappings write the salesforce field"),
        ([("Email", "email"), ("Mail__c", "email")], "two mappings write the phoneiq field"),
        ([("Name", "first_name")], "Salesforce computes Contact.Name"),
        ([("Email", "updated_at")], "'updated_at' is not a field that a mapping may write"),
        ([("Email", "email", "sideways")], "direction 'sideways' is none of"),
    ],
)
def test_a_wrong_mapping_is_one_error_that_names_it(rows, said):
    with pytest.raises(SettingsError) as error:
        mapped(*rows)
    assert "'field_mappings': Contact" in str(error.value)
    assert said in str(error.value)


def test_a_mapping_with_an_unknown_key():
    with pytest.raises(SettingsError, match="unknown key 'to'"):
        settings(field_mappings={"Contact": [{"salesforce": "A", "phoneiq": "b", "to": "c"}]})


def test_two_mappings_of_one_field_in_opposite_directions_are_allowed():
    checked = mapped(
        ("Phone", "work_phone", "phoneiq_to_salesforce"),
        ("AssistantPhone", "work_phone", "salesforce_to_phoneiq"),
    )
    assert len(checked.mappings["Contact"]) == 5


def test_a_required_field_that_nothing_feeds():
    rows = [CONTACT[0], CONTACT[2]]
    with pytest.raises(SettingsError, match=r"requires Contact\.LastName"):
        settings(field_mappings={"Contact": rows})
    rows.append({"salesforce": "LastName", "phoneiq": "last_name", "direction": "both"})
    assert settings(field_mappings={"Contact": rows})


def test_a_required_field_needs_no_feed_where_nothing_is_written_to_salesforce():
    rows = [CONTACT[0], CONTACT[2]]
    assert settings(
        field_mappings={"Contact": rows}, sync_direction="salesforce_to_phoneiq"
    ).mappings["Contact"]


def test_an_object_whose_mapping_is_not_given_keeps_the_default_one():
    checked = mapped(("Email", "email"))
    assert len(checked.mappings["Contact"]) == 4
    assert checked.mappings["Lead"] == settings().mappings["Lead"]


def test_lists_and_objects_may_come_as_json_text_and_numbers_as_text():
    rows = CONTACT
    assert settings(
        objects=json.dumps(["Lead", "Contact"]),
        field_mappings=json.dumps({"Contact": rows}),
        max_delete_percent="25",
    ) == settings(
        objects=["Lead", "Contact"], field_mappings={"Contact": rows}, max_delete_percent=25
    )


def test_what_singer_itself_configures_is_no_unknown_setting():
    assert settings(stream_maps={}, flattening_enabled=False)


@pytest.mark.parametrize(
    "changed",
    [
        {"sync_direction": "salesforce_to_phoneiq"},
        {"on_conflict": "keep_phoneiq"},
        {"objects": ["Lead", "Contact"]},
        {"objects": ["Contact"]},
        {"default_object": "Lead"},
        {"default_region": "DE"},
        {"shared_phone": "allow"},
        {"on_delete": "propagate"},
        {"salesforce_external_id_field": "PhoneIQ_Contact_ID__c"},
        {"salesforce_phone_format": "national"},
        {"last_name_fallback": "-"},
        {"lead_company_fallback": "-"},
        {"field_mappings": {"Lead": CONTACT}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_the_fingerprint_changes_with_each_setting_that_a_plan_depends_on(changed):
    assert settings(**changed).fingerprint != settings().fingerprint


def test_the_fingerprint_is_the_same_for_every_pipe_and_place():
    moved = Settings.from_config({"mode": TO_PHONEIQ, "ledger_url": "sqlite:////var/l.db"})
    assert moved.fingerprint == settings().fingerprint


# Through the mapper.


def test_a_wrong_setting_ends_the_run_before_anything_is_stored(start):
    job = start(sync_direction="up")
    passed = job.pipe(OBSERVE)
    assert passed.code == 1
    assert "'sync_direction'" in passed.text
    assert passed.messages == []
    assert job.history() == []


@pytest.mark.parametrize(
    ("row", "pipe", "said"),
    [
        (("Emial", "email"), TO_PHONEIQ, "Salesforce's Contact has no field 'Emial'"),
        (("Email", "emial"), OBSERVE, "PhoneIQ's contact has no field 'emial'"),
    ],
)
def test_a_mapping_of_a_field_that_the_catalog_does_not_have(start, row, pipe, said):
    salesforce, phoneiq = row
    rows = [*CONTACT, {"salesforce": salesforce, "phoneiq": phoneiq}]
    job = start(field_mappings={"Contact": rows})
    passed = job.pipe(pipe)
    assert passed.code == 1
    assert said in passed.text
    assert "did you mean" in passed.text
    assert passed.records == []


def test_an_external_id_field_that_the_catalog_does_not_have(start):
    passed = start(salesforce_external_id_field="Missing__c").pipe(TO_PHONEIQ)
    assert passed.code == 1
    assert "'salesforce_external_id_field' is Missing__c" in passed.text


def test_a_changed_setting_plans_every_pair_again_from_the_ledger(job):
    record, contact = job.pair_up(Title="Countess")
    job.settings["sync_direction"] = "salesforce_to_phoneiq"
    job.settle()
    job.phoneiq.edit(contact, job_title="Analyst")
    job.settle()
    assert job.salesforce.get(record)["Title"] == "Countess"
    job.settings["sync_direction"] = "both"
    job.settle()
    assert job.salesforce.get(record)["Title"] == "Analyst"


def test_a_changed_object_list_takes_records_in_and_out(start):
    job = start(objects=["Contact"])
    lead = job.salesforce.create("Lead", FirstName="Lee", MobilePhone="+14155550171")
    job.settle()
    assert job.phoneiq.live() == []
    job.settings["objects"] = ["Contact", "Lead"]
    job.settle()
    job.settings["objects"] = ["Contact"]
    job.settle()
    job.salesforce.edit(lead, Title="Boss")
    job.settle()
    assert job.contact_of(lead)["job_title"] is None


def test_a_changed_region_reads_every_number_again(start):
    job = start(default_region="US")
    job.salesforce.create("Contact", FirstName="Eva", MobilePhone="030 901820")
    job.settle()
    assert job.phoneiq.live() == []
    job.settings["default_region"] = "DE"
    job.settle()
    assert [row["mobile_phone"] for row in job.phoneiq.live()] == ["+4930901820"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"field_mappings": {"Contact": CONTACT[:2]}}, "Contact has no phone number"),
        ({"field_mappings": {"Contact": CONTACT[1:]}}, "Contact has no FirstName"),
        (
            {"objects": ["Contact"], "default_object": "Lead"},
            "setting 'default_object' is Lead, which is not in 'objects' (Contact)",
        ),
        (
            {"objects": ["Lead", "Account"], "default_object": "Contact"},
            "Set 'default_object' to Lead, or add Contact to 'objects'",
        ),
    ],
)
def test_settings_that_could_sync_no_record(given, says):
    with pytest.raises(SettingsError, match=re.escape(says)):
        Settings.from_config(BASE | given)


@pytest.mark.parametrize(
    ("salesforce", "phoneiq", "says"),
    [
        ("MobilePhone", "email", "MobilePhone is a phone number, 'email' is an e-mail address"),
        ("Email", "work_phone", "Email is an e-mail address, 'work_phone' is a phone number"),
        ("Title", "other_phone", "Title is a text, 'other_phone' is a phone number"),
        ("Phone", "city", "allowed are fax, home_phone, mobile_phone, other_phone, work_phone"),
        ("AccountId", "company", "for the name of the Account, map Account.Name"),
        ("OwnerId", "website", "map it into a custom field"),
        ("Birthdate", "home_phone", "Birthdate is a date"),
        ("DoNotCall", "job_title", "DoNotCall is a checkbox"),
        ("Account.Phone", "company", "Account.Phone is a phone number"),
    ],
)
@pytest.mark.parametrize("direction", ["salesforce_to_phoneiq", "both"])
def test_fields_of_kinds_that_do_not_fit(salesforce, phoneiq, says, direction):
    row = {"salesforce": salesforce, "phoneiq": phoneiq, "direction": direction}
    if "." in salesforce or "Id" in salesforce or phoneiq == "company":
        row["direction"] = "salesforce_to_phoneiq"
    with pytest.raises(SettingsError, match=re.escape(says)):
        Settings.from_config(BASE | {"field_mappings": {"Contact": [*CONTACT, row]}})


@pytest.mark.parametrize(
    ("salesforce", "phoneiq"),
    [
        ("Phone", "other_phone"),
        ("Fax", "work_phone"),
        ("Phone__c", "home_phone"),
        ("Title", "custom_title"),
        ("Birthdate", "custom_birthday"),
        ("External_Id__c", "website"),
        ("Description", "notes"),
        ("MailingCity", "website"),
    ],
)
def test_fields_of_kinds_that_may_fit(salesforce, phoneiq):
    row = {"salesforce": salesforce, "phoneiq": phoneiq}
    Settings.from_config(BASE | {"field_mappings": {"Contact": [*CONTACT, row]}})


def test_the_default_object_follows_the_objects():
    assert Settings.from_config(BASE | {"objects": ["Lead"]}).default_object == "Lead"


@pytest.mark.parametrize("object_", ["Contact", "Lead"])
def test_a_field_of_a_default_mapping_that_the_org_does_not_show(tmp_path, object_):
    job = Job(tmp_path, default_object=object_)
    job.salesforce.hidden = {"Fax", "HomePhone"}
    record = job.salesforce.create(
        object_, FirstName="Eva", MobilePhone="+14155550132", Fax="+14155550143"
    )
    passed = job.run()
    assert [one.code for one in passed] == [0, 0, 0]
    assert f"{object_}.Fax is mapped by default" in passed[1].text
    assert "Read Access" in passed[1].text
    job.settle()
    assert job.contact_of(record)["fax"] is None
    job.phoneiq.edit(job.contact_of(record)["id"], fax="+14155550199")
    job.settle()
    assert job.salesforce.get(record)["Fax"] == "+14155550143"


def test_a_field_of_a_mapping_of_ones_own_that_the_org_does_not_show(tmp_path):
    row = {"salesforce": "HomePhone", "phoneiq": "home_phone"}
    job = Job(tmp_path, field_mappings={"Contact": [*CONTACT, row]})
    job.salesforce.hidden = {"HomePhone"}
    passed = job.run()
    assert passed[-1].code == 1
    assert "Salesforce's Contact has no field 'HomePhone'" in passed[-1].text


def test_a_name_that_the_org_does_not_show(tmp_path):
    job = Job(tmp_path)
    job.salesforce.hidden = {"FirstName"}
    assert "Salesforce's Contact has no field 'FirstName'" in job.run()[-1].text
