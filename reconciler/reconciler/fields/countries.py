"""Which region a country's name means, as people write it.

Codes and English names are those of ISO 3166 (pycountry) and CLDR; names in a country's own
languages are CLDR's (`country_names.json`, made by `country_names.py`). They are compared folded:
without case, accents and punctuation, and then also without "the" and "republic of".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import phonenumbers
import pycountry

from reconciler.fields.canonical import is_blank

_NAMES: Final = Path(__file__).with_name("country_names.json")
#: Names in use that neither ISO 3166 nor CLDR lists.
_FURTHER_NAMES: Final = {
    "u.s.": "US",
    "u.s.a.": "US",
    "u. s. a.": "US",
    "uk": "GB",
    "u.k.": "GB",
    "britain": "GB",
    "great britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "uae": "AE",
    "u.a.e.": "AE",
    "holland": "NL",
    "czech republic": "CZ",
    "slovak republic": "SK",
    "hong kong": "HK",
    "macao": "MO",
    "macau": "MO",
    "palestine": "PS",
    "ivory coast": "CI",
    "macedonia": "MK",
    "swaziland": "SZ",
    "cape verde": "CV",
    "east timor": "TL",
    "burma": "MM",
    "turkey": "TR",
    "vatican": "VA",
    "korea north": "KP",
    "korea south": "KR",
    "democratic republic of congo": "CD",
    "dr congo": "CD",
    "d.r. congo": "CD",
    "drc": "CD",
    "congo drc": "CD",
    "us virgin islands": "VI",
    "ksa": "SA",
    "prc": "CN",
    # Without "republic of" it would be the other China.
    "republic of china": "TW",
    "taiwan, republic of china": "TW",
}

_PUNCTUATION: Final = re.compile(r"[^\w]+")
_SAINT: Final = re.compile(r"\b(?:st|ste|sainte)\b")
#: What a name may have or lack.
_OPTIONAL: Final = re.compile(r"\b(?:(?:the )?republic of(?: the)?|the)\b")


@lru_cache(maxsize=4096)
def region_of(country: str | None, default: str) -> str | None:
    """The region whose rules a record's national numbers follow.

    Args:
        country: What the record's country field shows: a code or a name, or nothing.
        default: Region code where it shows nothing.

    Returns:
        None where a country is named, but not understood: then no rules are known.
    """
    if country is None or is_blank(country):
        return default
    name = country.strip()
    if len(name) == 2 and name.upper() in phonenumbers.SUPPORTED_REGIONS:
        return name.upper()
    plain, short = _folded(name), _shortened(_folded(name))
    for known in (_english, _own_languages):
        names = known()
        found = names.get(plain) or names.get(short)
        if found is not None:
            return found
    return None


def _folded(name: str) -> str:
    """A name without case, accents and punctuation, "&" as "and" and "St." as "Saint"."""
    letters = unicodedata.normalize("NFKD", name.casefold().replace("&", " and "))
    plain = "".join(
        # A combining mark is an accent on these scripts only; elsewhere it is a vowel.
        letter
        for letter in letters
        if not "\u0300" <= letter <= "\u036f"
    )
    dotless = plain.replace(".", "") if re.fullmatch(r"(?:\w\. ?)+\w?\.?", plain) else plain
    return _SAINT.sub("saint", " ".join(_PUNCTUATION.sub(" ", dotless).split()))


def _shortened(folded: str) -> str:
    return " ".join(_OPTIONAL.sub(" ", folded).split())


def _table(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Region by folded name; a name that two countries share in short form stands for neither."""
    plain: dict[str, str] = {}
    short: dict[str, str | None] = {}
    for name, region in names:
        folded = _folded(name)
        if not folded:
            continue
        plain.setdefault(folded, region)
        brief = _shortened(folded)
        if brief and short.setdefault(brief, region) != region:
            short[brief] = None
    return {name: region for name, region in short.items() if region} | plain


@cache
def _english() -> dict[str, str]:
    countries: Iterable[Any] = pycountry.countries
    regions = [
        (name, country.alpha_2)
        for kind in ("alpha_3", "name", "common_name", "official_name")
        for country in countries
        if (name := getattr(country, kind, None))
    ]
    english = [(names[0], region) for region, names in _cldr().items()]
    return _table([*_FURTHER_NAMES.items(), *regions, *english])


@cache
def _own_languages() -> dict[str, str]:
    """What countries call themselves."""
    return _table((name, region) for region, names in _cldr().items() for name in names[1:])


@cache
def _cldr() -> dict[str, list[str]]:
    """Names by region, the English one first."""
    return msgspec.json.decode(_NAMES.read_bytes(), type=dict[str, list[str]])
