"""Countries are understood however people write them; what is not understood is no region."""

# ruff: noqa: RUF001 - people write in other scripts, too

from __future__ import annotations

import runpy
from pathlib import Path

import phonenumbers
import pycountry
import pytest
from babel import Locale, localedata
from babel.languages import get_official_languages
from reconciler.fields.countries import region_of
from reconciler.fields.phones import canonical_phone, is_valid

FORMATS = phonenumbers.PhoneNumberFormat
ENGLISH = Locale("en").territories


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("The Netherlands", "NL"),
        ("Holland", "NL"),
        ("Cote d'Ivoire", "CI"),
        ("Côte d’Ivoire", "CI"),
        ("Ivory Coast", "CI"),
        ("Deutschland", "DE"),
        ("Republic of Ireland", "IE"),
        ("Ireland, Republic of", "IE"),
        ("UAE", "AE"),
        ("U.A.E.", "AE"),
        ("Korea", "KR"),
        ("Korea, Republic of", "KR"),
        ("Korea (North)", "KP"),
        ("Democratic People's Republic of Korea", "KP"),
        ("Russia", "RU"),
        ("Россия", "RU"),
        ("México", "MX"),
        ("MEXICO", "MX"),
        ("日本", "JP"),
        ("Trinidad & Tobago", "TT"),
        ("Trinidad and Tobago", "TT"),
        ("St. Lucia", "LC"),
        ("Saint Lucia", "LC"),
        ("Bahamas, The", "BS"),
        ("Congo", "CG"),
        ("Republic of the Congo", "CG"),
        ("The Democratic Republic of Congo", "CD"),
        ("D.R. Congo", "CD"),
        ("Dominican Republic", "DO"),
        ("Republic of China", "TW"),
        ("People's Republic of China", "CN"),
        ("Georgia", "GE"),
        ("Kosovo", "XK"),
        ("U. S. A.", "US"),
        ("US Virgin Islands", "VI"),
        ("deu", "DE"),
        ("ST", "ST"),
        ("Türkiye", "TR"),
        ("Turkey", "TR"),
        (" Germany\u200b ", "DE"),
        ("Virgin Islands", None),
        ("Atlantis", None),
        ("DE-BY", None),
        ("-", None),
    ],
)
def test_the_country_that_a_name_means(name, code):
    assert region_of(name, "US") == code


def test_every_name_in_iso_3166_is_understood():
    for country in pycountry.countries:
        for kind in ("alpha_2", "alpha_3", "name", "official_name", "common_name"):
            name = getattr(country, kind, None)
            if name is not None and country.alpha_2 in phonenumbers.SUPPORTED_REGIONS:
                assert region_of(name, "ZZ") == country.alpha_2, name


def test_the_names_are_those_of_the_installed_cldr():
    script = runpy.run_path(str(Path(__file__).parents[2] / "reconciler" / "country_names.py"))
    written = script["NAMES"].read_text(encoding="utf-8")
    assert written == script["as_text"](script["country_names"]()), "run country_names.py"


@pytest.mark.parametrize("blank", [None, "", "  ", "\u200b", "\ufe0f \u2060"])
def test_no_country_is_the_default_region(blank):
    assert region_of(blank, "FR") == "FR"


def test_by_a_country_without_numbers_of_its_own_no_national_number_is_valid():
    assert not is_valid(canonical_phone("(415) 555-0132", region_of("Antarctica", "US")))


@pytest.mark.parametrize("language", ["English", "its own"])
def test_every_regions_national_number_is_read_by_the_name_of_its_country(language):
    """Also where several countries have the same numbers, or the default region is another."""
    read = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in phonenumbers.PhoneNumberType.values():
            number = phonenumbers.example_number_for_type(region, kind)
            if number is None or not phonenumbers.is_valid_number(number):
                continue
            e164 = phonenumbers.format_number(number, FORMATS.E164)
            typed = phonenumbers.format_number(number, FORMATS.NATIONAL)
            if canonical_phone(typed, region) != e164:
                # Not even libphonenumber reads back what it wrote.
                continue
            for name in names_of(region, language):
                assert region_of(name, "ZZ") == region, name
                assert canonical_phone(typed, region_of(name, "ZZ")) == e164, (name, typed)
                read += 1
    assert read > 1_000


def names_of(region: str, language: str) -> list[str]:
    if language == "English":
        return [ENGLISH[region]]
    codes = get_official_languages(region, de_facto=True)
    languages = [Locale.parse(code) for code in codes if code in localedata.locale_identifiers()]
    return [name for one in languages if (name := one.territories.get(region)) is not None]
