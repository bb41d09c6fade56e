"""What other programs send: one line names the message, what came before it is written."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXTERNAL = "PhoneIQ_Contact_ID__c"


def errors(run):
    assert "Traceback" not in run.log
    return [line for line in run.log.splitlines() if "ERROR" in line or "CRITICAL" in line]


def names(box):
    return sorted(row["LastName"] for row in box.admin.salesforce.list("Contact"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Adalheid says hello", "message 5 of the input: it is not JSON"),
        ('{"type": "RECORD", "stream": "Contact", "rec', "message 5 of the input: it is not JSON"),
        ('{"type": "RECORD", "stream": "Contact", "record": {"X": NaN}}', "it is not JSON"),
        (r'{"type": "RECORD", "stream": "Contact", "record": {"X": "\ud800"}}', "it is not JSON"),
        ('["Adalheid"]', "it is a list"),
        ('"Adalheid"', "it is a text"),
        ("7", "it is a number"),
        ('{"name": "Adalheid"}', "it has no type; allowed are SCHEMA, RECORD, STATE"),
        ('{"type": ["Adalheid"]}', "it has the type a list"),
        ('{"type": "GREETING"}', "it has the type 'GREETING'"),
        ('{"type": "RECORD", "record": {}}', "a RECORD: 'stream' is missing, allowed is a text"),
        ('{"type": "RECORD", "stream": 3, "record": {}}', "'stream' is a number"),
        (
            '{"type": "RECORD", "stream": "Contact"}',
            "a RECORD of the stream 'Contact': 'record' is",
        ),
        ('{"type": "RECORD", "stream": "Contact", "record": ["Adalheid"]}', "'record' is a list"),
        ('{"type": "RECORD", "stream": "Lead", "record": {"Name": "Adalheid"}}', "'Lead'"),
        ('{"type": "SCHEMA", "stream": "Lead"}', "'schema' is missing"),
        ('{"type": "SCHEMA", "stream": "Lead", "schema": []}', "'schema' is a list"),
        ('{"type": "SCHEMA", "stream": "Lead", "schema": {}}', "'properties' is missing"),
        (
            '{"type": "SCHEMA", "stream": "Lead", "schema": {"properties": {"a": 1}}}',
            "'a' is a number",
        ),
        (
            '{"type":"SCHEMA","stream":"Lead","schema":{"properties":{}},"key_properties":"Id"}',
            "key_properties must be a list of names",
        ),
        ('{"type": "STATE"}', "a STATE: 'value' is missing, allowed is an object"),
        ('{"type": "STATE", "value": ["Adalheid"]}', "'value' is a list"),
        (
            '{"type": "BATCH", "stream": "Contact", "encoding": {}, "manifest": ["Adalheid"]}',
            "a BATCH of the stream 'Contact': records in files are not supported",
        ),
    ],
)
def test_a_message_that_breaks_the_rules_ends_the_input(box, target, singer, line, said):
    before = [
        singer.schema(),
        singer.record(LastName="Before"),
        singer.state({"bookmark": 1}),
        singer.record(LastName="Covered by nothing"),
    ]
    after = [singer.record(LastName="After"), singer.state({"bookmark": 2})]
    lines = [*map(json.dumps, before), line, *map(json.dumps, after)]
    run = target.finish(target.start(), "".join(f"{each}\n" for each in lines))
    assert run.code == 1
    (error,) = errors(run)
    assert said in error
    assert "message 5 of the input" in error
    assert "Adalheid" not in run.log
    # Whatever was accepted is written, and its STATE is out.
    assert names(box) == ["Before", "Covered by nothing"]
    assert run.states == [{"bookmark": 1}]


def test_a_line_that_is_no_utf_8_ends_the_input(box, target, singer):
    lines = [singer.schema(), singer.record(LastName="Before"), singer.state({"bookmark": 1})]
    broken = b'{"type": "RECORD", "stream": "Contact", "record": {"LastName": "Adalhe\xffd"}}\n'
    path = target.folder / "input.jsonl"
    path.write_bytes("".join(json.dumps(each) + "\n" for each in lines).encode() + broken)
    run = target.finish(target.start("--input", str(path)))
    assert run.code == 1
    (error,) = errors(run)
    assert "message 4 of the input: it is not JSON in UTF-8" in error
    assert "Adalhe" not in run.log
    assert (names(box), run.states) == (["Before"], [{"bookmark": 1}])


def test_a_line_without_an_end_is_not_read_into_memory_for_ever(box, target, singer):
    line = json.dumps(singer.record(LastName="x" * (64 * 1024 * 1024)))
    run = target.finish(target.start(), json.dumps(singer.schema()) + "\n" + line + "\n")
    assert run.code == 1
    (error,) = errors(run)
    assert "message 2 of the input: it is longer than 67,108,864 bytes" in error


@pytest.mark.parametrize("mark", [False, True, 0, 1.5, "", [], {}])
def test_a_deletion_mark_of_an_odd_type_deletes_nobody(box, target, singer, mark):
    known = box.admin.salesforce.create("Contact", LastName="Known")
    run = target(
        singer.schema(),
        singer.record(Id=known["Id"], _sdc_deleted_at=mark),
        singer.state({"bookmark": 1}),
    )
    assert (run.code, run.states, names(box)) == (0, [{"bookmark": 1}], ["Known"])
    (reject,) = run.rejects
    assert reject["error"]["fields"] == ["_sdc_deleted_at"]
    assert "allowed is a time as text" in reject["error"]["message"]


@pytest.mark.parametrize("key", [7, ["003000000000001AAA"], {"id": "003000000000001AAA"}, True])
def test_an_id_of_a_wrong_type_is_rejected(box, target, singer, key):
    run = target(singer.schema(), singer.record(Id=key, LastName="New"))
    assert (run.code, names(box)) == (0, [])
    (reject,) = run.rejects
    assert (reject["error"]["code"], reject["error"]["fields"]) == ("MALFORMED_ID", ["Id"])


def test_a_table_version_of_an_unknown_stream_is_passed_over(box, target, singer):
    version = {"type": "ACTIVATE_VERSION", "stream": "Lead", "version": 3}
    run = target(version, singer.schema(), version, singer.record(LastName="New"))
    assert (run.code, names(box)) == (0, ["New"])


# Keys


@pytest.mark.parametrize("keys", [[], ["Id"], [EXTERNAL], ["Id", EXTERNAL]])
def test_keys_that_find_a_record_are_taken(box, target, singer, keys):
    schema = singer.schema(keys=keys, fields=[EXTERNAL])
    record = singer.record(**{EXTERNAL: "pc_1", "LastName": "Day", "Id": None})
    for _ in range(2):
        assert target(schema, record).code == 0
    assert names(box) == ["Day"]


@pytest.mark.parametrize("keys", [["Email"], ["Id", "Email"], ["FirstName", "LastName"]])
def test_a_key_that_finds_no_record_is_refused(box, target, singer, keys):
    run = target(
        singer.schema(keys=keys, fields=keys), singer.record(LastName="Day", Email="a@b.c")
    )
    assert (run.code, names(box)) == (1, [])
    (error,) = errors(run)
    assert f"the stream 'Contact' has key_properties {keys}" in error
    assert f"records are found by Id or {EXTERNAL}" in error


def test_a_key_without_external_id_field_names_the_setting(box, target, singer):
    run = target(singer.schema(keys=[EXTERNAL], fields=[EXTERNAL]), external_id_field=None)
    (error,) = errors(run)
    assert "records are found by Id, or the field that external_id_field names, once set" in error


def test_a_key_that_its_schema_does_not_have_is_refused(box, target, singer):
    run = target(singer.schema(keys=[EXTERNAL]), singer.record(LastName="Day"))
    assert (run.code, names(box)) == (1, [])
    (error,) = errors(run)
    assert f"its schema has no property '{EXTERNAL}'" in error


def test_where_every_record_is_inserted_any_key_will_do(box, target, singer):
    schema = singer.schema(keys=["LastName"])
    run = target(schema, singer.record(LastName="Day"), action="insert")
    assert (run.code, names(box)) == (0, ["Day"])


# Anything


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
fields = st.dictionaries(
    st.sampled_from(["Id", "LastName", "Phone", EXTERNAL, "_sdc_deleted_at", "Nothing"]),
    json_values,
    max_size=4,
)
odd_messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["SCHEMA", "RECORD", "STATE", "BATCH", "ACTIVATE_VERSION"])
        | json_values,
        "stream": st.sampled_from(["Contact", "Lead", "Nothing"]) | json_values,
        "record": fields | json_values,
        "schema": st.fixed_dictionaries({}, optional={"properties": fields}) | json_values,
        "key_properties": st.lists(st.sampled_from(["Id", EXTERNAL, "Email"])) | json_values,
        "value": json_values,
        "version": json_values,
    },
)
odd_lines = odd_messages.map(lambda message: json.dumps(message).encode()) | st.binary(
    max_size=30
).map(lambda line: line.replace(b"\n", b""))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(odd_lines, min_size=1, max_size=6))
def test_whatever_is_sent_there_is_one_line_and_no_traceback(box, target, singer, lines):
    """Exit code 0, or 1 with one line; what came before is written and has its STATE."""
    box.admin.reset(contacts=0)
    before = [singer.schema(), singer.record(LastName="Before"), singer.state({"bookmark": 1})]
    path = target.folder / "input.jsonl"
    path.write_bytes(b"\n".join([*(json.dumps(each).encode() for each in before), *lines]))
    run = target.finish(target.start("--input", str(path)))
    assert (run.code, len(errors(run))) in {(0, 0), (1, 1)}, run.log
    assert "Before" in names(box)
    assert run.states
    assert run.code == 0 or run.states[0] == {"bookmark": 1}


# The end


def test_what_the_tap_still_sends_is_read_after_an_error(target, singer, tmp_path):
    """More than a pipe holds: a target that closed its input would break the tap's pipe."""
    lines = [json.dumps(singer.schema("Nothing"))]
    lines += [json.dumps(singer.record("Nothing", LastName="x" * 1000))] * 2000
    process = target.start()
    for line in lines:
        process.stdin.write(line + "\n")
    run = target.finish(process)
    assert run.code == 1
    (error,) = errors(run)
    assert run.log.splitlines()[-1] == error
    assert "no object 'Nothing'" in error


def test_a_wrong_setting_does_not_break_the_taps_pipe(target, singer):
    process = target.start(bulk_threshold="many")
    for _ in range(2000):
        process.stdin.write(json.dumps(singer.record(LastName="x" * 1000)) + "\n")
    assert target.finish(process).code == 1
