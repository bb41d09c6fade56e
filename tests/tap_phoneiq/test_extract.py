"""What the tap brings, and how it goes on from where it stopped."""

from __future__ import annotations

import json

import pytest
from phoneiq_client import PhoneIQ
from singer_sdk.exceptions import InvalidStreamSortException
from tap_phoneiq.tap import TapPhoneIQ


def ids(records):
    return [record["id"] for record in records]


def test_a_contact_comes_with_its_custom_fields_flattened(box, tap):
    made = box.admin.phoneiq.create(
        first_name="Zoë", tags=["a", "b"], custom_fields={"vip": True, "score": 2.5}
    )
    extract = tap()
    assert extract.code == 0, extract.log
    (record,) = extract.records()
    assert record.pop("custom_vip") is True
    assert record.pop("custom_score") == 2.5
    assert record.pop("custom_customer_number") is None
    assert record == {key: made[key] for key in made if key != "custom_fields"}


def test_a_deleted_contact_comes_as_a_tombstone(box, tap):
    made = box.admin.phoneiq.create(first_name="Ada")
    box.admin.phoneiq.delete(made["id"])
    (record,) = tap().records()
    assert record["id"] == made["id"]
    assert record["deleted_at"] is not None
    assert record["updated_at"] > made["updated_at"]


def test_the_schema_says_what_the_account_says(box, tap):
    schema = tap().schema
    assert schema["key_properties"] == ["id"]
    assert schema["bookmark_properties"] == ["updated_at"]
    properties = schema["schema"]["properties"]
    assert properties["first_name"]["type"] == ["string", "null"]
    assert properties["first_name"]["maxLength"] == 100
    assert properties["id"]["type"] == ["string"]
    assert properties["updated_at"]["format"] == "date-time"
    assert properties["tags"]["items"] == {"type": "string"}
    assert properties["custom_customer_number"]["maxLength"] == 40
    assert properties["custom_vip"]["type"] == ["boolean", "null"]
    assert properties["custom_score"]["type"] == ["number", "null"]
    assert "custom_fields" not in properties


def test_discovery_lists_both_streams_with_the_custom_fields(tap):
    discovered = tap("--discover")
    assert discovered.code == 0
    streams = {
        stream["stream"]: stream
        for stream in json.loads(discovered.log[discovered.log.index("{\n") :])["streams"]
    }
    assert streams.keys() == {"contacts", "contact_fields"}
    assert streams["contacts"]["replication_method"] == "INCREMENTAL"
    assert streams["contacts"]["replication_key"] == "updated_at"
    assert "custom_customer_number" in streams["contacts"]["schema"]["properties"]


def test_contact_fields_say_what_may_be_written(tap):
    fields = {record["key"]: record for record in tap().records("contact_fields")}
    assert fields["first_name"]["writable"] is True
    assert fields["version"]["writable"] is False
    assert fields["customer_number"] == {
        "key": "customer_number",
        "type": "string",
        "label": fields["customer_number"]["label"],
        "max_length": 40,
        "writable": True,
        "custom": True,
    }


def test_the_last_message_says_that_the_extract_is_complete(box, tap):
    made = box.admin.phoneiq.create(first_name="Ada")
    extract = tap()
    last = extract.messages[-1]
    assert last["type"] == "STATE"
    assert last["value"]["complete"] is True
    assert last["value"]["bookmarks"]["contacts"]["replication_key_value"] == made["updated_at"]
    assert all("complete" not in state for state in extract.states[:-1])


def test_an_extract_without_records_is_complete_too(box, tap):
    extract = tap()
    assert extract.records() == []
    assert extract.messages[-1]["value"]["complete"] is True


def test_the_given_state_leads_and_what_others_keep_in_it_stays(box, tap):
    box.admin.phoneiq.create(first_name="Ada")
    given = tap().states[-1]
    given["bookmarks"]["contact_sync"] = {"ledger_id": "l1", "run": 7}
    later = box.admin.phoneiq.create(first_name="Bea")

    extract = tap(state=given)
    del given["bookmarks"]["contact_fields"]  # empty, nothing is kept in it
    assert extract.messages[0] == {"type": "STATE", "value": {"bookmarks": given["bookmarks"]}}
    assert all(
        s["bookmarks"]["contact_sync"] == {"ledger_id": "l1", "run": 7} for s in extract.states
    )
    bookmark = extract.states[-1]["bookmarks"]["contacts"]["replication_key_value"]
    assert bookmark == later["updated_at"]


def test_the_bookmark_is_inclusive(box, tap):
    first = box.admin.phoneiq.create(first_name="Ada")
    second = box.admin.phoneiq.create(first_name="Bea")
    state = tap().states[-1]
    assert ids(tap(state=state).records()) == [second["id"]]
    box.admin.phoneiq.edit(first["id"], first_name="Adah")
    assert ids(tap(state=state).records()) == [second["id"], first["id"]]


def test_a_crash_in_the_middle_loses_nothing(box, tap, errors):
    box.admin.reset(contacts=1500)
    everyone = [each["id"] for each in box.admin.phoneiq.list(include_deleted=True)]
    box.admin.fault(side="phoneiq", kind="status", status=403, path="/contacts$", after=12)
    broken = tap(page_size=100)
    assert broken.code == 1
    (line,) = errors(broken.log)
    assert "403 forbidden" in line
    assert ids(broken.records()) == everyone[:1200]
    assert all("complete" not in state for state in broken.states)
    bookmark = broken.states[-1]["bookmarks"]["contacts"]["replication_key_value"]
    assert bookmark == broken.records()[999]["updated_at"]

    box.admin.clear_faults()
    rest = tap(page_size=100, state=broken.states[-1])
    assert rest.code == 0
    assert ids(rest.records()) == everyone[999:]
    assert rest.states[-1]["complete"] is True


def test_an_answer_that_breaks_off_is_asked_for_again(box, tap):
    made = box.admin.phoneiq.create(first_name="Ada")
    box.admin.fault(side="phoneiq", kind="disconnect", path="/contacts$", times=2)
    extract = tap()
    assert extract.code == 0
    assert ids(extract.records()) == [made["id"]]


def test_a_start_date_leaves_out_what_changed_before(box, tap):
    old = box.admin.phoneiq.create(first_name="Ada")
    new = box.admin.phoneiq.create(first_name="Bea")
    assert ids(tap(start_date=new["updated_at"]).records()) == [new["id"]]
    assert ids(tap(start_date=old["updated_at"]).records()) == [old["id"], new["id"]]


def test_the_page_size_is_asked_for(box, tap):
    for n in range(5):
        box.admin.phoneiq.create(first_name=str(n))
    box.admin.clear_requests()
    assert len(tap(page_size=2).records()) == 5
    lists = [r["query"] for r in box.admin.requests(side="phoneiq") if r["path"] == "/v1/contacts"]
    assert len(lists) == 3
    assert all("limit=2" in query for query in lists)
    assert all("include_deleted=true" in query for query in lists)


@pytest.fixture
def catalog(tap, tmp_path):
    """Returns the path of the account's catalog, with what is named deselected."""

    def of(*deselected):
        discovered = tap("--discover").log
        catalog = json.loads(discovered[discovered.index("{\n") :])
        for stream in catalog["streams"]:
            for entry in stream["metadata"]:
                if [stream["stream"], *entry["breadcrumb"][1:]] in map(list, deselected):
                    entry["metadata"]["selected"] = False
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps(catalog))
        return str(path)

    return of


def test_deselected_streams_are_left_out(box, tap, catalog):
    box.admin.phoneiq.create(first_name="Ada")
    output = tap("--catalog", catalog(["contact_fields"])).log
    assert '"type":"RECORD","stream":"contacts"' in output
    assert '"stream":"contact_fields"' not in output


def test_deselected_fields_are_left_out(box, tap, catalog):
    box.admin.phoneiq.create(first_name="Ada", last_name="L.", custom_fields={"vip": True})
    deselected = catalog(["contacts", "last_name"], ["contacts", "custom_vip"])
    output = tap("--catalog", deselected).log.splitlines()
    (line,) = (line for line in output if '"type":"RECORD","stream":"contacts"' in line)
    record = json.loads(line)["record"]
    assert record["first_name"] == "Ada"
    assert "custom_score" in record
    assert not {"last_name", "custom_vip"} & record.keys()


def test_a_stream_map_is_applied(box, tap):
    box.admin.phoneiq.create(first_name="Ada")
    box.admin.phoneiq.create(first_name="Bea")
    extract = tap(stream_maps={"contacts": {"first_name": "first_name.upper()"}})
    assert [record["first_name"] for record in extract.records()] == ["ADA", "BEA"]
    assert extract.messages[-1]["value"]["complete"] is True


def test_a_list_that_is_out_of_order_ends_the_extract(box, settings, monkeypatch):
    for name in ("Ada", "Bea"):
        box.admin.phoneiq.create(first_name=name)
    pages = PhoneIQ.contact_pages
    monkeypatch.setattr(
        PhoneIQ, "contact_pages", lambda *args, **kwargs: (p[::-1] for p in pages(*args, **kwargs))
    )
    with pytest.raises(InvalidStreamSortException):
        TapPhoneIQ(config=settings).sync_all()
