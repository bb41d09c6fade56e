"""What is plainly valid is what libphonenumber says, for every region and however it is typed."""

from __future__ import annotations

from random import Random

import phonenumbers
import pytest
from reconciler.fields.fast_phones import plainly_valid

FORMATS = (
    phonenumbers.PhoneNumberFormat.E164,
    phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    phonenumbers.PhoneNumberFormat.NATIONAL,
)
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
EXAMPLES = [
    (region, number)
    for region in REGIONS
    for kind in phonenumbers.PhoneNumberType.values()
    if (number := phonenumbers.example_number_for_type(region, kind)) is not None
] + [
    ("US", phonenumbers.example_number_for_non_geo_entity(code))
    for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)
]
ENDINGS = (
    " x12", " ext. 007", "x1234567", "ext5", " ext 99 ", " x 12", "/", "/x3", " #12", ", x9",
    " x12 x13", "ext", "X12", " EXT 4", " or 5", " x123456789", ";ext=8", "-",
)  # fmt: skip
BEGINNINGS = ("00", "+", "0", "1", "011", "(", " +", "++", "Tel. ", "\t")
TYPED = "0123456789" * 3 + " -.()/+x#*,;[]~\u00a0\uff11\u0664ext"


def by_library(typed: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(" ".join(typed.split()), region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    e164 = phonenumbers.format_number(number, FORMATS[0])
    return f"{e164};ext={number.extension}" if number.extension else e164


def mistyped(random: Random, text: str) -> str:
    """A number with up to three digits or signs wrong, missing or too many."""
    typed = list(text)
    for _ in range(random.choice((0, 0, 1, 1, 2, 3))):
        at = random.randrange(len(typed) + 1)
        what = random.random()
        if what < 0.45 and at < len(typed):
            typed[at] = random.choice("0123456789")
        elif what < 0.6:
            typed.insert(at, random.choice(TYPED))
        elif what < 0.75:
            del typed[at : at + 1]
        elif what < 0.85:
            typed[:0] = random.choice(BEGINNINGS)
        else:
            typed += random.choice(ENDINGS)
    return "".join(typed)


@pytest.mark.parametrize("seed", range(3))
def test_mistyped_numbers(seed):
    random = Random(seed)
    for _ in range(5_000):
        region, number = random.choice(EXAMPLES)
        if random.random() < 0.1:
            region = random.choice(REGIONS)
        typed = mistyped(random, phonenumbers.format_number(number, random.choice(FORMATS)))
        found = plainly_valid(typed, region)
        assert found in {None, by_library(typed, region)}, (typed, region)


def test_too_short_without_its_national_prefix():
    assert by_library("0800 775 567", "JE") is None
    assert plainly_valid("0800 775 567", "JE") is None


def test_any_digits_and_signs():
    random = Random(5)
    for _ in range(5_000):
        region = random.choice(("US", "CA", "GB", "DE", "IT", "AU", "MX", "BR", "AR", "AG", "ZZ"))
        typed = "".join(random.choices("0123456789" * 4 + "+ -()./", k=random.randrange(1, 22)))
        found = plainly_valid(typed, region)
        assert found in {None, by_library(typed, region)}, (typed, region)


def test_every_exchange_of_the_north_american_plan():
    for prefix in range(100_000, 1_000_000, 397):
        typed = f"{prefix}0123"
        assert plainly_valid(typed, "US") == by_library(typed, "US"), typed


def test_few_numbers_are_left_to_the_library():
    plain = 0
    typed = [(phonenumbers.format_number(n, style), r) for r, n in EXAMPLES for style in FORMATS]
    for text, region in typed:
        found = plainly_valid(text, region)
        plain += found is not None
        assert found in {None, by_library(text, region)}, (text, region)
    assert plain > 0.9 * len(typed)
    assert all(
        plainly_valid(text, "US")
        for text in ("(415) 555-0132", "415.555.0132", "1-415-555-0132", "+44 (0)20 7946 0123",
                     "415-555-0132 x12", "415-555-0132 ext. 12", "+1 415 555 0132")
    )  # fmt: skip
