"""Phone numbers in one form, so that two ways to write a number are one number.

A number is what libphonenumber reads in a text. Around it people write more than it reads: words
in brackets or behind the number are a comment, of several numbers the first counts, letters are
digits only in a vanity number, and characters that no one sees are not there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberMatcher, PhoneNumberType

from reconciler.fields.canonical import without_ignorables
from reconciler.fields.fast_phones import plainly_valid
from reconciler.model import INVALID

phonenumbers.enable_pattern_cache()

#: An extension at the end of a number, as libphonenumber knows them; its letters are no digits.
_EXTENSION: Final = re.compile(
    r"[;,\s]*(?:;\s*ext\s*=|e?xt(?:ensi(?:o|ó)n)?n?\.?|доб\.?|anexo|int\.?|x|#|~)\s*[:.=]?\s*"
    r"\d{1,9}\s*#?\s*$",
    re.IGNORECASE,
)
#: Words in brackets; "(415)" has none.
_BRACKETED: Final = re.compile(r"[(\[{<][^()\[\]{}<>]*[^\W\d_][^()\[\]{}<>]*[)\]}>]")
#: An extension in brackets is no comment.
_BRACKETED_EXTENSION: Final = re.compile(
    r"[(\[]\s*((?:x|ext(?:ension)?\.?)\s*\d{1,9})\s*[)\]]", re.IGNORECASE
)
#: A word for the last digits, behind three digits or more.
_VANITY: Final = re.compile(r"[\W]*(?:\d[\W]*){3}[\W\d]*[A-Za-z][A-Za-z\d\W]*[A-Za-z]\W*")
#: Stands for digits that someone left out.
_PLACEHOLDER: Final = re.compile(
    r"(?<![^\W\d_])x{2,}(?![^\W\d_])|(?<=[-\d./])[*_]{2,}", re.IGNORECASE
)
#: The end of another number, such as the one of "415-555-0132/0143".
_FURTHER_DIGITS: Final = re.compile(r"\d{4}")
_NORTH_AMERICA: Final = 1
#: Types of numbers that people have.
_LINES: Final = {
    PhoneNumberType.FIXED_LINE,
    PhoneNumberType.MOBILE,
    PhoneNumberType.FIXED_LINE_OR_MOBILE,
}
#: A number that these stand before is a part of a longer one, which is not valid.
_DIGIT_BEFORE: Final = re.compile(r"\d[^\w,;:/|]*$")
_LETTER: Final = re.compile(r"[^\W\d_]")

#: By country code, the digit that may stand before a mobile number, and how long the number is
#: with it: Mexico has dropped its 1 in 2019, Argentina's 9 is dialled from abroad only.
_MOBILE_PREFIXES: Final = {"+521": ("+52", 14), "+549": ("+54", 14)}


def canonical_phone(raw: str, region: str | None) -> str | None:
    """A number as E.164 with its extension (`+14155550100;ext=12`).

    Args:
        raw: What someone typed.
        region: Region code for numbers without a country code; None where only a number with one
            is valid.

    Returns:
        None where it is blank; `INVALID` and the trimmed text where it has no valid number.
    """
    return plainly_valid(raw, region) or _by_library(raw, region)


@lru_cache(maxsize=65_536)
def _by_library(raw: str, region: str | None) -> str | None:
    text = " ".join(without_ignorables(raw).split())
    if not text:
        return None
    if _PLACEHOLDER.search(text):
        return INVALID + text
    typed = _without_comment(text)
    number = _whole(typed, region) or _first(typed, region) or _vanity(typed, region)
    return INVALID + text if number is None else number


def numbers_anywhere(raw: str) -> list[str]:
    """The valid numbers that a text is in some region, in canonical form."""
    found = (_whole(raw, region) for region in sorted(phonenumbers.SUPPORTED_REGIONS))
    return list(dict.fromkeys(number for number in found if number is not None))


def _without_comment(text: str) -> str:
    """A text without words in brackets; an extension there counts."""
    return _BRACKETED.sub(" ", _BRACKETED_EXTENSION.sub(r" \1", text)).strip()


def _whole(text: str, region: str | None) -> str | None:
    """The number that a text is."""
    if _LETTER.search(_EXTENSION.sub("", text)):
        return None
    return _parsed(text, region)


def _first(text: str, region: str | None) -> str | None:
    """The first of the numbers in a text."""
    return next(iter(_numbers_in(text, region)), None)


def _vanity(text: str, region: str | None) -> str | None:
    """The number that a text with letters at its end spells."""
    spelled = _EXTENSION.sub("", text)
    digits = _LETTER.split(spelled, maxsplit=1)[0]
    if (number := _parsed(digits, region)) is not None:
        # Words behind a number, without a space.
        return number
    if not _VANITY.fullmatch(spelled) or (number := _parsed(text, region)) is None:
        return None
    return number if _may_be_spelled(number) else None


def _may_be_spelled(number: str) -> bool:
    """Whether letters may stand for digits of a number.

    Outside of North America only numbers of services have a length of their own: there, an area
    code and any word are a number ("030 Buchhaltung").
    """
    parsed = phonenumbers.parse(number)
    return parsed.country_code == _NORTH_AMERICA or phonenumbers.number_type(parsed) not in _LINES


def _numbers_in(text: str, region: str | None) -> list[str]:
    """All valid numbers in a text, each once."""
    found: dict[str, None] = {}
    end = 0
    for match in PhoneNumberMatcher(text, region):
        if not _DIGIT_BEFORE.search(text[end : match.start]):
            found[_formatted(match.number)] = None
        end = match.end
    return list(found)


def _parsed(text: str, region: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_valid_number(number):
        return _formatted(number)
    # libphonenumber no longer takes Mexico's former mobile prefix.
    formatted = _formatted(number)
    short = match_number(formatted)
    if short != formatted and phonenumbers.is_valid_number(phonenumbers.parse(short)):
        return formatted
    return None


def _formatted(number: PhoneNumber) -> str:
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return f"{e164};ext={number.extension}" if number.extension else e164


@lru_cache(maxsize=4096)
def has_several_numbers(raw: str, region: str | None) -> bool:
    """Whether a text holds more than one number, so that writing one there would lose another.

    Args:
        raw: What someone typed.
        region: As for `canonical_phone`.
    """
    if plainly_valid(raw, region):
        return False
    text = _without_comment(" ".join(without_ignorables(raw).split()))
    if _whole(text, region) or _PLACEHOLDER.search(text):
        return False
    matches = list(PhoneNumberMatcher(text, region))
    return len(matches) > 1 or any(_FURTHER_DIGITS.search(text, one.end) for one in matches)


def is_valid(number: str | None) -> bool:
    """Whether a number in canonical form is a valid one."""
    return number is not None and not number.startswith(INVALID)


def region_of_number(number: str) -> str | None:
    """The region of a valid number in canonical form."""
    return _region_of_number(match_number(number))


@lru_cache(maxsize=65_536)
def _region_of_number(number: str) -> str | None:
    region: str | None = phonenumbers.region_code_for_number(phonenumbers.parse(number))
    return region


def match_number(number: str) -> str:
    """The form in which two numbers are compared: a mobile prefix that may be left out is.

    Args:
        number: A number in canonical form.
    """
    prefix = _MOBILE_PREFIXES.get(number[:4])
    if prefix is None or len(number.partition(";")[0]) != prefix[1]:
        return number
    return prefix[0] + number[4:]


def kept_number(raw: str, before: str, now: str | None) -> str | None:
    """The number of a text that has stayed the same since it was read.

    A text is read once: another country beside it does not make it another number. One that was
    invalid is read again, and so is one that was read wrongly.

    Args:
        raw: The text.
        before: The number that was read in it, in canonical form.
        now: The number that it has under the country of now, likewise.
    """
    if before == now or not is_valid(before):
        return now
    return before if reads_as(raw, before) else now


def reads_as(raw: str, number: str) -> bool:
    """Whether a text is a number, where it is read by the rules of that number's own region.

    Args:
        raw: The text.
        number: A valid number in canonical form.
    """
    return canonical_phone(raw, region_of_number(number)) == number


_FORMATS: Final = {
    "international": PhoneNumberFormat.INTERNATIONAL,
    "national": PhoneNumberFormat.NATIONAL,
}


@lru_cache(maxsize=4096)
def format_phone(number: str, style: str, region: str | None) -> str:
    """A number the way that Salesforce is to show it, so that it is read back as the same number.

    Args:
        number: A valid number in canonical form.
        style: `e164`, `international` or `national`.
        region: The region that national numbers of the written record are read in; None where
            there is none.
    """
    styles = [style] if style != "national" else ["national", "international"]
    if style == "national" and region_of_number(number) != region:
        styles.remove("national")
    for one in styles:
        if one == "e164":
            break
        text = phonenumbers.format_number(phonenumbers.parse(number), _FORMATS[one])
        if canonical_phone(text, region) == number:
            return text
    return number
