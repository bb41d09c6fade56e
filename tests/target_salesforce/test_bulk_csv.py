"""The CSV of a Bulk job, and the way back from Salesforce's results to the records."""

from __future__ import annotations

import csv
import io
from decimal import Decimal

import pytest
from target_salesforce.bulk import failure_of, uploads
from target_salesforce.errors import Failure
from target_salesforce.writes import Operation, Write

EXTERNAL = "PhoneIQ_Contact_ID__c"


def update(number, **fields):
    return Write(Operation.UPDATE, f"003{number:015}", None, fields, {})


def create(**fields):
    return Write(Operation.CREATE, None, None, fields, {})


def lines(upload):
    return list(csv.reader(io.StringIO(upload.content().decode(), newline="")))


def test_a_field_that_a_record_lacks_is_empty_and_null_is_spelled_out():
    (upload,) = uploads(
        Operation.UPDATE, [update(1, LastName="Day", Email=None), update(2, Phone="1")], None
    )
    assert lines(upload) == [
        ["Id", "LastName", "Email", "Phone"],
        ["003000000000000001", "Day", "#N/A", ""],
        ["003000000000000002", "", "", "1"],
    ]


def test_values_take_the_form_that_salesforce_reads():
    (upload,) = uploads(
        Operation.CREATE,
        [create(Vip__c=True, Old__c=False, Score__c=Decimal("1.50"), N__c=7)],
        None,
    )
    assert lines(upload)[1] == ["true", "false", "1.50", "7"]


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\r\nb", 'a "b", c', "  ", "ąß文", "a,b"])
def test_text_comes_back_as_it_was(text):
    (upload,) = uploads(Operation.CREATE, [create(Street=text)], None)
    assert lines(upload)[1] == [text]
    assert upload.content().endswith(b"\r\n")


def test_a_delete_sends_ids_alone():
    deletion = Write(Operation.DELETE, "003000000000001AAA", None, {"LastName": "Day"}, {})
    (upload,) = uploads(Operation.DELETE, [deletion], None)
    assert upload.content() == b"Id\r\n003000000000001AAA\r\n"


def test_an_upsert_sends_the_external_id_and_no_id():
    upsert = Write(Operation.UPSERT, None, "pc_1", {EXTERNAL: "pc_1", "LastName": "Day"}, {})
    (upload,) = uploads(Operation.UPSERT, [upsert], EXTERNAL)
    assert lines(upload) == [[EXTERNAL, "LastName"], ["pc_1", "Day"]]


@pytest.mark.parametrize("text", ["x" * 50, '"' * 50, "文" * 20, "a\nb" * 9])
def test_no_upload_is_larger_than_the_limit_and_none_is_lost(text):
    writes = [update(number, LastName=text) for number in range(40)]
    parts = list(uploads(Operation.UPDATE, writes, None, limit=700))
    assert len(parts) > 1
    assert all(len(part.content()) <= 700 for part in parts)
    assert [write for part in parts for write in part.writes] == writes


def test_results_find_their_records_in_any_order():
    writes = [update(number, LastName="Day") for number in range(3)]
    (upload,) = uploads(Operation.UPDATE, writes, None)
    assert [upload.take({"Id": writes[number].id}) for number in (2, 0, 1)] == [2, 0, 1]
    assert upload.take({"Id": writes[0].id}) is None
    assert upload.take({"Id": "003000000000009AAA"}) is None


def test_inserts_are_found_by_their_whole_line_and_twins_are_both_found():
    writes = [create(LastName="Day"), create(LastName="Day", Email="a@b.c"), create(LastName="Day")]
    (upload,) = uploads(Operation.CREATE, writes, None)
    plain = {"sf__Id": "", "sf__Error": "X:y:--", "LastName": "Day", "Email": ""}
    assert [upload.take(plain), upload.take(plain), upload.take(plain)] == [0, 2, None]


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (
            "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
            Failure(
                "REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", ("LastName",)
            ),
        ),
        (
            "STRING_TOO_LONG:data value too large (max length=40):FirstName, Phone --",
            Failure(
                "STRING_TOO_LONG", "data value too large (max length=40)", ("FirstName", "Phone")
            ),
        ),
        (
            "REQUIRED_FIELD_MISSING:Required fields are missing: [A, B]:LastName Company --",
            Failure(
                "REQUIRED_FIELD_MISSING",
                "Required fields are missing: [A, B]",
                ("LastName", "Company"),
            ),
        ),
        (
            "INVALID_CROSS_REFERENCE_KEY:invalid cross reference id:--",
            Failure("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"),
        ),
        (
            "UNABLE_TO_LOCK_ROW:unable to obtain exclusive access to this record --",
            Failure("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record"),
        ),
        (
            "FIELD_CUSTOM_VALIDATION_EXCEPTION:Say why:\nit moved --",
            Failure("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Say why:\nit moved"),
        ),
        ("something else", Failure("UNKNOWN_EXCEPTION", "something else")),
    ],
)
def test_error_cells_are_read(text, failure):
    assert failure_of(text) == failure
