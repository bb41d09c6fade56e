"""Writes what CLDR calls each country: reconciler/fields/country_names.json.

    python reconciler/country_names.py

Babel has the names, but one file a language: to read all would take each run 0.4 seconds and
100 MB.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Final

import phonenumbers
from babel import Locale, UnknownLocaleError
from babel.languages import get_official_languages

PROJECT: Final = Path(__file__).parent
NAMES: Final = PROJECT / "reconciler" / "fields" / "country_names.json"


def country_names() -> dict[str, list[str]]:
    """Names by region code, the English one first, then those in the country's own languages."""
    return {
        region: list(dict.fromkeys(filter(None, [_name(region, "en"), *_own_names(region)])))
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
    }


def _own_names(region: str) -> list[str | None]:
    languages = get_official_languages(region, regional=True, de_facto=True)
    return [_name(region, language) for language in languages]


def _name(region: str, language: str) -> str | None:
    try:
        return Locale.parse(language).territories.get(region)
    except (UnknownLocaleError, ValueError):
        # CLDR has no names in it.
        return None


def as_text(names: dict[str, list[str]]) -> str:
    """The file: a country a line."""
    lines = [
        f"  {json.dumps(region)}: {json.dumps(of_region, ensure_ascii=False)}"
        for region, of_region in names.items()
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    NAMES.write_text(as_text(country_names()), encoding="utf-8")
    licence = files("babel").joinpath("locale-data", "LICENSE.unicode").read_bytes()
    (PROJECT / "LICENSE.unicode").write_bytes(licence)
