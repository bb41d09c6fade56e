"""How messages arrive: in pieces, without an end, broken in between; and records in a row."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
from collections import Counter

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from target_phoneiq.messages import MessageReader
from target_phoneiq.writes import PlainWrite, Upserts, sorted_out


class Pieces(io.RawIOBase):
    """A stream that arrives in pieces."""

    def __init__(self, pieces):
        self.pieces = list(pieces)

    def readable(self):
        return True

    def readinto(self, buffer):
        piece = self.pieces.pop(0) if self.pieces else b""
        buffer[: len(piece)] = piece
        return len(piece)


def read(pieces):
    """The messages that a reader hands over, records one by one, and how many it counts."""
    handed = []

    def take(message):
        message = dict(message)
        for each in message.pop("records", [None]):
            record = msgspec.json.decode(each) if isinstance(each, msgspec.Raw) else each
            handed.append((message["type"], message.get("stream"), record or message.get("value")))

    callbacks = dict.fromkeys(("RECORD", "SCHEMA", "STATE"), take)
    counted = MessageReader().process_lines(io.BufferedReader(Pieces(pieces)), callbacks)
    return handed, counted


messages = st.lists(
    st.one_of(
        st.builds(
            lambda stream, text: {"type": "RECORD", "stream": stream, "record": {"notes": text}},
            st.sampled_from(["contacts", "leads"]),
            st.text('aé🙂"\\\n', max_size=5),
        ),
        st.builds(lambda at: {"type": "STATE", "value": {"at": at}}, st.integers(0, 9)),
    ),
    max_size=6,
)


@given(messages=messages, cuts=st.lists(st.integers(0, 400), max_size=6), ended=st.booleans())
def test_lines_that_arrive_in_pieces_are_whole_and_in_order(messages, cuts, ended):
    text = b"\n".join(json.dumps(each, ensure_ascii=False).encode() for each in messages)
    text += b"\n" if ended and messages else b""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    handed, counted = read(pieces)
    assert handed == [
        (each["type"], each.get("stream"), each.get("record") or each["value"]) for each in messages
    ]
    assert counted == Counter(each["type"] for each in messages)


def test_a_last_line_needs_no_end(box, command, say):
    lines = [say.schema(), say.record(first_name="Ada"), say.record(first_name="Bea")]
    text = "\n".join(map(json.dumps, lines))
    subprocess.run(command(), input=text, text=True, check=True, capture_output=True)
    assert {each["first_name"] for each in box.admin.phoneiq.list()} == {"Ada", "Bea"}


def test_a_state_waits_for_no_more_input(box, command, say):
    with subprocess.Popen(command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        text = b"".join(json.dumps(each).encode() + b"\n" for each in (say.schema(), say.state(1)))
        process.stdin.write(text + b'{"type": "RECORD", "stream": "con')
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"at": 1}
        process.stdin.write(b'tacts", "record": {"first_name": "Ada"}}\n')
        process.stdin.close()
    assert [each["first_name"] for each in box.admin.phoneiq.list()] == ["Ada"]


def test_what_came_before_a_broken_line_is_written(box, target, say):
    before = [say.record(first_name=str(n)) for n in range(4)]
    load = target(
        say.schema(),
        say.state("start"),
        *before,
        say.state("covered"),
        "Adalheid says hello",
        say.record(first_name="after"),
        say.state("end"),
        batch_size=2,
    )
    assert load.code == 1
    (line,) = load.errors
    assert "message 8 of the input: it is not JSON in UTF-8" in line
    assert "Adalheid" not in load.log
    # No STATE after the broken line passes.
    assert load.states[-1] == {"at": "covered"}
    assert {each["first_name"] for each in box.admin.phoneiq.list()} == {"0", "1", "2", "3"}
    assert {"at": "end"} not in load.states


def test_records_of_every_kind_in_a_row_keep_their_order(box, target, say):
    made = box.admin.phoneiq.create(first_name="Ada", salesforce_id="003000000000001AAA")
    ids = {"salesforce_id": made["salesforce_id"]}
    load = target(
        say.schema(),
        say.record(**ids, first_name="1"),
        say.record(**ids, first_name="2"),
        say.record(id=made["id"], first_name="3"),
        say.record(**ids, custom_score=3),
        say.record(**ids, first_name=7),
        say.record(**ids, first_name="4"),
        say.record(**ids, first_name="x" * 101),
        say.record(**ids, first_name="5", id=None),
        say.record(id=made["id"], _sdc_deleted_at="2026-01-01T00:00:00Z"),
        say.record(**ids, first_name="6"),
        say.state(1),
    )
    assert load.code == 0, load.log
    assert load.states == [{"at": 1}]
    assert [line["record"].get("first_name") for line in load.rejects] == [7, "x" * 101]
    assert {line["external_id"] for line in load.rejects} == {made["salesforce_id"]}
    (now,) = box.admin.phoneiq.list()
    assert (now["first_name"], now["custom_fields"]) == ("6", {})
    sent = [
        operation.get("contact", {}).get("first_name")
        for request in box.admin.requests(side="phoneiq", method="POST")
        for operation in json.loads(request["body"]).get("operations", [])
    ]
    assert sent == ["1", "2", "3", None, "4", "x" * 101, "5", None, "6"]


def test_large_records_in_a_row_go_in_several_requests(box, target, say):
    box.admin.clear_requests()
    records = [say.record(first_name=str(n), notes="n" * 1_500_000) for n in range(4)]
    load = target(say.schema(), *records)
    assert len(load.rejects) == 4
    assert load.code == 0, load.log
    # PhoneIQ takes 5 MB: no request is too large and has to be cut in halves.
    sent = box.admin.requests(side="phoneiq", method="POST")
    assert [request["status"] for request in sent] == [200, 200]


def raw(*records):
    return [msgspec.Raw(json.dumps(record).encode()) for record in records]


def test_upserts_in_a_row_are_taken_together():
    lines = raw({"first_name": "Ada", "salesforce_id": "003000000000001AAA"}, {}, {"city": None})
    (found,) = sorted_out(lines)
    assert found == Upserts(lines, ["003000000000001", "", ""])


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ({"id": None}, PlainWrite),
        ({"id": "pc_aaaaaaaaaaaa"}, PlainWrite),
        ({"_sdc_deleted_at": None}, PlainWrite),
        ({"custom_vip": True}, msgspec.Raw),
        ({"first_name": 7}, msgspec.Raw),
        ([], msgspec.Raw),
    ],
)
def test_another_record_in_between_is_taken_alone(record, kind):
    first, between, last = raw({"first_name": "Ada"}, record, {"first_name": "Bea"})
    one, other, two = sorted_out([first, between, last])
    assert (one, two) == (Upserts([first], [""]), Upserts([last], [""]))
    assert isinstance(other, kind)


# What other programs send


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Adalheid says hello", "it is not JSON in UTF-8"),
        ('{"type": "RECORD", "stream": "contacts", "rec', "it is not JSON"),
        ('{"type": "RECORD", "stream": "contacts", "record": {"Adalheid": NaN}}', "is not JSON"),
        ('["Adalheid"]', "it is a list"),
        ("7", "it is a number"),
        ('{"name": "Adalheid"}', "it has no type; allowed are SCHEMA, RECORD, STATE"),
        ('{"type": ["Adalheid"]}', "it has the type a list"),
        ('{"type": "GREETING", "name": "Adalheid"}', "it has the type 'GREETING'"),
        ('{"type": "RECORD", "record": {}}', "a RECORD: 'stream' is missing, allowed is a text"),
        ('{"type": "RECORD", "stream": "contacts", "name": "Adalheid"}', "'record' is missing"),
        ('{"type": "RECORD", "stream": "contacts", "record": ["Adalheid"]}', "'record' is a list"),
        ('{"type": "RECORD", "stream": "contacts", "record": "Adalheid"}', "'record' is a text"),
        ('{"type": "RECORD", "stream": "people", "record": {"n": "Adalheid"}}', "'people'"),
        ('{"type": "SCHEMA", "stream": "contacts", "schema": {}}', "'properties' is missing"),
        ('{"type": "STATE", "value": ["Adalheid"]}', "'value' is a list"),
        (
            '{"type": "BATCH", "stream": "contacts", "encoding": {}, "manifest": ["Adalheid"]}',
            "a BATCH of the stream 'contacts': records in files are not supported",
        ),
        ("[" * 5000 + "]" * 5000, "it is not JSON"),
    ],
)
def test_a_message_that_breaks_the_rules_ends_the_input(box, target, say, line, said):
    load = target(
        say.schema(),
        say.record(first_name="Before"),
        say.state(1),
        say.record(first_name="Before, too"),
        line,
        say.record(first_name="After"),
        say.state(2),
    )
    assert load.code == 1
    (error,) = load.errors
    assert "message 5 of the input" in error
    assert said in error
    assert "Adalheid" not in load.log
    # Whatever was accepted is written, and its STATE is out.
    names = {each["first_name"] for each in box.admin.phoneiq.list()}
    assert names == {"Before", "Before, too"}
    assert load.states == [{"at": 1}]


def test_a_line_that_is_no_utf_8_ends_the_input(box, command, say, tmp_path):
    before = [say.schema(), say.record(first_name="Before"), say.state(1)]
    text = "".join(json.dumps(each) + "\n" for each in before).encode()
    text += b'{"type": "RECORD", "stream": "contacts", "record": {"first_name": "Adalhe\xffd"}}\n'
    done = subprocess.run(command(), input=text, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"message 4 of the input" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"Adalhe" not in done.stderr
    assert json.loads(done.stdout) == {"at": 1}
    assert [each["first_name"] for each in box.admin.phoneiq.list()] == ["Before"]


def test_a_line_without_an_end_is_not_read_into_memory_for_ever():
    class Endless(io.RawIOBase):
        size = 0

        def readable(self):
            return True

        def readinto(self, buffer):
            self.size += len(buffer)
            buffer[:] = b"x" * len(buffer)
            return len(buffer)

    endless = Endless()
    reader = MessageReader()
    reader.process_lines(io.BufferedReader(endless), {})
    assert "message 1 of the input: it is longer than 67,108,864 bytes" in str(reader.problem)
    assert endless.size < 70_000_000


@pytest.mark.parametrize("mark", [False, True, 0, 1.5, "", [], {}])
def test_a_deletion_mark_of_an_odd_type_deletes_nobody(box, target, say, mark):
    known = box.admin.phoneiq.create(first_name="Known")
    load = target(say.schema(), say.record(id=known["id"], _sdc_deleted_at=mark), say.state(1))
    assert (load.code, load.states) == (0, [{"at": 1}])
    assert [each["first_name"] for each in box.admin.phoneiq.list()] == ["Known"]
    (reject,) = load.rejects
    assert reject["error"]["fields"] == ["_sdc_deleted_at"]


def test_a_table_version_of_an_unknown_stream_is_passed_over(box, target, say):
    version = {"type": "ACTIVATE_VERSION", "stream": "people", "version": 3}
    load = target(version, say.schema(), version, say.record(first_name="Ada"))
    assert load.code == 0, load.log
    assert len(box.admin.phoneiq.list()) == 1


KEYS = {"properties": {"id": {}, "salesforce_id": {}, "email": {}}}


@pytest.mark.parametrize("keys", [[], ["id"], ["salesforce_id"]])
def test_keys_that_find_a_contact_are_taken(box, target, say, keys):
    record = say.record(salesforce_id="003000000000001AAA", first_name="Ada")
    for _ in range(2):
        assert target(say.schema(keys=keys) | {"schema": KEYS}, record).code == 0
    assert len(box.admin.phoneiq.list()) == 1


@pytest.mark.parametrize("keys", [["email"], ["id", "email"]])
def test_a_key_that_finds_no_contact_is_refused(box, target, say, keys):
    load = target(say.schema(keys=keys) | {"schema": KEYS}, say.record(email="ada@example.com"))
    assert load.code == 1
    (error,) = load.errors
    assert f"the stream 'contacts' has key_properties {keys}" in error
    assert "contacts are found by id or salesforce_id" in error
    assert box.admin.phoneiq.list() == []


def test_a_key_that_its_schema_does_not_have_is_refused(box, target, say):
    load = target(say.schema(keys=["salesforce_id"]), say.record(first_name="Ada"))
    assert load.code == 1
    assert "its schema has no property 'salesforce_id'" in load.errors[0]
    assert box.admin.phoneiq.list() == []


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
odd_fields = st.dictionaries(
    st.sampled_from(["id", "first_name", "salesforce_id", "_sdc_deleted_at", "custom_vip"]),
    json_values,
    max_size=4,
)
odd_messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["SCHEMA", "RECORD", "STATE", "BATCH", "ACTIVATE_VERSION"])
        | json_values,
        "stream": st.sampled_from(["contacts", "leads"]) | json_values,
        "record": odd_fields | json_values,
        "schema": st.fixed_dictionaries({}, optional={"properties": odd_fields}) | json_values,
        "key_properties": st.lists(st.sampled_from(["id", "email"])) | json_values,
        "value": json_values,
        "version": json_values,
    },
)
odd_lines = odd_messages.map(lambda message: json.dumps(message).encode()) | st.binary(
    max_size=30
).map(lambda line: line.replace(b"\n", b""))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(lines=st.lists(odd_lines, min_size=1, max_size=6))
def test_whatever_is_sent_there_is_one_line_and_no_traceback(box, command, say, lines):
    """Exit code 0, or 1 with one line; what came before is written and has its STATE."""
    box.admin.reset(contacts=0)
    before = [say.schema(), say.record(first_name="Before"), say.state(1)]
    text = b"\n".join([*(json.dumps(each).encode() for each in before), *lines])
    done = subprocess.run(command(), input=text, capture_output=True, check=False)
    log = done.stderr.decode()
    assert "Traceback" not in log
    errors = [line for line in log.splitlines() if "ERROR" in line]
    assert (done.returncode, len(errors)) in {(0, 0), (1, 1)}, log
    assert "Before" in {each["first_name"] for each in box.admin.phoneiq.list()}
    assert done.stdout


def test_what_the_tap_still_sends_is_read_after_an_error(command, say):
    """More than a pipe holds: a target that closed its input would break the tap's pipe."""
    with subprocess.Popen(
        command(api_url="http://127.0.0.1:9", batch_size="many"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for _ in range(2000):
            process.stdin.write(json.dumps(say.record(first_name="x" * 1000)) + "\n")
        _, log = process.communicate()
    assert process.returncode == 1
    assert "batch_size" in log.splitlines()[-1]


def test_a_reject_file_whose_last_line_was_cut_goes_on_with_a_fresh_line(target, say, tmp_path):
    path = tmp_path / "rejects.jsonl"
    path.write_text('{"time": "2026-01-01T00:00:00Z", "tar')
    load = target(say.schema(), say.record(first_name=7))
    assert load.code == 0
    first, second = path.read_text().split("\n")[:2]
    assert first.endswith('"tar')
    assert json.loads(second)["record"] == {"first_name": 7}
