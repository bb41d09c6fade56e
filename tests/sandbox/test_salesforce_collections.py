"""sObject Collections: up to 200 rows a request, each with a result of its own."""

from __future__ import annotations

import pytest

ROWS = "composite/sobjects"


def _row(name="Contact", **fields):
    return {"attributes": {"type": name}, **fields}


def _send(salesforce, method, path, *rows, **options):
    answer = salesforce.call(method, path, {"records": rows, **options})
    assert answer.status_code == 200, answer.text
    return answer.json()


def _codes(results):
    return [each["errors"][0]["statusCode"] if each["errors"] else None for each in results]


def test_good_rows_are_written_beside_bad_ones_in_order(salesforce):
    results = _send(
        salesforce,
        "POST",
        ROWS,
        _row(LastName="A"),
        _row(FirstName="B"),
        _row("Lead", LastName="C", Company="Acme"),
        _row(LastName="D" * 81),
    )
    assert _codes(results) == [None, "REQUIRED_FIELD_MISSING", None, "STRING_TOO_LONG"]
    assert [each["success"] for each in results] == [True, False, True, False]
    assert results[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [LastName]",
                "fields": ["LastName"],
            }
        ],
    }
    assert salesforce.query("SELECT Id FROM Contact") == [{"Id": results[0]["id"]}]
    assert salesforce.query("SELECT Id FROM Lead") == [{"Id": results[2]["id"]}]


def test_all_or_none_undoes_the_good_rows(salesforce):
    rows = [_row(LastName="A"), _row(FirstName="B")]
    results = _send(salesforce, "POST", ROWS, *rows, allOrNone=True)
    assert _codes(results) == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert salesforce.query("SELECT Id FROM Contact", everything=True) == []


def test_updates_by_id(salesforce):
    first, gone, twice = (salesforce.create("Contact", LastName=name) for name in "ABC")
    salesforce.call("DELETE", f"sobjects/Contact/{gone}")
    results = _send(
        salesforce,
        "PATCH",
        ROWS,
        _row(id=first[:15], Phone="1"),
        _row(Id=gone, Phone="1"),
        _row(Id="003Sb0000000099IAA", Phone="1"),
        _row(Id="00QSb0000000001MAA", Phone="1"),
        _row(Phone="1"),
        _row(Id=twice, Phone="1"),
        _row(Id=twice[:15], Title="2"),
    )
    assert _codes(results) == [
        None,
        "ENTITY_IS_DELETED",
        "INVALID_CROSS_REFERENCE_KEY",
        "MALFORMED_ID",
        "MISSING_ARGUMENT",
        "DUPLICATE_VALUE",
        "DUPLICATE_VALUE",
    ]
    assert results[0] == {"id": first, "success": True, "errors": []}
    found = salesforce.query("SELECT Phone FROM Contact")
    assert [each["Phone"] for each in found] == ["1", None]


def test_upserts_by_external_id(salesforce):
    there = salesforce.create("Contact", LastName="A", PhoneIQ_Contact_ID__c="pc_1")
    for email in ("a@b.co", "a@b.co", "c@d.co"):
        salesforce.create("Contact", LastName="B", Email=email)
    path = f"{ROWS}/Contact/PhoneIQ_Contact_ID__c"
    results = _send(
        salesforce,
        "PATCH",
        path,
        _row(phoneiq_contact_id__c="pc_1", Phone="1"),
        _row(PhoneIQ_Contact_ID__c="pc_2", LastName="New"),
        _row(PhoneIQ_Contact_ID__c="pc_4", LastName="Twice"),
        _row(PhoneIQ_Contact_ID__c="pc_4", LastName="Again"),
        _row(PhoneIQ_Contact_ID__c="pc_3"),
        _row(LastName="Nobody"),
    )
    assert _codes(results) == [
        None,
        None,
        "DUPLICATE_VALUE",
        "DUPLICATE_VALUE",
        "REQUIRED_FIELD_MISSING",
        "MISSING_ARGUMENT",
    ]
    assert (results[0]["id"], results[0]["created"], results[1]["created"]) == (there, False, True)
    results = _send(salesforce, "PATCH", f"{ROWS}/Contact/Email", _row(Email="A@b.co", Phone="1"))
    assert _codes(results) == ["DUPLICATE_EXTERNAL_ID"]


def test_upserts_by_id_insert_where_there_is_none(salesforce):
    there = salesforce.create("Contact", LastName="A")
    results = _send(
        salesforce,
        "PATCH",
        f"{ROWS}/Contact/Id",
        _row(Id=there, Phone="1"),
        _row(LastName="B"),
    )
    assert [each["created"] for each in results] == [False, True]


def test_deletions_of_several_objects(salesforce):
    contact = salesforce.create("Contact", LastName="A")
    lead = salesforce.create("Lead", LastName="A", Company="A")
    ids = ",".join([contact, lead, contact, "003Sb0000000099IAA", "nobody"])
    results = salesforce.call("DELETE", ROWS, params={"ids": ids, "allOrNone": "false"}).json()
    assert _codes(results) == [
        *(None, None, "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"),
    ]
    assert salesforce.query("SELECT Id FROM Contact") == salesforce.query("SELECT Id FROM Lead")


def test_records_read_by_their_ids(salesforce):
    first = salesforce.create("Contact", LastName="A")
    order = {"ids": [first, "003Sb0000000099IAA"], "fields": ["LastName"]}
    for answer in (
        salesforce.call("POST", f"{ROWS}/Contact", order),
        salesforce.call(
            "GET", f"{ROWS}/Contact", params={name: ",".join(each) for name, each in order.items()}
        ),
    ):
        found, missing = answer.json()
        assert (found["Id"], found["LastName"], missing) == (first, "A", None)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([_row(LastName="A", Shoe__c=1)], "INVALID_FIELD"),
        ([_row(LastName=5)], "JSON_PARSER_ERROR"),
        ([{"LastName": "A"}], "INVALID_TYPE"),
        ([_row("Shoe__c")], "INVALID_TYPE"),
        ([_row(LastName="A")] * 201, "EXCEEDED_ID_LIMIT"),
        ("nonsense", "JSON_PARSER_ERROR"),
    ],
)
def test_a_request_that_makes_no_sense_writes_nothing(salesforce, rows, code):
    good = [_row(LastName="Good")] if isinstance(rows, list) else []
    error = salesforce.error("POST", ROWS, {"records": rows if not good else [*good, *rows]})
    assert (error["status"], error["errorCode"]) == (400, code)
    assert salesforce.query("SELECT Id FROM Contact") == []


def test_rows_refused_on_order_of_a_test(box, salesforce):
    box.admin.fault(
        side="salesforce",
        kind="row_error",
        object="Contact",
        after=1,
        times=1,
        code="UNABLE_TO_LOCK_ROW",
        message="unable to obtain exclusive access to this record",
    )
    results = _send(salesforce, "POST", ROWS, *(_row(LastName=name) for name in "ABC"))
    assert _codes(results) == [None, "UNABLE_TO_LOCK_ROW", None]
