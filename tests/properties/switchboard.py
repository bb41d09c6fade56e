"""Many people behind one number, and the numbers of all countries.

    python -m tests.properties.switchboard          about two minutes

First 2,000 people who share the number of their switchboard, on either side, with `shared_phone`
reject and allow. Then an example number of each region of libphonenumber in national form, with
its country by its English name, its own name or its code. In both, the first run may write, the
second and the third write nothing, and nobody's name or number is changed. In the end every
country is exchanged for another one: only countries are written then.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import phonenumbers
import pycountry
from babel import Locale
from babel.languages import get_official_languages
from babel.localedata import locale_identifiers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from tests.reconciler.job import Job
from tests.reconciler.platforms import EXTERNAL_ID

PEOPLE = 2_000
SWITCHBOARD = "+14155550100"


#: What says which records are a pair; without a field for it in Salesforce, run 2 writes it.
_REFERENCE = {"Id", "id", "salesforce_id", "salesforce_object"}


def runs(job: Job, count: int) -> list[int]:
    """How many records each of some runs writes a value to."""
    written = []
    for _ in range(count):
        passed = job.run()
        assert [one.code for one in passed] == [0, 0, 0], passed[-1].text
        written.append(
            sum(
                record.keys() > _REFERENCE & record.keys()
                for one in passed
                for record in one.records
            )
        )
    return written


def switchboard(folder: Path, **settings: Any) -> dict[str, Any]:
    """People of both sides share a number; every second one has a number of his own as well."""
    job = Job(folder, **settings)
    for person in range(PEOPLE):
        first, last = f"P{person}", f"Doe{person}"
        own = f"+1415{2_000_000 + person}" if person % 2 else None
        if person % 4 < 2:
            job.salesforce.create(
                "Contact", FirstName=first, LastName=last, Phone=SWITCHBOARD, MobilePhone=own
            )
        else:
            job.phoneiq.create(
                first_name=first, last_name=last, work_phone=SWITCHBOARD, mobile_phone=own
            )
    before = _people(job)
    written = runs(job, 3)
    changed = [id_ for id_, row in _people(job).items() if before.get(id_, row) != row]
    for row in job.phoneiq.live():
        if row["salesforce_id"]:
            record = job.salesforce.get(row["salesforce_id"])
            if record["FirstName"] != row["first_name"]:
                changed.append(row["id"])
    created = len(job.salesforce.everything()) + len(job.phoneiq.everything()) - PEOPLE
    return {"people": PEOPLE, "created": created, "writes": written, "changed": len(changed)}


def _people(job: Job) -> dict[str, tuple[Any, ...]]:
    """The names and numbers of all records."""
    shown = {
        row["Id"]: (row["FirstName"], row["LastName"], row["Phone"], row["MobilePhone"])
        for row in job.salesforce.live()
    }
    names = ("first_name", "last_name", "work_phone", "mobile_phone")
    return shown | {row["id"]: tuple(row[name] for name in names) for row in job.phoneiq.live()}


def names_of_countries() -> Iterator[tuple[str, str]]:
    """Regions with a name of their country: in English, in its own languages, and codes."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        country = pycountry.countries.get(alpha_2=region)
        if country is None:
            continue
        names = {region, country.alpha_3, getattr(country, "common_name", country.name)}
        languages = set(get_official_languages(region, de_facto=True))
        for language in languages.intersection(locale_identifiers()):
            if name := Locale.parse(language).territories.get(region):
                names.add(name)
        yield from ((region, name) for name in sorted(names))


def all_countries(folder: Path, **settings: Any) -> dict[str, Any]:
    """One person for each name of each country, on one side or the other."""
    # Every country is exchanged in one run.
    job = Job(folder, max_update_percent=100, **settings)
    meant: dict[str, str] = {}
    countries = list(names_of_countries())
    used: set[str] = set()
    for person, (region, country) in enumerate(countries):
        number = _unused_number(region, used)
        if number is None:
            continue
        text = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        first, last = f"P{person}", f"Doe{person}"
        if person % 2:
            id_ = job.salesforce.create(
                "Contact",
                FirstName=first,
                LastName=last,
                MobilePhone=text,
                MailingCountry=country,
            )
        else:
            id_ = job.phoneiq.create(
                first_name=first, last_name=last, mobile_phone=text, country=country
            )
        meant[first] = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        assert id_
    written = runs(job, 3)
    changed = _changed(job, meant)
    for row in job.phoneiq.live():
        job.phoneiq.edit(row["id"], country="Germany" if row["country"] != "Germany" else "Chile")
    moved = runs(job, 3)
    changed |= _changed(job, meant)
    regions = {region for region, _ in countries}
    return {
        "countries": len(regions),
        "names": len(countries),
        "numbers": len(meant),
        "writes": [*written, *moved],
        "changed": len(changed),
    }


def _unused_number(region: str, used: set[str]) -> phonenumbers.PhoneNumber | None:
    """A valid number of a region that belongs to no other one and that nobody has yet."""
    for kind in (PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE, PhoneNumberType.VOIP):
        example = phonenumbers.example_number_for_type(region, kind)
        if example is None:
            continue
        e164 = phonenumbers.format_number(example, PhoneNumberFormat.E164)
        for last in range(100):
            found = phonenumbers.parse(f"{e164[:-2]}{last:02}")
            text = phonenumbers.format_number(found, PhoneNumberFormat.E164)
            if text not in used and phonenumbers.is_valid_number_for_region(found, region):
                used.add(text)
                return found
    return None


def _changed(job: Job, meant: dict[str, str]) -> set[str]:
    """People who are not on both sides with the number that they were made with.

    The number is what the other side of each person shows in E.164: only one side was typed by
    people, in national form.
    """
    wrong = set(meant)
    for row in job.phoneiq.live():
        if row["salesforce_id"]:
            record = job.salesforce.get(row["salesforce_id"])
            number = meant[row["first_name"]]
            texts = (row["mobile_phone"], record["MobilePhone"])
            if record["FirstName"] == row["first_name"] and _bare(number) in map(_bare, texts):
                wrong.discard(row["first_name"])
    return wrong


def _bare(number: str) -> str:
    """A number without what comes and goes: Mexico's 1 and Argentina's 9."""
    return number.replace("+549", "+54").replace("+521", "+52")


def main() -> None:
    parts: list[tuple[str, Callable[..., dict[str, Any]], dict[str, Any]]] = [
        (
            f"switchboard, shared_phone {shared}, {reference}",
            switchboard,
            {
                "shared_phone": shared,
                "on_name_mismatch": "skip",
                "salesforce_external_id_field": field,
            },
        )
        for shared in ("reject", "allow")
        for reference, field in (("no reference", None), ("with a reference", EXTERNAL_ID))
    ]
    parts.append(("all countries", all_countries, {}))
    failed = False
    for name, part, settings in parts:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            figures = part(Path(folder), **settings)
        figures["seconds"] = round(time.monotonic() - started, 1)
        first, second, third, *moved = figures["writes"]
        wrong = not first or second or third or figures["changed"] or any(moved[1:])
        failed |= bool(wrong)
        print(f"{'FAILED' if wrong else 'ok'}  {name}: {figures}", flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
