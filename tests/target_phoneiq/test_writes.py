"""What a record becomes in PhoneIQ."""

from __future__ import annotations

import stat

import pytest

SALESFORCE_ID = "003000000000001AAA"


@pytest.mark.parametrize("keys", [[], ["id"]])
def test_a_record_with_an_id_changes_only_the_fields_that_it_has(box, target, say, keys):
    made = box.admin.phoneiq.create(
        first_name="Ada", last_name="L.", custom_fields={"vip": True, "score": 2}
    )
    load = target(
        say.schema(keys=keys), say.record(id=made["id"], last_name=None, custom_vip=False)
    )
    assert load.code == 0, load.log
    now = box.admin.phoneiq.get(made["id"])
    assert now["first_name"] == "Ada"
    assert now["last_name"] is None
    assert now["custom_fields"] == {"vip": False, "score": 2}
    assert load.closing.startswith("1 contacts written (0 created, 1 updated, 0 deleted)")


def test_null_clears_a_custom_field(box, target, say):
    made = box.admin.phoneiq.create(custom_fields={"vip": True, "score": 2})
    target(say.schema(), say.record(id=made["id"], custom_score=None))
    assert box.admin.phoneiq.get(made["id"])["custom_fields"] == {"vip": True}


def test_a_record_with_a_salesforce_id_changes_its_contact(box, target, say):
    made = box.admin.phoneiq.create(first_name="Ada", salesforce_id=SALESFORCE_ID)
    load = target(say.schema(), say.record(salesforce_id=SALESFORCE_ID, last_name="L."))
    (now,) = box.admin.phoneiq.list()
    assert (now["id"], now["first_name"], now["last_name"]) == (made["id"], "Ada", "L.")
    assert "1 updated" in load.closing


def test_a_record_with_a_new_salesforce_id_creates_one_contact_however_often_it_comes(
    box, target, say
):
    messages = [say.schema(), say.record(salesforce_id=SALESFORCE_ID, first_name="Ada")]
    assert "1 created" in target(*messages).closing
    assert "1 updated" in target(*messages).closing
    assert len(box.admin.phoneiq.list()) == 1


@pytest.mark.parametrize("keys", [[], ["id"]])
def test_a_record_without_any_id_creates_a_contact(box, target, say, keys):
    load = target(
        say.schema(keys=keys), say.record(first_name="Ada"), say.record(id=None, first_name="Bea")
    )
    assert [each["first_name"] for each in box.admin.phoneiq.list()] == ["Ada", "Bea"]
    assert "2 created" in load.closing


def test_a_record_with_a_deletion_time_deletes(box, target, say):
    made = box.admin.phoneiq.create(first_name="Ada")
    kept = box.admin.phoneiq.create(first_name="Bea")
    load = target(
        say.schema(),
        say.record(id=made["id"], _sdc_deleted_at="2026-01-01T00:00:00Z"),
        say.record(id=kept["id"], _sdc_deleted_at=None, first_name="Bee"),
    )
    assert [each["first_name"] for each in box.admin.phoneiq.list()] == ["Bee"]
    assert load.closing.startswith("2 contacts written (0 created, 1 updated, 1 deleted)")


def test_a_deletion_that_was_done_before_is_no_reject(box, target, say):
    made = box.admin.phoneiq.create(first_name="Ada")
    box.admin.phoneiq.delete(made["id"])
    load = target(say.schema(), say.record(id=made["id"], _sdc_deleted_at="2026-01-01T00:00:00Z"))
    assert load.code == 0
    assert load.rejects == []
    assert "1 to delete were gone already" in load.closing


def test_records_of_different_shapes_mix(box, target, say):
    made = box.admin.phoneiq.create(first_name="Ada")
    load = target(
        say.schema(),
        say.record(id=made["id"], email="ada@example.com"),
        say.record(salesforce_id=SALESFORCE_ID, salesforce_object="Contact", tags=["x"]),
        say.record(first_name="Cleo", custom_customer_number="C-1", notes="two\nlines"),
        say.record(id=made["id"], city="Zürich"),
    )
    assert load.code == 0
    by_name = {each["first_name"]: each for each in box.admin.phoneiq.list()}
    assert (by_name["Ada"]["email"], by_name["Ada"]["city"]) == ("ada@example.com", "Zürich")
    assert by_name[None]["tags"] == ["x"]
    assert by_name["Cleo"]["custom_fields"] == {"customer_number": "C-1"}
    assert by_name["Cleo"]["notes"] == "two\nlines"


def test_records_travel_in_batches(box, target, say):
    records = [say.record(first_name=str(n)) for n in range(25)]
    box.admin.clear_requests()
    load = target(say.schema(), *records, batch_size=10)
    assert "25 created" in load.closing
    paths = [request["path"] for request in box.admin.requests(side="phoneiq")]
    assert paths == ["/v1/contacts/batch"] * 3


def test_no_record_needs_no_request(box, target, say):
    box.admin.clear_requests()
    load = target(say.schema(), say.state(1))
    assert load.code == 0
    assert load.states == [{"at": 1}]
    assert box.admin.requests(side="phoneiq") == []


def test_a_refused_record_goes_to_the_reject_file_and_stops_nobody(box, target, say):
    made = box.admin.phoneiq.create(first_name="Ada", salesforce_id=SALESFORCE_ID)
    load = target(
        say.schema(),
        say.record(first_name="x" * 101, salesforce_id="003000000000002AAA"),
        say.record(id="pc_aaaaaaaaaaaa", first_name="Bea"),
        say.record(first_name="Cleo", salesforce_id=SALESFORCE_ID, shoe_size=40),
        say.record(first_name="Dora", email="not an e-mail"),
        say.record(first_name="Eve"),
        say.record(_sdc_deleted_at="2026-01-01T00:00:00Z", salesforce_id=SALESFORCE_ID),
        say.record(id=7, first_name="Fay"),
        say.record(first_name=["Gil"]),
        say.state(1),
    )
    assert load.code == 0, load.log
    assert load.states == [{"at": 1}]
    assert {each["first_name"] for each in box.admin.phoneiq.list()} == {"Ada", "Eve"}
    told = {
        (*(line[key] for key in ("action", "id", "external_id")), error["code"], *error["fields"])
        for line in load.rejects
        for error in [line["error"]]
    }
    assert told == {
        ("upsert", None, "003000000000002AAA", "value_too_long", "first_name"),
        ("update", "pc_aaaaaaaaaaaa", None, "not_found"),
        ("upsert", None, SALESFORCE_ID, "unknown_field", "shoe_size"),
        ("create", None, None, "invalid_field", "email"),
        ("delete", None, SALESFORCE_ID, "invalid_operation", "id"),
        ("update", 7, None, "invalid_field", "id"),
        ("create", None, None, "invalid_field", "first_name"),
    }
    line = next(line for line in load.rejects if line["id"] == "pc_aaaaaaaaaaaa")
    assert line["record"] == {"id": "pc_aaaaaaaaaaaa", "first_name": "Bea"}
    assert line["target"] == "target-phoneiq"
    assert line["stream"] == "contacts"
    assert line["time"].endswith("Z")
    assert "1 contacts written" in load.closing
    assert "7 rejected (invalid_field 3, " in load.closing
    assert made["id"]


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"first_name": ["Gil"]}, "first_name", "Expected `str | null`, got `array`."),
        (
            {"postal_code": 8001, "custom_vip": True},
            "postal_code",
            "Expected `str | null`, got `int`.",
        ),
        ({"tags": ["a", 7]}, "tags", "Expected `str`, got `int`."),
    ],
)
def test_a_value_of_the_wrong_type_is_rejected_unasked(box, target, say, fields, field, message):
    box.admin.clear_requests()
    load = target(say.schema(), say.record(**fields))
    (line,) = load.rejects
    assert line["error"] == {"code": "invalid_field", "message": message, "fields": [field]}
    assert line["record"] == fields
    assert box.admin.requests(side="phoneiq") == []


def test_the_reject_file_is_appended_to_and_private(target, say, tmp_path):
    path = tmp_path / "rejects.jsonl"
    path.write_text('{"older": true}\n')
    path.chmod(0o644)
    load = target(say.schema(), say.record(first_name="x" * 101))
    assert [line.get("older") for line in load.rejects] == [True, None]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_without_a_reject_there_is_no_reject_file(target, say):
    load = target(say.schema(), say.record(first_name="Ada"))
    assert not load.rejects_path.exists()
    assert "0 rejected" in load.closing


@pytest.mark.parametrize(("most", "code"), [(0, 1), (1, 1), (2, 0)])
def test_more_rejects_than_allowed_fail_the_run_at_its_end(box, target, say, most, code):
    bad = [say.record(first_name="x" * 101)] * 2
    load = target(say.schema(), *bad, say.record(first_name="Ada"), say.state(1), max_rejects=most)
    assert load.code == code
    assert len(load.errors) == code
    assert all(f"2 records were rejected, max_rejects is {most}" in line for line in load.errors)
    assert load.states == [{"at": 1}]
    assert len(box.admin.phoneiq.list()) == 1


def test_records_of_another_stream_are_rejected(box, target, say):
    load = target(say.schema("leads"), say.record("leads", first_name="Ada"), say.state(1))
    assert load.code == 0
    (line,) = load.rejects
    assert (line["stream"], line["error"]["code"]) == ("leads", "unknown_stream")
    assert load.states == [{"at": 1}]
    assert box.admin.phoneiq.list() == []


def test_a_text_cut_in_an_emoji_is_rejected_alone(box, target, say):
    cut = '{"type":"RECORD","stream":"contacts","record":{"first_name":"half \\ud83d"}}'
    load = target(say.schema(), cut, say.record(first_name="Ada"))
    assert load.code == 0, load.log
    (line,) = load.rejects
    assert line["error"]["code"] == "invalid_field"
    assert line["record"] == {"first_name": "half \ud83d"}
    assert [each["first_name"] for each in box.admin.phoneiq.list()] == ["Ada"]


def test_a_batch_that_phoneiq_finds_too_large_goes_in_parts(box, target, say):
    box.admin.fault(side="phoneiq", kind="status", status=413, code="payload_too_large", times=3)
    records = [say.record(salesforce_id=SALESFORCE_ID, first_name=str(n)) for n in range(8)]
    load = target(say.schema(), *records)
    # 8, its first half and that one's first half are refused: 2, 2 and 4 go through, in order.
    assert load.rejects == []
    (now,) = box.admin.phoneiq.list()
    assert now["first_name"] == "7"


def test_one_record_that_phoneiq_finds_too_large_is_rejected(box, target, say):
    load = target(
        say.schema(),
        say.record(first_name="Ada"),
        say.record(first_name="Bea", notes="n" * 5_100_000),
        say.record(first_name="Cleo"),
    )
    assert load.code == 0, load.log
    (line,) = load.rejects
    assert line["error"]["code"] == "payload_too_large"
    assert {each["first_name"] for each in box.admin.phoneiq.list()} == {"Ada", "Cleo"}


def test_names_and_numbers_are_in_no_log_line(target, say):
    load = target(
        say.schema(), say.record(first_name="Adalheid" * 20), say.record(mobile_phone="555010203")
    )
    assert len(load.rejects) == 1
    assert "Adalheid" not in load.log
    assert "555010203" not in load.log


def test_a_stream_map_is_applied(box, target, say):
    load = target(
        say.schema("people"),
        say.record("people", first_name="Ada"),
        stream_maps={"people": {"__alias__": "contacts", "last_name": "first_name.upper()"}},
    )
    assert load.code == 0, load.log
    (now,) = box.admin.phoneiq.list()
    assert now["last_name"] == "ADA"
