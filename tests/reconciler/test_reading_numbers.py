"""What a text in a phone field is read as: its first number, and nothing that it does not say."""

# ruff: noqa: RUF001 - people type in other scripts, too

from __future__ import annotations

import phonenumbers
import pytest
from reconciler.fields.canonical import fold_name, text
from reconciler.fields.phones import (
    canonical_phone,
    format_phone,
    has_several_numbers,
    match_number,
)
from reconciler.model import INVALID

ADA = "+14155550132"


@pytest.mark.parametrize(
    "typed",
    [
        "415-555-XXXX", "415-555-01XX", "XXX-555-0132", "(415) 555-xxxx", "1-800-XXX-XXXX",
        "415-XXX-0132", "555 HOME", "call me at 5 pm please", "n/a", "ext 12",
        "030 9018**", "030 9018-__", "+1 415 555 XXXX",
    ],
)  # fmt: skip
def test_a_placeholder_is_no_number(typed):
    for region in ("US", "DE", "GB"):
        assert canonical_phone(typed, region) == INVALID + typed


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1-800-FLOWERS", "+18003569377"),
        ("1-800-GO-FEDEX", "+18004633339"),
        ("1 800 MY APPLE", "+18006927753"),
        ("1-800-flowers", "+18003569377"),
        ("1-800-FLOWERS ext 5", "+18003569377;ext=5"),
        ("1-800-FLOWERS (orders)", "+18003569377"),
    ],
)
def test_a_vanity_number(typed, number):
    assert canonical_phone(typed, "US") == number


@pytest.mark.parametrize("typed", ["030 Buchhaltung", "030 Anna Schmidt", "0172 Zentrale"])
def test_an_area_code_and_a_word_are_no_number(typed):
    assert canonical_phone(typed, "DE") == INVALID + typed


@pytest.mark.parametrize(
    "typed",
    [
        "415-555-0132 (home)", "415-555-0132 home", "+1 415 555 0132 - cell", "4155550132home",
        "home: 415-555-0132", "Tel. 415-555-0132", "(415) 555-0132 (after 5 pm)",
        "415 (office) 555 0132", "415-555-0132 [Ada]", "415-555-0132 m", "Room 5: 415-555-0132",
        "415-555-0132, Büro", "Büro 415-555-0132",
    ],
)  # fmt: skip
def test_a_comment_is_left_out(typed):
    assert canonical_phone(typed, "US") == ADA
    assert not has_several_numbers(typed, "US")


def test_a_comment_is_no_digits_of_a_number_of_any_length():
    assert canonical_phone("030 901820 (Anna)", "DE") == "+4930901820"
    assert canonical_phone("030 901820 Anna", "DE") == "+4930901820"


@pytest.mark.parametrize(
    "typed",
    [
        "415-555-0132 x12", "415-555-0132 ext 12", "415-555-0132 ext. 12", "415-555-0132 #12",
        "415-555-0132;ext=12", "415-555-0132,,12", "415-555-0132 (x12)", "415-555-0132 (ext. 12)",
        "415-555-0132 x12 (home)", "415-555-0132 x12 home", "tel:+1-415-555-0132;ext=12",
        "+1 415-555-0132 доб. 12",
    ],
)  # fmt: skip
def test_an_extension_is_no_comment(typed):
    assert canonical_phone(typed, "US") == f"{ADA};ext=12"
    assert not has_several_numbers(typed, "US")


@pytest.mark.parametrize(
    "separator",
    [" / ", "/", ", ", "; ", ";", " or ", " and ", "\n", "\r\n", " ", " | ", " & ", " (", "\u2028"],
)
def test_of_several_numbers_the_first_counts(separator):
    typed = f"415-555-0132{separator}415-555-0143"
    assert canonical_phone(typed, "US") == ADA
    assert has_several_numbers(typed, "US")


def test_the_end_of_another_number_is_another_number():
    assert canonical_phone("4155550132/0143", "US") == ADA
    assert has_several_numbers("4155550132/0143", "US")


@pytest.mark.parametrize(
    "typed",
    ["415-555-0132", "+14155550132", "(415) 555-0132 x12", "415-555-0132 / ", "call me", ""],
)
def test_one_number_or_none_is_not_several(typed):
    assert not has_several_numbers(typed, "US")


@pytest.mark.parametrize(
    "typed",
    [
        "+\u202a14155550132", "\u202a+14155550132\u202c", "415\ufe0d-555\u200c-0132",
        "\u2066415-555-0132\u2069", "415\u00ad555\u00ad0132", "\ufeff4155550132",
    ],
)  # fmt: skip
def test_characters_that_are_not_displayed_are_not_there(typed):
    assert canonical_phone(typed, "US") == ADA


def test_digits_of_other_scripts():
    assert canonical_phone("４１５－５５５－０１３２", "US") == ADA
    assert canonical_phone("+٤٤٢٠٧٩٤٦٠٠١٨", "US") == "+442079460018"


@pytest.mark.parametrize("blank", ["\u200b", "\u200b \u2060", "\u3164", "\ufe0f"])
def test_a_text_of_characters_that_are_not_displayed_is_blank(blank):
    assert text(blank) is None
    assert canonical_phone(blank, "US") is None
    assert fold_name(blank) == ""


def test_a_character_that_is_not_displayed_stays_in_a_text():
    assert text("می\u200cخواهم") == "می\u200cخواهم"
    assert fold_name("Ada\u200b") == fold_name("Ada")


@pytest.mark.parametrize("typed", ["415-555-0132", "1-800-FLOWERS", "415-555-0132 (home)"])
def test_without_a_region_only_an_international_number_is_valid(typed):
    assert canonical_phone(typed, None) == INVALID + typed
    assert canonical_phone("+1 415-555-0132 (home)", None) == ADA


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("+52 1 55 1234 5678", "+52 55 1234 5678"),
        ("+5215512345678", "+525512345678"),
        ("+54 9 11 2345 6789", "+54 11 2345 6789"),
        ("+5491123456789 x12", "+541123456789 x12"),
    ],
)
def test_mexico_and_argentina_with_and_without_the_digit_of_mobile_phones(one, two):
    assert match_number(canonical_phone(one, "US")) == match_number(canonical_phone(two, "US"))


@pytest.mark.parametrize("style", ["e164", "international", "national"])
@pytest.mark.parametrize("reader", ["its own", "US", "DE", "AR", None])
def test_every_number_is_read_back_as_itself_in_whatever_country(style, reader):
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in phonenumbers.PhoneNumberType.values():
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None or not phonenumbers.is_valid_number(number):
                continue
            canonical = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            read_in = region if reader == "its own" else reader
            for one in (canonical, f"{canonical};ext=12"):
                assert canonical_phone(format_phone(one, style, read_in), read_in) == one


@pytest.mark.parametrize("text", ["8 (912) 345-63-25", "99 415-555-0132"])
def test_a_part_of_an_invalid_number_is_no_number(text):
    assert canonical_phone(text, "US") == INVALID + text


def test_a_number_behind_words_with_a_digit():
    assert canonical_phone("2nd phone: 415-555-0132", "US") == "+14155550132"
