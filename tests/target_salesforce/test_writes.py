"""What a record asks for, and which writes may go out together."""

from __future__ import annotations

import logging
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_salesforce.description import Description, Field
from target_salesforce.writes import Operation, Planner, Write, rounds

ID = "003000000000001AAA"
EXTERNAL = "PhoneIQ_Contact_ID__c"

CONTACT = Description(
    "Contact",
    {
        field.name.lower(): field
        for field in [
            Field("Id", "id"),
            Field("LastName", "string", createable=True, updateable=True),
            Field("Email", "email", createable=True, updateable=True, id_lookup=True),
            Field("Score__c", "double", createable=True, updateable=True),
            Field("Topics__c", "multipicklist", createable=True, updateable=True),
            Field("Origin__c", "string", createable=True),
            Field("SystemModstamp", "datetime"),
            Field(EXTERNAL, "string", createable=True, updateable=True, external_id=True),
        ]
    },
)


def planner(external_id_field=EXTERNAL, action=None):
    return Planner(
        CONTACT,
        external_id_field=external_id_field,
        action=action,
        logger=logging.getLogger("target-salesforce.test"),
    )


@pytest.mark.parametrize(
    ("record", "operation"),
    [
        ({"Id": ID, "LastName": "Day"}, Operation.UPDATE),
        ({"Id": ID, EXTERNAL: "pc_1", "LastName": "Day"}, Operation.UPDATE),
        ({EXTERNAL: "pc_1", "LastName": "Day"}, Operation.UPSERT),
        ({"Id": None, EXTERNAL: "pc_1", "LastName": "Day"}, Operation.UPSERT),
        ({"Id": "", "LastName": "Day"}, Operation.CREATE),
        ({EXTERNAL: None, "LastName": "Day"}, Operation.CREATE),
        ({EXTERNAL: "", "LastName": "Day"}, Operation.CREATE),
        ({"Id": ID, "_sdc_deleted_at": "2026-01-01T00:00:00Z"}, Operation.DELETE),
        ({"Id": ID, "LastName": "Day", "_sdc_deleted_at": None}, Operation.UPDATE),
    ],
)
def test_a_record_decides_what_happens(record, operation):
    write = planner().plan(record)
    assert write.operation is operation
    assert write.refusal is None


def test_without_an_external_id_field_a_record_without_id_is_inserted():
    write = planner(external_id_field=None).plan({EXTERNAL: "pc_1", "LastName": "Day"})
    assert write.operation is Operation.CREATE


def test_fields_are_the_records_alone_and_blank_means_null():
    write = planner().plan(
        {"Id": ID, "LastName": "", "Email": None, "Score__c": Decimal("1.50"), "_sdc_batched_at": 1}
    )
    assert write.fields == {"LastName": None, "Email": None, "Score__c": Decimal("1.50")}


def test_the_bulk_word_for_null_means_null_on_both_ways():
    assert planner().plan({"Id": ID, "Email": "#N/A"}).fields == {"Email": None}


def test_field_names_are_found_in_any_case():
    write = planner().plan({"ID": ID, "LASTNAME": "Day", "email": "day@example.com"})
    assert (write.id, write.fields) == (ID, {"LastName": "Day", "Email": "day@example.com"})


def test_a_list_goes_to_a_multi_select_picklist_only():
    assert planner().plan({"Id": ID, "Topics__c": ["a", "b"]}).fields == {"Topics__c": "a;b"}
    refusal = planner().plan({"Id": ID, "LastName": ["Day"]}).refusal
    assert (refusal.code, refusal.fields) == ("INVALID_TYPE_ON_FIELD_IN_RECORD", ("LastName",))


def test_an_unknown_field_is_refused_with_its_name_and_what_is_writable(caplog):
    plan = planner().plan
    refusals = [plan({"Id": ID, "Emial": "x", "Foo": 1}).refusal for _ in range(2)]
    assert refusals[0].code == "INVALID_FIELD"
    assert refusals[0].fields == ("Emial", "Foo")
    assert "Contact has no field Emial, Foo" in refusals[0].message
    assert "Email" in refusals[0].message
    assert "SystemModstamp" not in refusals[0].message
    # Said once, however many records hold it.
    assert len([r for r in caplog.records if "Emial" in r.getMessage()]) == 1


@pytest.mark.parametrize(
    ("record", "refused"),
    [
        ({"LastName": "Day", "Origin__c": "web"}, None),
        ({"Id": ID, "Origin__c": "web"}, "Origin__c"),
        ({EXTERNAL: "pc_1", "Origin__c": "web"}, None),
        ({"Id": ID, "SystemModstamp": "2026-01-01T00:00:00Z"}, "SystemModstamp"),
        ({"LastName": "Day", "SystemModstamp": None}, "SystemModstamp"),
    ],
)
def test_a_read_only_field_is_refused_where_it_can_not_be_written(record, refused):
    refusal = planner().plan(record).refusal
    if refused is None:
        assert refusal is None
    else:
        assert (refusal.code, refusal.fields) == ("INVALID_FIELD_FOR_INSERT_UPDATE", (refused,))


def test_a_delete_needs_an_id_and_nothing_else():
    deleted = {"_sdc_deleted_at": "2026-01-01T00:00:00Z", "Foo": 1, "SystemModstamp": "x"}
    assert planner().plan({"Id": ID, **deleted}).refusal is None
    refusal = planner().plan({EXTERNAL: "pc_1", **deleted}).refusal
    assert (refusal.code, refusal.fields) == ("MISSING_ARGUMENT", ("Id",))


@pytest.mark.parametrize(
    ("action", "record", "operation", "code"),
    [
        ("insert", {"LastName": "Day"}, Operation.CREATE, None),
        ("insert", {EXTERNAL: "pc_1", "LastName": "Day"}, Operation.CREATE, None),
        ("insert", {"Id": ID}, Operation.CREATE, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ("update", {"Id": ID, "LastName": "Day"}, Operation.UPDATE, None),
        ("update", {EXTERNAL: "pc_1"}, Operation.UPDATE, "MISSING_ARGUMENT"),
        ("upsert", {"Id": ID}, Operation.UPDATE, None),
        ("upsert", {EXTERNAL: "pc_1"}, Operation.UPSERT, None),
        ("upsert", {"LastName": "Day"}, Operation.CREATE, None),
        ("delete", {"Id": ID}, Operation.DELETE, None),
        ("delete", {"LastName": "Day"}, Operation.DELETE, "MISSING_ARGUMENT"),
        ("update", {"Id": ID, "_sdc_deleted_at": "2026-01-01"}, Operation.DELETE, None),
    ],
)
def test_action_allows_one_kind_of_write(action, record, operation, code):
    write = planner(action=action).plan(record)
    assert write.operation is operation
    assert (write.refusal and write.refusal.code) == code


def write(number, *, id=None, external_id=None):  # noqa: A002
    operation = Operation.UPDATE if id else Operation.UPSERT if external_id else Operation.CREATE
    return Write(operation, id, external_id, {"LastName": str(number)}, {})


def names(result):
    return [[w.fields["LastName"] for w in part] for part in result]


def test_writes_for_different_records_go_out_together():
    batch = [write(0, id="A" * 18), write(1, id="B" * 18), write(2), write(3, external_id="x")]
    assert names(rounds(batch)) == [["0", "1", "2", "3"]]


def test_a_record_that_comes_twice_waits_for_the_next_round():
    batch = [write(0, id="A" * 18), write(1, id="B" * 18), write(2, id="A" * 18)]
    assert names(rounds(batch)) == [["0", "1"], ["2"]]


def test_an_id_of_15_characters_is_the_one_of_18():
    batch = [write(0, id="003000000000001"), write(1, id="003000000000001AAA")]
    assert names(rounds(batch)) == [["0"], ["1"]]


def test_external_ids_that_differ_in_case_keep_their_order():
    assert names(rounds([write(0, external_id="x"), write(1, external_id="X")])) == [["0"], ["1"]]


def test_a_record_known_by_both_keys_joins_them():
    batch = [
        write(0, external_id="x"),
        write(1, id="A" * 18, external_id="x"),
        write(2, id="A" * 18),
    ]
    assert names(rounds(batch)) == [["0"], ["1"], ["2"]]


@given(
    st.lists(
        st.tuples(st.sampled_from([None, *"ABC"]), st.sampled_from([None, *"xyz"])), max_size=30
    )
)
def test_rounds_lose_nothing_and_keep_the_order_of_every_key(keys):
    batch = [
        write(number, id=id and id * 18, external_id=external_id)
        for number, (id, external_id) in enumerate(keys)  # noqa: A001
    ]
    result = rounds(batch)
    place = {int(w.fields["LastName"]): number for number, part in enumerate(result) for w in part}
    assert sorted(place) == list(range(len(batch)))
    for key in {key for w in batch for key in w.keys}:
        numbers = [number for number, w in enumerate(batch) if key in w.keys]
        assert all(place[a] < place[b] for a, b in pairwise(numbers))
