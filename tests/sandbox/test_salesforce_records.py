"""Single records over the REST API: what is stored, what is refused and how."""

from __future__ import annotations

import pytest

CONTACT = {"LastName": "Rossi"}
LEAD = {"LastName": "Rossi", "Company": "Rossi SRL"}


def test_a_created_record_reads_back_with_everything_salesforce_adds(salesforce):
    record_id = salesforce.create(
        "Contact",
        FirstName="  Ada ",
        LastName="Rossi",
        Phone="\t+39 06 123 ",
        Title="   ",
        MailingCity="Roma",
        MailingStreet="Via A 1\nScala B",
    )
    record = salesforce.call("GET", f"sobjects/Contact/{record_id}").json()
    assert record["attributes"] == {
        "type": "Contact",
        "url": f"/services/data/v61.0/sobjects/Contact/{record_id}",
    }
    assert len(record["Id"]) == 18
    assert record["Id"].startswith("003")
    assert record["FirstName"] == "Ada"
    assert record["Phone"] == "+39 06 123"
    assert record["Title"] is None
    assert record["Name"] == "Ada Rossi"
    assert record["MailingAddress"] == {
        "street": "Via A 1\nScala B",
        "city": "Roma",
        "state": None,
        "postalCode": None,
        "country": None,
        "latitude": None,
        "longitude": None,
        "geocodeAccuracy": None,
    }
    assert record["OtherAddress"] is None
    assert record["IsDeleted"] is False
    assert record["CreatedDate"] == record["SystemModstamp"] == record["LastModifiedDate"]
    assert record["SystemModstamp"].endswith(".000+0000")


def test_a_short_id_works_and_the_answer_has_the_long_one(salesforce):
    record_id = salesforce.create("Contact", **CONTACT)
    answer = salesforce.call("GET", f"sobjects/contact/{record_id[:15]}?fields=lastname")
    assert answer.json()["Id"] == record_id
    assert {*answer.json()} == {"attributes", "Id", "LastName"}


def test_an_update_touches_only_its_fields_and_the_time(box, salesforce):
    record_id = salesforce.create("Lead", **LEAD, Phone="1", Email="a@b.co")
    before = salesforce.call("GET", f"sobjects/Lead/{record_id}").json()
    box.admin.advance(60)
    answer = salesforce.call("PATCH", f"sobjects/Lead/{record_id}", {"phone": "2", "Email": None})
    assert (answer.status_code, answer.content) == (204, b"")
    after = salesforce.call("GET", f"sobjects/Lead/{record_id}").json()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"Phone", "Email", "LastModifiedDate", "SystemModstamp"}
    assert (after["Phone"], after["Email"]) == ("2", None)
    assert after["SystemModstamp"] > before["SystemModstamp"]


def test_a_deleted_record_is_seen_by_query_all_only(salesforce):
    record_id = salesforce.create("Contact", **CONTACT)
    assert salesforce.call("DELETE", f"sobjects/Contact/{record_id}").status_code == 204
    assert salesforce.query("SELECT Id FROM Contact") == []
    assert salesforce.query("SELECT Id, IsDeleted FROM Contact", everything=True) == [
        {"Id": record_id, "IsDeleted": True}
    ]
    for method, content in (("GET", None), ("PATCH", {"Phone": "1"}), ("DELETE", None)):
        error = salesforce.error(method, f"sobjects/Contact/{record_id}", content)
        assert (error["status"], error["errorCode"]) == (404, "ENTITY_IS_DELETED")


REFUSED = {
    "a required field is missing": (
        *("Contact", {"FirstName": "Ada"}),
        *("REQUIRED_FIELD_MISSING", ["LastName"], "Required fields are missing: [LastName]"),
    ),
    "a required field is blank": (
        *("Lead", {"LastName": " ", "Company": "A"}),
        *("REQUIRED_FIELD_MISSING", ["LastName"], "Required fields are missing: [LastName]"),
    ),
    "both required fields are missing": (
        *("Lead", {}),
        "REQUIRED_FIELD_MISSING",
        ["LastName", "Company"],
        "Required fields are missing: [LastName, Company]",
    ),
    "an account without a name": (
        *("Account", {"Phone": "1"}),
        *("REQUIRED_FIELD_MISSING", ["Name"], "Required fields are missing: [Name]"),
    ),
    "a text is too long": (
        *("Contact", {"LastName": "A", "FirstName": "x" * 41}),
        "STRING_TOO_LONG",
        ["FirstName"],
        f"First Name: data value too large: {'x' * 41} (max length=40)",
    ),
    "no e-mail address": (
        *("Contact", {"LastName": "A", "Email": "nobody"}),
        *("INVALID_EMAIL_ADDRESS", ["Email"], "Email: invalid email address: nobody"),
    ),
    "an unknown field": (
        *("Contact", {"LastName": "A", "Shoe__c": "42"}),
        *("INVALID_FIELD", [], "No such column 'Shoe__c' on sobject of type Contact"),
    ),
    "a compound name": (
        *("Contact", {"LastName": "A", "Name": "Ada A"}),
        *("INVALID_FIELD_FOR_INSERT_UPDATE", ["Name"], "Unable to create/update fields: Name."),
    ),
    "a compound address": (
        *("Lead", {**LEAD, "Address": {"city": "Roma"}}),
        *("INVALID_FIELD_FOR_INSERT_UPDATE", ["Address"], "Unable to create/update fields"),
    ),
    "a system field": (
        *("Contact", {"LastName": "A", "SystemModstamp": "2026-01-01T00:00:00Z"}),
        *("INVALID_FIELD_FOR_INSERT_UPDATE", ["SystemModstamp"], "Unable to create/update fields"),
    ),
    "an id in an insert": (
        *("Contact", {"LastName": "A", "Id": "003Sb0000000001IAA"}),
        *("INVALID_FIELD_FOR_INSERT_UPDATE", ["Id"], "cannot specify Id in an insert call"),
    ),
    "a reference to another object": (
        *("Contact", {"LastName": "A", "AccountId": "003Sb0000000001IAA"}),
        *("MALFORMED_ID", ["AccountId"], "Account ID: id value of incorrect type: 003"),
    ),
    "a reference to nobody": (
        *("Contact", {"LastName": "A", "AccountId": "001Sb0000000001IAA"}),
        *("INVALID_CROSS_REFERENCE_KEY", ["AccountId"], "invalid cross reference id"),
    ),
    "a number for a text": (
        *("Contact", {"LastName": 5}),
        *("JSON_PARSER_ERROR", [], "Cannot deserialize instance of string from VALUE_NUMBER_INT"),
    ),
    "a text for a boolean": (
        *("Contact", {"LastName": "A", "DoNotCall": "yes"}),
        *("JSON_PARSER_ERROR", [], "Cannot deserialize instance of boolean from VALUE_STRING"),
    ),
    "a number that is too large": (
        *("Lead", {**LEAD, "NumberOfEmployees": 10**18}),
        *("NUMBER_OUTSIDE_VALID_RANGE", ["NumberOfEmployees"], "Employees: value outside of"),
    ),
    "a list for a text": (
        *("Contact", {"LastName": ["A"]}),
        *("JSON_PARSER_ERROR", [], "Cannot deserialize instance of string from START_ARRAY"),
    ),
    "a birthday that is none": (
        *("Contact", {"LastName": "A", "Birthdate": "2026-02-30"}),
        *("INVALID_TYPE_ON_FIELD_IN_RECORD", ["Birthdate"], "Birthdate: value not of required"),
    ),
}


@pytest.mark.parametrize("situation", REFUSED)
def test_an_insert_is_refused(salesforce, situation):
    name, fields, code, at_fault, message = REFUSED[situation]
    error = salesforce.error("POST", f"sobjects/{name}", fields)
    assert error["status"] == 400
    assert (error["errorCode"], error["fields"]) == (code, at_fault)
    assert error["message"].startswith(message)
    assert salesforce.query(f"SELECT Id FROM {name}", everything=True) == []


def test_a_second_record_with_the_same_unique_external_id(salesforce):
    first = salesforce.create("Contact", **CONTACT, PhoneIQ_Contact_ID__c="pc_1")
    error = salesforce.error(
        "POST", "sobjects/Contact", {**CONTACT, "PhoneIQ_Contact_ID__c": "pc_1"}
    )
    assert error["errorCode"] == "DUPLICATE_VALUE"
    assert error["message"] == (
        "duplicate value found: PhoneIQ_Contact_ID__c duplicates value on record with id: " + first
    )
    other_case = salesforce.create("Contact", **CONTACT, PhoneIQ_Contact_ID__c="PC_1")
    error = salesforce.error(
        "PATCH", f"sobjects/Contact/{other_case}", {"PhoneIQ_Contact_ID__c": "pc_1"}
    )
    assert error["errorCode"] == "DUPLICATE_VALUE"
    # The recycle bin does not count, nor does another object, nor the record itself.
    salesforce.call("DELETE", f"sobjects/Contact/{first}")
    salesforce.create("Lead", **LEAD, PhoneIQ_Contact_ID__c="pc_1")
    for _ in range(2):
        answer = salesforce.call(
            "PATCH", f"sobjects/Contact/{other_case}", {"PhoneIQ_Contact_ID__c": "pc_1"}
        )
        assert answer.status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "sobjects/Contact/003Sb0000000009IAA", 404, "NOT_FOUND"),
        ("PATCH", "sobjects/Contact/003Sb0000000009IAA", 404, "NOT_FOUND"),
        ("DELETE", "sobjects/Contact/003D000000Q0bXrIAJ", 404, "NOT_FOUND"),
        ("GET", "sobjects/Contact/00QSb0000000009MAA", 400, "MALFORMED_ID"),
        ("PATCH", "sobjects/Contact/nobody", 400, "MALFORMED_ID"),
        ("GET", "sobjects/Shoe__c/a00Sb0000000009AAA", 404, "NOT_FOUND"),
        ("GET", "sobjects/Contact/Phone/1", 404, "NOT_FOUND"),
        ("GET", "sobjects/Contact/PhoneIQ_Contact_ID__c/pc_9", 404, "NOT_FOUND"),
        ("GET", "nowhere", 404, "NOT_FOUND"),
        ("GET", "/services/data/v12.0/limits", 404, "NOT_FOUND"),
        ("PUT", "sobjects/Contact", 405, "METHOD_NOT_ALLOWED"),
    ],
)
def test_a_path_that_leads_nowhere(salesforce, method, path, status, code):
    error = salesforce.error(method, path, {} if method in {"PATCH", "PUT"} else None)
    assert (error["status"], error["errorCode"]) == (status, code)


def test_an_update_may_not_clear_a_required_field(salesforce):
    record_id = salesforce.create("Contact", **CONTACT)
    error = salesforce.error("PATCH", f"sobjects/Contact/{record_id}", {"LastName": "  "})
    assert error["errorCode"] == "REQUIRED_FIELD_MISSING"


def test_an_upsert_creates_then_updates(salesforce):
    path = "sobjects/Contact/PhoneIQ_Contact_ID__c/pc%2F1"
    created = salesforce.call("PATCH", path, {**CONTACT, "Phone": "1"})
    assert created.status_code == 201
    record_id = created.json()["id"]
    assert created.json() == {"id": record_id, "success": True, "errors": [], "created": True}
    updated = salesforce.call("PATCH", path, {"Phone": "2"})
    assert updated.status_code == 200
    assert updated.json() == {"id": record_id, "success": True, "errors": [], "created": False}
    record = salesforce.call("GET", path).json()
    assert (record["Phone"], record["PhoneIQ_Contact_ID__c"]) == ("2", "pc/1")
    error = salesforce.error("PATCH", path, {"PhoneIQ_Contact_ID__c": "pc_2"})
    assert error["errorCode"] == "INVALID_FIELD"


def test_an_upsert_that_matches_several_lists_them(salesforce):
    twins = [salesforce.create("Contact", **CONTACT, Email="A@b.co") for _ in range(2)]
    answer = salesforce.call("PATCH", "sobjects/Contact/Email/a@B.co", {"Phone": "1"})
    assert answer.status_code == 300
    assert answer.json() == [f"/services/data/v61.0/sobjects/Contact/{each}" for each in twins]
    assert salesforce.query("SELECT Id FROM Contact WHERE Phone = '1'") == []


def test_a_request_without_a_session(box, salesforce):
    for header in ("", "Bearer nonsense", "Basic YTpi"):
        error = salesforce.error("GET", "sobjects", headers={"Authorization": header})
        assert (error["status"], error["errorCode"]) == (401, "INVALID_SESSION_ID")


def test_every_answer_counts_against_the_quota(salesforce):
    used = []
    for path in ("limits", "nowhere-else/", "query?q=nonsense"):
        info = salesforce.call("GET", path).headers.get("Sforce-Limit-Info")
        if info is not None:
            count, quota = info.removeprefix("api-usage=").split("/")
            assert int(quota) >= 1_000_000
            used.append(int(count))
    assert used == [used[0], used[0] + 1]


def test_a_row_refused_on_order_of_a_test(box, salesforce):
    box.admin.fault(side="salesforce", kind="row_error", object="Lead", times=1, code="X_Y")
    salesforce.create("Contact", **CONTACT)
    error = salesforce.error("POST", "sobjects/Lead", LEAD)
    assert (error["status"], error["errorCode"]) == (400, "X_Y")
    salesforce.create("Lead", **LEAD)


def test_describe_tells_what_the_rules_are(salesforce):
    objects = {each["name"]: each for each in salesforce.call("GET", "sobjects").json()["sobjects"]}
    assert {*objects} == {"Account", "Contact", "Lead"}
    described = salesforce.call("GET", objects["Contact"]["urls"]["describe"]).json()
    fields = {each["name"]: each for each in described["fields"]}
    assert fields["LastName"]["nillable"] is False
    assert fields["FirstName"]["length"] == 40
    assert fields["AccountId"]["referenceTo"] == ["Account"]
    assert fields["AccountId"]["relationshipName"] == "Account"
    assert fields["MailingCity"]["compoundFieldName"] == "MailingAddress"
    assert fields["MailingAddress"]["type"] == "address"
    for name in ("Id", "Name", "MailingAddress", "SystemModstamp", "IsDeleted"):
        assert not fields[name]["createable"]
        assert not fields[name]["updateable"]
    external = fields["PhoneIQ_Contact_ID__c"]
    flags = ("custom", "externalId", "unique", "caseSensitive", "createable", "updateable")
    assert all(external[flag] is True for flag in flags)
    # What describe calls writable is writable.
    values = {"string": "a", "textarea": "a", "phone": "1", "picklist": "a", "email": "a@b.co"}
    values |= {"boolean": True, "date": "2026-01-01"}
    writable = {
        name: values[field["type"]]
        for name, field in fields.items()
        if field["createable"] and field["type"] != "reference"
    }
    record_id = salesforce.create("Contact", **writable)
    record = salesforce.call("GET", f"sobjects/Contact/{record_id}").json()
    assert {name: record[name] for name in writable} == writable
