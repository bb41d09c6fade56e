"""The short way of a record through the target does what the long one does."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phoneiq_client import Upsert, standard_fields
from target_phoneiq.writes import PlainWrite, RecordWrite, Upserts, sorted_out

WORD = st.text('aé🙂"\\/\n ', max_size=4)
TEXT = st.none() | WORD
TEXTS = [field.key for field in standard_fields() if field.writable and field.type != "tags"]
CUSTOM = st.dictionaries(WORD, st.none() | st.booleans() | st.integers() | WORD)

records = st.fixed_dictionaries(
    {},
    optional={
        "id": TEXT,
        "_sdc_deleted_at": TEXT,
        "tags": st.none() | st.lists(WORD, max_size=2),
        "custom_fields": st.none() | CUSTOM,
        **dict.fromkeys(TEXTS, TEXT),
    },
)


def told(write):
    named = (write.id, write.external_id, write.action, write.keys, write.record)
    try:
        return named, msgspec.json.decode(msgspec.json.encode(write.operation()))
    except Exception as error:
        return named, str(error)


@given(record=records)
def test_both_ways_ask_phoneiq_for_the_same(record):
    plain = PlainWrite("contacts", msgspec.Raw(msgspec.json.encode(record)))
    assert told(plain) == told(RecordWrite("contacts", record))


@given(record=records)
def test_a_record_that_is_sent_as_it_is_asks_for_the_same(record):
    (found,) = sorted_out([msgspec.Raw(msgspec.json.encode(record))])
    as_it_is = "id" not in record and "_sdc_deleted_at" not in record
    assert isinstance(found, Upserts) == as_it_is
    if as_it_is:
        (line,), (key,) = found
        write = RecordWrite("contacts", record)
        assert [key] == (write.keys or [""])
        assert msgspec.json.decode(msgspec.json.encode(Upsert(line))) == told(write)[1]


@pytest.mark.parametrize(
    "record",
    [
        b'{"custom_vip": true}',
        b'{"_sdc_batched_at": "now"}',
        b'{"shoe_size": 40}',
        b'{"first_name": 7}',
        b'{"id": 7}',
        b'{"tags": "a"}',
        b'{"custom_fields": []}',
        b'{"first_name": "half \\ud83d"}',
        b'{"first_name": "\xff"}',
    ],
)
def test_what_needs_a_closer_look_takes_the_long_way(record):
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        PlainWrite("contacts", msgspec.Raw(record))
