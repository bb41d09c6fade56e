"""Records arrive in Salesforce: by both ways, field by field, in order."""

from __future__ import annotations

import pytest

EXTERNAL = "PhoneIQ_Contact_ID__c"
DELETED = "2026-01-01T00:00:00Z"


def names(box, object="Contact"):  # noqa: A002
    return sorted(row["LastName"] for row in box.admin.salesforce.list(object))


def test_each_record_decides_what_happens(box, target, way, singer):
    old = box.admin.salesforce.create("Contact", LastName="Old", Phone="1", Email="a@example.com")
    known = box.admin.salesforce.create("Contact", LastName="Known", **{EXTERNAL: "pc_known"})
    gone = box.admin.salesforce.create("Contact", LastName="Gone")
    run = target(
        singer.schema(),
        singer.record(Id=old["Id"], Phone="2"),
        singer.record(LastName="Known Better", **{EXTERNAL: "pc_known"}),
        singer.record(LastName="New By Key", **{EXTERNAL: "pc_new"}),
        singer.record(LastName="New"),
        singer.record(Id=gone["Id"], _sdc_deleted_at=DELETED),
        singer.state({"bookmarks": 1}),
        **way,
    )
    assert (run.code, run.states, run.rejects) == (0, [{"bookmarks": 1}], [])
    assert run.summary == "written=5 created=2 updated=2 deleted=1 rejected=0"
    assert names(box) == ["Known Better", "New", "New By Key", "Old"]
    after = box.admin.salesforce.get("Contact", old["Id"])
    assert (after["Phone"], after["Email"]) == ("2", "a@example.com")
    assert box.admin.salesforce.get("Contact", known["Id"])["LastName"] == "Known Better"
    assert box.admin.salesforce.get("Contact", gone["Id"])["IsDeleted"] is True


def test_null_clears_and_what_a_record_lacks_stays(box, target, way, singer):
    ids = [
        box.admin.salesforce.create(
            "Contact", LastName="Day", Phone="1", Email="a@example.com", Title="Dr"
        )["Id"]
        for _ in range(3)
    ]
    run = target(
        singer.schema(),
        singer.record(Id=ids[0], Phone=None, Title=""),
        singer.record(Id=ids[1], Email=None),
        singer.record(Id=ids[2], Title="Prof", LastName="Night"),
        **way,
    )
    assert run.code == 0, run.log
    fields = ("LastName", "Phone", "Email", "Title")
    rows = [box.admin.salesforce.get("Contact", each) for each in ids]
    assert [tuple(row[field] for field in fields) for row in rows] == [
        ("Day", None, "a@example.com", None),
        ("Day", "1", None, "Dr"),
        ("Night", "1", "a@example.com", "Prof"),
    ]


@pytest.mark.parametrize("text", ["Läufer 文", 'a "b", c', "line\nbreak", "two\r\nlines"])
def test_text_arrives_as_it_was(box, target, way, singer, text):
    run = target(singer.schema(), singer.record(LastName="Day", Description=text), **way)
    assert run.code == 0, run.log
    (row,) = box.admin.salesforce.list("Contact")
    assert row["Description"] == text


def test_booleans_and_numbers_arrive_as_such(box, target, way, singer):
    run = target(
        singer.schema("Lead"),
        singer.record("Lead", LastName="Day", Company="Acme", DoNotCall=True, AnnualRevenue=1234.5),
        **way,
    )
    assert run.code == 0, run.log
    (row,) = box.admin.salesforce.list("Lead")
    assert (row["DoNotCall"], row["AnnualRevenue"]) == (True, 1234.5)


def test_a_stream_keyed_by_id_takes_records_that_have_none_yet(box, target, singer):
    run = target(singer.schema(keys=["Id"]), singer.record(LastName="New"))
    assert (run.code, names(box)) == (0, ["New"])


def test_every_stream_goes_to_its_object_accounts_before_contacts(box, target, writes, singer):
    run = target(
        singer.schema("Account"),
        singer.schema("public-Contact"),
        singer.record("public-Contact", LastName="Day"),
        singer.record("Account", Name="Acme"),
    )
    assert run.code == 0, run.log
    assert [row["Name"] for row in box.admin.salesforce.list("Account")] == ["Acme"]
    assert names(box) == ["Day"]
    sent = [entry["body"] for entry in box.admin.requests(side="salesforce", method="POST")]
    assert [("Acme" in body, "Day" in body) for body in sent if "records" in body] == [
        (True, False),
        (False, True),
    ]


def test_below_the_threshold_collections_are_used(box, target, writes, singer):
    messages = [singer.record(LastName=f"N{n}") for n in range(3)]
    run = target(singer.schema(), *messages, bulk_threshold=4)
    assert (run.code, len(names(box))) == (0, 3)
    assert writes() == [("POST", "composite/sobjects")]


def test_from_the_threshold_on_bulk_is_used(box, target, writes, singer):
    messages = [singer.record(LastName=f"N{n}") for n in range(4)]
    run = target(singer.schema(), *messages, bulk_threshold=4)
    assert (run.code, len(names(box))) == (0, 4)
    create, upload, close = writes()
    assert create == ("POST", "jobs/ingest")
    assert (upload[0], upload[1].rpartition("/")[2]) == ("PUT", "batches")
    assert close[0] == "PATCH"


def test_many_records_go_200_to_a_request(box, target, writes, singer):
    run = target(singer.schema(), *[singer.record(LastName=f"N{n:03}") for n in range(401)])
    assert run.code == 0, run.log
    assert writes() == [("POST", "composite/sobjects")] * 3
    assert len(names(box)) == 401


def test_contacts_of_one_account_go_in_one_request(box, target, singer):
    accounts = [box.admin.salesforce.create("Account", Name=f"A{n}")["Id"] for n in range(2)]
    box.admin.clear_requests()
    messages = [
        singer.record(LastName=f"N{number:03}", AccountId=accounts[number % 2])
        for number in range(400)
    ]
    assert target(singer.schema(), *messages).code == 0
    sent = [
        entry["body"]
        for entry in box.admin.requests(side="salesforce", method="POST")
        if entry["path"].endswith("/composite/sobjects")
    ]
    # Two requests that lock the same account can refuse each other.
    assert [[account in body for account in accounts] for body in sent] in (
        [[True, False], [False, True]],
        [[False, True], [True, False]],
    )


def test_records_with_different_fields_share_one_bulk_job(box, target, writes, singer):
    ids = [box.admin.salesforce.create("Contact", LastName=f"N{n}")["Id"] for n in range(3)]
    box.admin.clear_requests()
    run = target(
        singer.schema(),
        singer.record(Id=ids[0], Phone="1"),
        singer.record(Id=ids[1], Title="Dr"),
        singer.record(Id=ids[2], Email="a@example.com"),
        bulk_threshold=2,
    )
    assert run.code == 0, run.log
    assert [path for method, path in writes() if method == "POST"] == ["jobs/ingest"]
    rows = [box.admin.salesforce.get("Contact", each) for each in ids]
    assert [(row["Phone"], row["Title"], row["Email"]) for row in rows] == [
        ("1", None, None),
        (None, "Dr", None),
        (None, None, "a@example.com"),
    ]


def test_the_last_of_several_writes_for_a_record_stands(box, target, way, singer):
    known = box.admin.salesforce.create("Contact", LastName="Start")
    run = target(
        singer.schema(),
        singer.record(Id=known["Id"], LastName="One", Phone="1"),
        singer.record(LastName="First", Title="Dr", **{EXTERNAL: "pc_1"}),
        singer.record(Id=known["Id"], LastName="Two"),
        singer.record(LastName="Second", **{EXTERNAL: "pc_1"}),
        singer.record(Id=known["Id"], LastName="Three"),
        **way,
    )
    assert run.code == 0, run.log
    assert names(box) == ["Second", "Three"]
    assert box.admin.salesforce.get("Contact", known["Id"])["Phone"] == "1"
    assert run.summary == "written=5 created=1 updated=4 deleted=0 rejected=0"


def test_a_write_by_id_and_one_by_external_id_for_one_record_keep_their_order(
    box, target, way, singer
):
    known = box.admin.salesforce.create("Contact", LastName="Start", **{EXTERNAL: "pc_1"})
    by_id = singer.record(Id=known["Id"], LastName="By Id")
    by_key = singer.record(LastName="By Key", **{EXTERNAL: "pc_1"})
    assert target(singer.schema(), by_id, by_key, **way).code == 0
    assert names(box) == ["By Key"]
    assert target(singer.schema(), by_key, by_id, **way).code == 0
    assert names(box) == ["By Id"]


def test_a_record_deleted_by_id_and_then_upserted_is_there_again(box, target, way, singer):
    known = box.admin.salesforce.create("Contact", LastName="Start", **{EXTERNAL: "pc_1"})
    run = target(
        singer.schema(),
        singer.record(Id=known["Id"], _sdc_deleted_at=DELETED),
        singer.record(LastName="Again", **{EXTERNAL: "pc_1"}),
        **way,
    )
    assert run.code == 0, run.log
    assert names(box) == ["Again"]
    assert box.admin.salesforce.get("Contact", known["Id"])["IsDeleted"] is True


def test_a_changed_schema_in_the_middle_keeps_the_order(box, target, singer):
    known = box.admin.salesforce.create("Contact", LastName="Start")
    run = target(
        singer.schema(),
        singer.record(Id=known["Id"], LastName="Before"),
        singer.schema(fields=["Phone"]),
        singer.record(Id=known["Id"], LastName="After"),
        singer.record(LastName="Other"),
        batch_size_rows=2,
    )
    assert run.code == 0, run.log
    assert names(box) == ["After", "Other"]


def test_an_object_is_described_once(box, target, singer):
    target(
        singer.schema(),
        singer.record(LastName="One"),
        singer.schema(fields=["Phone"]),
        singer.record(LastName="Two"),
    )
    paths = [entry["path"] for entry in box.admin.requests(side="salesforce", method="GET")]
    assert len([path for path in paths if path.endswith("/describe")]) == 1


def test_what_is_deleted_already_counts_as_deleted(box, target, way, singer):
    gone = box.admin.salesforce.create("Contact", LastName="Gone")
    box.admin.salesforce.delete("Contact", gone["Id"])
    run = target(singer.schema(), singer.record(Id=gone["Id"], _sdc_deleted_at=DELETED), **way)
    assert (run.code, run.rejects) == (0, [])
    assert run.summary == "written=1 created=0 updated=0 deleted=1 rejected=0"


@pytest.mark.parametrize(
    ("action", "left"),
    [("update", ["Changed"]), ("insert", ["Changed", "Old"]), ("delete", [])],
)
def test_action_of_the_other_target_is_honoured(box, target, way, singer, action, left):
    old = box.admin.salesforce.create("Contact", LastName="Old")
    fields = {"LastName": "Changed"} if action == "insert" else {"Id": old["Id"]}
    run = target(
        singer.schema(),
        singer.record(**{"LastName": "Changed", **fields}),
        action=action,
        external_id_field=None,
        **way,
    )
    assert (run.code, run.rejects, names(box)) == (0, [], left)


def test_the_same_input_again_writes_no_record_twice(box, target, way, singer):
    messages = [
        singer.schema(),
        *[singer.record(LastName=f"N{n}", **{EXTERNAL: f"pc_{n}"}) for n in range(5)],
    ]
    first, second = target(*messages, **way), target(*messages, **way)
    assert first.summary == "written=5 created=5 updated=0 deleted=0 rejected=0"
    assert second.summary == "written=5 created=0 updated=5 deleted=0 rejected=0"
    assert names(box) == [f"N{n}" for n in range(5)]
