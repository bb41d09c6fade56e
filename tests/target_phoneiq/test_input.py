"""How messages arrive: in pieces, without an end, broken in between; and records in a row."""

from __future__ import annotations

import io
import itertools
import json
import subprocess
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from target_phoneiq.target import MessageReader
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
    assert "a line of 20 bytes in the input is not a Singer message" in line
    assert "Adalheid" not in load.log
    # Two full batches had left; no STATE after the broken line passes.
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
