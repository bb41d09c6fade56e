"""Record ids: the checksum, the two lengths, and what is no id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox.salesforce import ids

PUBLISHED = [
    "001D000000IqhSLIAZ",
    "001R00000064wdtIAA",
    "003D000000Q0bXrIAJ",
    "00QD000000FP14JMAT",
    "a02D0000006YLCyIAO",
    "0012800000DkHphAAF",
]


@pytest.mark.parametrize("published", PUBLISHED)
def test_checksum_of_published_ids(published):
    assert ids.checksum(published[:15]) == published[15:]
    assert ids.canonical(published[:15]) == published
    assert ids.canonical(published) == published


@pytest.mark.parametrize("published", PUBLISHED)
def test_the_checksum_repairs_an_id_that_lost_its_case(published):
    assert ids.canonical(published.lower()) == published
    assert ids.canonical(published.upper()) == published


@pytest.mark.parametrize(
    "text",
    [
        "",
        "001D000000IqhS",  # 14
        "001D000000IqhSLI",  # 16
        "001D000000Iqh-L",
        "001D000000IqhSLIA9",  # no checksum has a 9
        "001D000000IqhSL555",  # upper case where there are digits
        "001D000000IqhSé",
    ],
)
def test_what_is_no_id(text):
    assert ids.canonical(text) is None


@given(st.sampled_from(sorted(ids.PREFIXES)), st.integers(1, 62**9 - 1))
def test_an_id_names_its_record_in_either_length_and_any_case(name, number):
    made = ids.make(name, number)
    assert len(made) == 18
    assert ids.parse(name, made) == ids.parse(name, made[:15]) == number
    assert ids.parse(name, made.lower()) == number


def test_an_id_of_another_object_or_another_org():
    assert ids.parse("Lead", ids.make("Contact", 1)) is None
    assert ids.parse("Account", "001D000000IqhSLIAZ") == 0
