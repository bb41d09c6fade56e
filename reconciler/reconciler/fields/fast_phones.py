"""Valid phone numbers in usual shapes, at a twentieth of what the library takes for them.

This knows no number plan: it asks the patterns of the library's own metadata, in the library's
order. What is not plainly a valid number is left to the library, which has the last word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import phonenumbers
from phonenumbers.phonemetadata import PhoneMetadata

_Matcher: TypeAlias = Callable[[str], "re.Match[str] | None"]

#: What stands between digits and means nothing.
_PUNCTUATION: Final = b" -.()/"
_WITH_EXTENSION: Final = re.compile(r"([-+0-9(). /]*[0-9)]) *(?:x|ext\.?) *([0-9]{1,7})")


class _Plan(NamedTuple):
    """How the numbers of a region are read.

    Attributes:
        code: Its country code.
        lengths: How many digits its numbers may have.
        is_number: Matches digits that may be one of its numbers.
        abroad: Matches what is dialled before a country code.
        prefix: Matches what is dialled before a national number; None where nothing is.
        rewrites: Whether that may stand for digits.
        odd: Matches what begins with any of those, or with the country code.
    """

    code: str
    lengths: frozenset[int]
    is_number: _Matcher
    abroad: _Matcher
    prefix: _Matcher | None
    rewrites: bool
    odd: _Matcher


class _Region(NamedTuple):
    """What makes a number one of a region.

    Attributes:
        leads: Matches the first digits of all its numbers; None where they say nothing.
        types: How many digits and which numbers each type of its numbers has.
    """

    leads: _Matcher | None
    types: list[tuple[frozenset[int], _Matcher]]


def plainly_valid(raw: str, region: str | None) -> str | None:
    """A valid number as E.164 with its extension, or None where the library has to say.

    Args:
        raw: What someone typed.
        region: Region code for numbers without a country code; None where only a number with one
            is valid.
    """
    if not raw.isascii():
        return None
    digits = _without_punctuation(raw)
    extension = ""
    if not digits.isdigit() and not digits[1:].isdigit():
        parts = _WITH_EXTENSION.fullmatch(raw)
        if parts is None:
            return None
        digits, extension = _without_punctuation(parts[1]), f";ext={parts[2]}"
    if not 4 < len(digits) < 20:
        return None
    if digits[0] == "+":
        number = _international(digits[1:])
    elif digits.isdigit() and region is not None:
        number = _national(digits, region)
    else:
        return None
    return number and number + extension


def _without_punctuation(text: str) -> str:
    # A third of what `str.translate` takes.
    return text.encode("ascii").translate(None, _PUNCTUATION).decode("ascii")


def _international(digits: str) -> str | None:
    for length in (1, 2, 3):
        plan = _main_plan(digits[:length])
        if plan is not None:
            number = _without_prefix(plan, digits[length:])
            return number and _valid(plan.code, number)
    return None


def _national(digits: str, region: str) -> str | None:
    plan = _plan(region)
    if plan is None:
        return None
    if not plan.odd(digits):
        return _valid(plan.code, digits)
    if plan.abroad(digits):
        return None
    if digits.startswith(plan.code) and not plan.is_number(digits):
        # It begins with its own country code, though nothing says so.
        number = _without_prefix(plan, digits[len(plan.code) :])
        plan = _main_plan(plan.code)
        if number is None or plan is None or not plan.is_number(number):
            return None
        digits = number
    number = _without_prefix(plan, digits)
    return number and _valid(plan.code, number)


def _valid(code: str, number: str) -> str | None:
    """The number in canonical form, if it is one of a region with the country code."""
    length = len(number)
    for leads, types in _regions(code):
        if leads is not None and not leads(number):
            continue
        for lengths, matches in types:
            if length in lengths and matches(number):
                return f"+{code}{number}"
        if leads is not None:
            break
    return None


def _without_prefix(plan: _Plan, digits: str) -> str | None:
    """What is left without the national prefix, or None where that is not plain."""
    found = plan.prefix(digits) if plan.prefix is not None else None
    if found is None:
        return digits
    if plan.rewrites and found[found.re.groups] is not None:
        return None
    number = digits[found.end() :]
    return number if len(number) in plan.lengths and plan.is_number(number) else None


@cache
def _plan(region: str) -> _Plan | None:
    known: Any = PhoneMetadata.metadata_for_region(region, None)
    return None if known is None else _plan_of(known)


@lru_cache(maxsize=2048)
def _main_plan(code: str) -> _Plan | None:
    """The plan that international numbers with a country code are read by."""
    if not code.isdigit() or code.startswith("0"):
        return None
    if int(code) not in phonenumbers.COUNTRY_CODE_TO_REGION_CODE:
        return None
    region = phonenumbers.region_code_for_country_code(int(code))
    known: Any = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    return _plan_of(known)


def _plan_of(known: Any) -> _Plan:
    code = str(known.country_code)
    abroad = known.international_prefix or r"(?!)"
    prefix = known.national_prefix_for_parsing
    return _Plan(
        code,
        frozenset(known.general_desc.possible_length),
        re.compile(known.general_desc.national_number_pattern).fullmatch,
        re.compile(abroad).match,
        re.compile(prefix).match if prefix else None,
        bool(known.national_prefix_transform_rule),
        re.compile("|".join(f"(?:{one})" for one in (code, abroad, prefix) if one)).match,
    )


@cache
def _regions(code: str) -> list[_Region]:
    """The regions that share a country code, in the library's order."""
    regions: list[_Region] = []
    for name in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)]:
        known: Any = PhoneMetadata.metadata_for_region_or_calling_code(int(code), name)
        # What is most common first; the library only adds which of them it is.
        types = (
            known.fixed_line, known.mobile, known.toll_free, known.premium_rate, known.shared_cost,
            known.voip, known.personal_number, known.pager, known.uan, known.voicemail,
        )  # fmt: skip
        lengths = frozenset(known.general_desc.possible_length)
        general = f"(?=(?:{known.general_desc.national_number_pattern})\\Z)"
        shapes = {
            # Without lengths of its own, a type has all of them.
            (
                lengths.intersection(one.possible_length or lengths),
                f"{general}(?:{one.national_number_pattern})",
            ): None
            for one in types
            if one is not None and one.national_number_pattern
        }
        regions.append(
            _Region(
                re.compile(known.leading_digits).match if known.leading_digits else None,
                [(digits, re.compile(pattern).fullmatch) for digits, pattern in shapes],
            )
        )
    return regions
