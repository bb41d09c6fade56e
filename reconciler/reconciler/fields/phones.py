"""Phone numbers in one form, so that two ways to write a number are one number."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import phonenumbers
import pycountry

from reconciler.fields.fast_phones import plainly_valid

phonenumbers.enable_pattern_cache()

#: Marks a value that is not a valid number, in canonical form; no text starts with it.
INVALID: Final = "\x01"

#: Names that Salesforce orgs hold and ISO 3166 does not list.
_FURTHER_NAMES: Final = {
    "united states of america": "US",
    "u.s.": "US",
    "u.s.a.": "US",
    "uk": "GB",
    "u.k.": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "ivory coast": "CI",
    "macedonia": "MK",
    "swaziland": "SZ",
    "turkey": "TR",
}

_REGIONS: Final[dict[str, str]] = {
    name.casefold(): country.alpha_2
    for country in pycountry.countries
    for kind in ("name", "common_name", "official_name", "alpha_3")
    if (name := getattr(country, kind, None))
} | _FURTHER_NAMES


@lru_cache(maxsize=4096)
def region_of(country: str | None, default: str) -> str:
    """The region whose rules a national number follows.

    Args:
        country: A country as Salesforce stores it: ISO code or English name; or None.
        default: Region code where the country says nothing.
    """
    if not country:
        return default
    name = country.strip()
    if len(name) == 2 and name.upper() in phonenumbers.SUPPORTED_REGIONS:
        return name.upper()
    return _REGIONS.get(name.casefold(), default)


def canonical_phone(raw: str, region: str) -> str | None:
    """A number as E.164 with its extension (`+14155550100;ext=12`).

    Args:
        raw: What someone typed.
        region: Region code for numbers without a country code.

    Returns:
        None where it is blank; `!` and the trimmed text where libphonenumber does not take it
        for a valid number.
    """
    return plainly_valid(raw, region) or _by_library(raw, region)


@lru_cache(maxsize=65_536)
def _by_library(raw: str, region: str) -> str | None:
    text = " ".join(raw.split())
    if not text:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return INVALID + text
    if not phonenumbers.is_valid_number(number):
        return INVALID + text
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return f"{e164};ext={number.extension}" if number.extension else e164


_FORMATS: Final = {
    "international": phonenumbers.PhoneNumberFormat.INTERNATIONAL,
    "national": phonenumbers.PhoneNumberFormat.NATIONAL,
}


@lru_cache(maxsize=4096)
def format_phone(canonical: str, style: str, region: str) -> str:
    """A canonical number the way Salesforce is to show it.

    Args:
        canonical: A valid number in canonical form.
        style: `e164`, `international` or `national`.
        region: The region that will read it back; a foreign number is never written nationally.
    """
    if style == "e164":
        return canonical
    number = phonenumbers.parse(canonical)
    if style == "national" and phonenumbers.region_code_for_number(number) != region:
        style = "international"
    return phonenumbers.format_number(number, _FORMATS[style])
