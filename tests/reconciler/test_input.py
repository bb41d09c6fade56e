"""The mapper's input is another program's: whatever comes, it is read or named in one line."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE, Job

SECRET = "Lovelace"


def lines_of(messages):
    return [json.dumps(message).encode() for message in messages]


def joined(lines):
    return b"".join(line + b"\n" for line in lines)


def crowd(job):
    """A person on each side, so that a plan has something to write."""
    job.salesforce.create("Contact", FirstName="Ada", LastName=SECRET, MobilePhone="+14155550132")
    job.phoneiq.create(first_name="Bob", last_name=SECRET, mobile_phone="+14155550143")
    job.phoneiq.create(first_name="Eve", last_name=SECRET, mobile_phone="+14155550144")


def assert_one_line(passed, *parts):
    """The run failed, and one line says why, without a person's data."""
    assert passed.code == 1, passed.text
    assert passed.records == []
    for part in parts:
        assert part in passed.log[-1], passed.log[-1]
    assert len(passed.log[-1].splitlines()) == 1
    assert "Traceback" not in passed.text
    assert SECRET not in passed.text


# Half a character.


def test_half_an_emoji_is_read_as_a_replacement_character(job):
    record, contact = job.pair_up()
    job.salesforce.edit(record, Title="Cut\ud83d", LastName="Ha\ud83d\ude00 \\ud83d")
    job.settle()
    found = job.phoneiq.get(contact)
    assert found["job_title"] == "Cut\ufffd"
    assert found["last_name"] == "Ha\U0001f600 \\ud83d"


def test_half_an_emoji_in_phoneiq(job):
    record, contact = job.pair_up()
    job.phoneiq.edit(contact, job_title="\ude00Cut")
    job.settle()
    assert job.salesforce.get(record)["Title"] == "\ufffdCut"


# What stops a run, in one line.


def with_record(job, **values):
    """The extract of PhoneIQ, with values of its second record changed; None takes one away."""
    messages = job.extract(OBSERVE)
    record = [one for one in messages if one["type"] == "RECORD"][1]["record"]
    record |= values
    return messages


@pytest.mark.parametrize("value", [7, None, ["x"], {"x": 1}, True])
def test_an_id_that_is_no_text(job, value):
    crowd(job)
    passed = job.reconcile(OBSERVE, with_record(job, id=value))
    assert_one_line(passed, "record 2 of the input, of stream 'contacts', has no 'id'")


@pytest.mark.parametrize("field", ["salesforce_id", "created_at"])
@pytest.mark.parametrize("value", [7, ["x"], {"x": 1}, True, "a\0b"])
def test_a_reference_or_a_date_that_is_no_text(job, field, value):
    crowd(job)
    messages = with_record(job, **{field: value})
    passed = job.reconcile(OBSERVE, messages)
    assert_one_line(passed, f"record {job.phoneiq.live()[1]['id']}", f"field '{field}'")


@pytest.mark.parametrize("field", ["first_name", "country", "email", "mobile_phone", "job_title"])
def test_a_nested_value_where_a_text_is_expected(job, field):
    crowd(job)
    passed = job.reconcile(OBSERVE, with_record(job, **{field: {"value": SECRET}}))
    assert_one_line(passed, f"record {job.phoneiq.live()[1]['id']}", f"field '{field}'")


@pytest.mark.parametrize("field", ["first_name", "country", "email", "mobile_phone", "job_title"])
def test_an_array_where_a_text_is_expected(job, field):
    crowd(job)
    passed = job.reconcile(OBSERVE, with_record(job, **{field: [SECRET]}))
    assert_one_line(passed, f"record {job.phoneiq.live()[1]['id']}", f"field '{field}' is an array")


@pytest.mark.parametrize("field", ["AccountId", "MasterRecordId", "CreatedDate", "Id"])
def test_a_reference_of_salesforce_that_is_no_text(job, field):
    crowd(job)
    messages = job.extract(TO_PHONEIQ)
    next(one for one in messages if one["type"] == "RECORD")["record"][field] = 7
    assert_one_line(job.reconcile(TO_PHONEIQ, messages), "stream 'Contact'", field)


def test_a_record_that_is_not_in_utf_8(job):
    crowd(job)
    lines = joined(lines_of(job.extract(OBSERVE))).replace(b"Bob", b"B\xffb")
    passed = job.read(OBSERVE, lines)
    assert_one_line(passed, f"record {job.phoneiq.live()[0]['id']} of stream 'contacts'", "UTF-8")


def test_a_value_that_is_nested_too_deeply(job):
    crowd(job)
    deep = b"[" * 100_000 + b"]" * 100_000
    lines = joined(lines_of(job.extract(OBSERVE))).replace(b'"Bob"', deep)
    passed = job.read(OBSERVE, lines)
    assert_one_line(passed, "message 3 of the input", "nested too deeply")


@pytest.mark.parametrize(
    ("message", "part"),
    [
        ({"type": "BATCH", "stream": "contacts", "encoding": {}, "manifest": []}, "batch_config"),
        ({"type": "NOISE"}, "message 2 of the input is of unknown type 'NOISE'"),
        ({"type": f"{SECRET} {SECRET}"}, "message 2 of the input is of unknown type"),
        ({"type": 1}, "message 2 of the input is not a Singer message"),
        ({"stream": "contacts"}, "message 2 of the input is not a Singer message"),
        ({"type": "RECORD", "record": {"id": SECRET}}, "names no stream"),
        ({"type": "RECORD", "stream": "contacts"}, "record"),
        ({"type": "RECORD", "stream": "contacts", "record": [SECRET]}, "stream 'contacts'"),
        ({"type": "SCHEMA", "schema": {}}, "names no stream"),
        ({"type": "SCHEMA", "stream": "contacts"}, "SCHEMA of stream 'contacts'"),
        ({"type": "SCHEMA", "stream": "contacts", "schema": {"properties": [1]}}, "'properties'"),
        ({"type": "SCHEMA", "stream": "contacts", "schema": {"properties": {"id": 1}}}, "object"),
        ({"type": "STATE", "value": [SECRET]}, "STATE that cannot be read: its value is an array"),
        ({"type": "STATE"}, "STATE that cannot be read: its value is null"),
        ({"type": "STATE", "value": {"bookmarks": [1]}}, "its 'bookmarks' are an array"),
    ],
)
def test_a_message_that_no_tap_sends(job, message, part):
    crowd(job)
    (schema, *_) = [one for one in job.extract(OBSERVE) if one["type"] == "SCHEMA"]
    assert_one_line(job.reconcile(OBSERVE, [schema, message]), part)


def test_a_record_that_comes_before_its_schema(job):
    crowd(job)
    messages = [one for one in job.extract(OBSERVE) if one["type"] != "SCHEMA"]
    assert_one_line(job.reconcile(OBSERVE, messages), "before the SCHEMA of its stream")


def test_a_state_whose_bookmarks_are_null(job):
    passed = job.reconcile(
        OBSERVE,
        [
            *[one for one in job.extract(OBSERVE) if one["type"] == "SCHEMA"],
            {"type": "STATE", "value": {"bookmarks": None, "complete": True}},
        ],
    )
    assert passed.code == 0
    assert list(passed.states[-1]["bookmarks"]) == ["contact_sync"]


def test_a_message_without_an_end(job, monkeypatch):
    monkeypatch.setattr("reconciler.mapper._MAX_MESSAGE_BYTES", 2**20)
    passed = job.read(OBSERVE, b'{"type": "RECORD", "stream": "' + b"a" * 2**21)
    assert_one_line(passed, "message 1 of the input is longer than 1 MiB")


# The end of the input.


def test_an_extract_that_is_cut_in_the_middle_of_a_line(job):
    crowd(job)
    whole = joined(lines_of(job.extract(OBSERVE)))
    for end in range(1, len(whole), 37):
        if whole[end - 1 : end] != b"\n":
            assert_one_line(job.read(OBSERVE, whole[:end]), "the input ended before the tap said")


def test_a_line_that_is_cut_behind_the_closing_state(job):
    crowd(job)
    lines = joined(lines_of(job.extract(OBSERVE)))
    assert_one_line(job.read(OBSERVE, lines + b'{"type": "REC'), "the input ended before")
    assert job.pipe(OBSERVE).code == 0


def test_a_bad_line_in_the_middle_is_no_end_of_the_input(job):
    crowd(job)
    first, *others = lines_of(job.extract(OBSERVE))
    assert_one_line(job.read(OBSERVE, joined([first, first[:-5], *others])), "message 2 of the")


def test_what_came_before_a_cut_line_is_stored(job):
    crowd(job)
    lines = joined(lines_of(job.extract(OBSERVE)))
    assert job.read(OBSERVE, lines[: lines.rindex(b"RECORD") + 20]).summary["changed"] == 1


# Anything else.

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["\ud83d", "\0", "2024-01-01T00:00:00Z", "+14155550132", 2**70, [], {}]),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)


@st.composite
def mutated(draw, messages):
    """Messages, with a few parts changed, taken away or doubled."""
    changed = json.loads(json.dumps(messages))
    for _ in range(draw(st.integers(1, 3))):
        node, position = changed, draw(st.integers(0, len(changed) - 1))
        while isinstance(node[position], dict | list) and node[position] and draw(st.booleans()):
            node = node[position]
            keys = sorted(node) if isinstance(node, dict) else range(len(node))
            position = draw(st.sampled_from(list(keys)))
        if draw(st.integers(0, 4)):
            node[position] = draw(_VALUES)
        elif len(changed) > 1 or node is not changed:
            del node[position]
    lines = lines_of(changed)
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(lines) - 1))
        cut = draw(st.integers(0, len(lines[at])))
        lines[at] = lines[at][:cut] + draw(st.binary(max_size=3)) + lines[at][cut:]
    return joined(lines)


_empty = Job(Path(tempfile.gettempdir()))
crowd(_empty)
EXTRACTS = {pipe: _empty.extract(pipe) for pipe in (OBSERVE, TO_PHONEIQ)}


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.sampled_from(sorted(EXTRACTS)).flatmap(
        lambda pipe: st.tuples(st.just(pipe), mutated(EXTRACTS[pipe]))
    )
)
def test_any_input_is_taken_or_refused_in_one_line(case):
    pipe, lines = case
    with tempfile.TemporaryDirectory() as folder:
        job = Job(Path(folder))
        crowd(job)
        other = TO_PHONEIQ if pipe == OBSERVE else OBSERVE
        assert job.pipe(other, target=lambda _: []).code == 0
        passed = job.read(pipe, lines)
        assert passed.code in {0, 1}
        if passed.code:
            assert_one_line_of_any(passed)
        # What was stored can be planned with.
        again = job.reconcile(TO_SALESFORCE, job.extract(TO_SALESFORCE))
        assert again.code in {0, 1}


def assert_one_line_of_any(passed):
    assert len(passed.log[-1].splitlines()) == 1
    assert "Traceback" not in passed.text
