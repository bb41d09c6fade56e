"""Any field of the two catalogs, in any direction; each wrong mapping is one clear error."""

from __future__ import annotations

import itertools

import pytest
from reconciler.errors import SettingsError
from reconciler.settings import Settings

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE

NEEDED = [
    {"salesforce": "FirstName", "phoneiq": "first_name"},
    {"salesforce": "LastName", "phoneiq": "last_name"},
    {"salesforce": "MobilePhone", "phoneiq": "mobile_phone"},
]
BOTH, TO_P, TO_S = "both", "salesforce_to_phoneiq", "phoneiq_to_salesforce"


def row(salesforce, phoneiq, direction=BOTH, **more):
    return {"salesforce": salesforce, "phoneiq": phoneiq, "direction": direction} | more


def mapped(*rows, object_="Contact", **settings):
    return {"field_mappings": {object_: [*NEEDED, *rows]}} | settings


# Any field, any direction.


@pytest.mark.parametrize(
    ("mapping", "sync"), list(itertools.product([BOTH, TO_P, TO_S], [BOTH, TO_P, TO_S]))
)
def test_a_value_travels_where_the_mapping_and_the_sync_allow_it(start, mapping, sync):
    salesforce, phoneiq = "Rating__c", "custom_segment"
    job = start(**mapped(row(salesforce, phoneiq, mapping)))
    record, contact = job.pair_up(**{salesforce: "old"})
    job.phoneiq.edit(contact, **{phoneiq: "old"})
    job.salesforce.edit(record, **{salesforce: "old"})
    job.settle()
    job.forget_written()
    job.settings["sync_direction"] = sync
    job.salesforce.edit(record, **{salesforce: "from Salesforce"})
    job.settle()
    to_phoneiq = mapping != TO_S and sync != TO_S
    assert [one.fields for one in job.phoneiq.written] == (
        [{phoneiq: "from Salesforce"}] if to_phoneiq else []
    )
    # Both to one value again, then from the other side.
    job.phoneiq.edit(contact, **{phoneiq: "from Salesforce"})
    job.settle()
    job.forget_written()
    job.phoneiq.edit(contact, **{phoneiq: "from PhoneIQ"})
    job.settle()
    to_salesforce = mapping != TO_P and sync != TO_P
    assert [one.fields for one in job.salesforce.written] == (
        [{salesforce: "from PhoneIQ"}] if to_salesforce else []
    )


@pytest.mark.parametrize(
    ("salesforce", "phoneiq"), [("Description", "custom_segment"), ("Rating__c", "notes")]
)
def test_custom_and_standard_fields_may_be_mapped_to_each_other(start, salesforce, phoneiq):
    job = start(**mapped(row(salesforce, phoneiq)))
    record, contact = job.pair_up(**{salesforce: "from Salesforce"})
    assert job.phoneiq.get(contact)[phoneiq] == "from Salesforce"
    job.phoneiq.edit(contact, **{phoneiq: "from PhoneIQ"})
    job.settle()
    assert job.salesforce.get(record)[salesforce] == "from PhoneIQ"


def test_one_field_may_have_a_feed_for_each_direction(start):
    job = start(**mapped(row("Phone", "work_phone", TO_S), row("OtherPhone", "work_phone", TO_P)))
    record, contact = job.pair_up()
    job.phoneiq.edit(contact, work_phone="+14155550177")
    job.settle()
    assert job.salesforce.get(record)["Phone"] == "+14155550177"
    assert job.salesforce.get(record)["OtherPhone"] is None
    job.salesforce.edit(record, OtherPhone="(415) 555-0188")
    job.settle()
    assert job.phoneiq.get(contact)["work_phone"] == "+14155550188"


def test_numbers_and_booleans_travel_as_they_are(start):
    job = start(**mapped(row("Newsletter__c", "custom_vip")))
    record, contact = job.pair_up(Newsletter__c=True)
    assert job.phoneiq.get(contact)["custom_vip"] is True
    job.phoneiq.edit(contact, custom_vip=False)
    job.settle()
    assert job.salesforce.get(record)["Newsletter__c"] is False
    assert job.phoneiq.refused == job.salesforce.refused == []


def test_a_read_only_field_may_be_a_source(start):
    job = start(**mapped(row("CreatedDate", "custom_segment", TO_P)))
    record, contact = job.pair_up()
    assert job.phoneiq.get(contact)["custom_segment"] == job.salesforce.get(record)["CreatedDate"]


@pytest.mark.parametrize("object_", ["Lead", "Account", "PersonAccount"])
def test_each_object_has_mappings_of_its_own(start, object_):
    phone = "Phone"
    rows = [row("Name", "company", TO_P)] if object_ == "Account" else NEEDED[:2]
    job = start(
        objects=["Contact", "Lead", "Account", "PersonAccount"],
        field_mappings={
            object_: [*rows, row(phone, "work_phone"), row("Website", "notes")],
        },
    )
    name = {"Lead": {"FirstName": "Ada"}, "Account": {}}.get(
        object_, {"FirstName": "Ada", "LastName": "King"}
    )
    record = job.salesforce.create(
        "Lead" if object_ == "Lead" else "Account",
        Phone="+14155550132",
        Website="a.example",
        **name,
    )
    other = job.salesforce.create("Contact", FirstName="Bob", MobilePhone="+14155550143")
    job.settle()
    assert job.contact_of(record)["salesforce_object"] == object_
    assert job.contact_of(record)["notes"] == "a.example"
    assert job.contact_of(other)["notes"] is None


# Wrong mappings, as far as the settings alone tell.


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            mapped(row("Email", "email"), row("Email", "custom_mail")),
            ["two mappings write", "'Email'"],
        ),
        (mapped(row("Email", "email"), row("Mail__c", "email")), ["two mappings write", "'email'"]),
        (
            mapped(row("Email", "email", TO_P), row("Mail__c", "email", BOTH)),
            ["two mappings write", "'email'"],
        ),
        (mapped(row("Company", "company"), object_="Lead"), ["company only travels to PhoneIQ"]),
        (mapped(row("Department", "company", TO_S)), ["company only travels to PhoneIQ"]),
        (mapped(row("Account.Name", "custom_x")), ["Contact.Account.Name", "written"]),
        (mapped(row("Account.Name", "custom_x", TO_S)), ["Contact.Account.Name", "written"]),
        (mapped(row("MailingAddress", "street")), ["Contact.MailingAddress", "written"]),
        (mapped(row("Name", "notes"), object_="PersonAccount"), ["PersonAccount.Name"]),
        (mapped(row("IsConverted", "custom_x"), object_="Lead"), ["Lead.IsConverted"]),
        (mapped(row("Title", "salesforce_id", TO_P)), ["'salesforce_id'"]),
        (mapped(row("Title", "version", TO_P)), ["'version'"]),
        (mapped(row("Account.Name", "notes", TO_P), object_="Lead"), ["relationship", "Account."]),
        (mapped(row("Owner.Name", "notes", TO_P)), ["'Owner.Name'", "relationship"]),
        (mapped(row("Account.Owner.Name", "notes", TO_P)), ["'Account.Owner.Name'"]),
        (mapped(row("Account.", "notes", TO_P)), ["'Account.'"]),
        (
            {"field_mappings": {"Contact": [row("Email", "email")]}},
            ["Salesforce requires Contact.LastName"],
        ),
        (
            {"field_mappings": {"Lead": [row("LastName", "last_name", TO_P)]}},
            ["Salesforce requires Lead.LastName"],
        ),
        (
            {
                "field_mappings": {"PersonAccount": [row("Phone", "work_phone")]},
                "objects": ["PersonAccount"],
            },
            ["Salesforce requires PersonAccount.LastName"],
        ),
        (
            mapped(
                row("PhoneIQ_Contact_ID__c", "custom_segment"),
                salesforce_external_id_field="PhoneIQ_Contact_ID__c",
            ),
            ["'PhoneIQ_Contact_ID__c'", "salesforce_external_id_field"],
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_mapping(config, said):
    with pytest.raises(SettingsError) as error:
        Settings.from_config({"mode": OBSERVE, "ledger_url": "sqlite:///ledger.db"} | config)
    (message,) = str(error.value).splitlines()
    assert "'field_mappings'" in message
    for part in said:
        assert part in message


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["Hot"], "'values' has to be an object"),
        ({"Hot": None}, "'values' has to be an object"),
        ({"Hot": ["vip"]}, "'values' has to be an object"),
        ({"Hot": {"a": 1}}, "'values' has to be an object"),
        ({"Hot": "vip", "Warm": "vip"}, "two of 'values' are the same in PhoneIQ"),
        ({"Hot": True, "Warm": "true"}, "two of 'values' are the same in PhoneIQ"),
        ({"Hot": 1, "Warm": "1"}, "two of 'values' are the same in PhoneIQ"),
        ({"Hot": "vip", " Hot ": "gold"}, "two of 'values' are the same in Salesforce"),
        ({"Hot": " "}, "blank"),
        ({"": "vip"}, "blank"),
    ],
    ids=str,
)
def test_a_wrong_table(values, said):
    config = mapped(row("Rating__c", "custom_segment", values=values))
    with pytest.raises(SettingsError) as error:
        Settings.from_config({"mode": OBSERVE, "ledger_url": "sqlite:///ledger.db"} | config)
    assert "'field_mappings': Contact" in str(error.value)
    assert said in str(error.value)


# Wrong mappings that the catalogs tell.


@pytest.mark.parametrize(
    ("rows", "pipe", "said"),
    [
        ([row("Ratnig__c", "custom_segment")], TO_PHONEIQ, ["Salesforce's Contact", "Rating__c"]),
        ([row("Rating__c", "custom_sgement")], OBSERVE, ["PhoneIQ's contact", "custom_segment"]),
        ([row("Rating__c", "segment")], TO_SALESFORCE, ["PhoneIQ's contact", "custom_segment"]),
        (
            [row("Account.Indsutry", "custom_segment", TO_P)],
            TO_PHONEIQ,
            ["Salesforce's Account", "Industry"],
        ),
    ],
    ids=["Salesforce", "PhoneIQ", "without custom_", "Account"],
)
def test_a_field_that_a_catalog_does_not_have(start, rows, pipe, said):
    job = start(**mapped(*rows))
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    job.phoneiq.create(first_name="Bob", mobile_phone="+14155550143")
    for earlier in (OBSERVE, TO_PHONEIQ, TO_SALESFORCE):
        passed = job.pipe(earlier)
        if earlier == pipe or passed.code:
            break
    assert passed.code == 1
    assert passed.records == []
    for part in said:
        assert part in passed.text
    assert "did you mean" in passed.text


@pytest.mark.parametrize(
    ("object_", "rows"),
    [
        ("Lead", [row("Rating_c", "notes")]),
        ("Account", [row("Name", "company", TO_P), row("Web_site", "website")]),
        ("PersonAccount", [row("PersonTitel", "job_title")]),
    ],
)
def test_the_error_names_the_object_whose_mapping_it_is(start, object_, rows):
    phone = row("Phone", "work_phone")
    names = [row("FirstName", "first_name"), row("LastName", "last_name")]
    needed = [phone] if object_ == "Account" else [*names, phone]
    job = start(objects=[object_], field_mappings={object_: [*needed, *rows]})
    passed = job.pipe(TO_PHONEIQ)
    assert passed.code == 1
    assert f"'field_mappings': {object_}: Salesforce's {object_} has no field" in passed.text


def test_the_mapping_of_an_object_that_is_not_synced_asks_for_nothing(start):
    job = start(
        objects=["Contact"],
        field_mappings={"Lead": [row("LastName", "last_name"), row("Missing__c", "notes")]},
    )
    job.salesforce.objects = ["Account", "Contact"]
    assert [passed.code for passed in job.run()] == [0, 0, 0]
