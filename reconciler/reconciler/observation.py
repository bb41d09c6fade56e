"""From a record as the tap delivered it to an observation: what the rules need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.eligibility import UNPAIRABLE, salesforce_skip
from reconciler.mapping.fields import BOOKKEEPING, MATCHING_PHONES, FieldMapping
from reconciler.mapping.ids import salesforce_id
from reconciler.mapping.phones import INVALID, canonical_phone, region_of
from reconciler.mapping.values import fold_name, text
from reconciler.model import PHONEIQ, SALESFORCE, Observation, Side
from reconciler.settings import Settings


class Observer:
    """Reads the records of one side.

    Args:
        side: The side that the records come from.
        settings: The settings of the run.
    """

    def __init__(self, side: Side, settings: Settings) -> None:
        self._settings = settings
        self._read = self._salesforce if side == SALESFORCE else self._phoneiq
        self._salesforce_phones = {
            name: _phone_fields(rows, salesforce=True) for name, rows in settings.mappings.items()
        }
        self._phoneiq_phones = {
            field: match
            for rows in settings.mappings.values()
            for field, match in _phone_fields(rows, salesforce=False).items()
        }
        self._countries = {
            name: next((row.salesforce for row in rows if row.phoneiq == "country"), None)
            for name, rows in settings.mappings.items()
        }

        self._emails = {
            name: next((row.salesforce for row in rows if row.kind == "email"), None)
            for name, rows in settings.mappings.items()
        }

    def read(self, stream: str, record: Mapping[str, Any]) -> Observation:
        """Turn one record into an observation.

        Args:
            stream: The stream, or the object, that it came with.
            record: Its fields, deletion marks included.

        Raises:
            KeyError: The record has no id.
        """
        return self._read(stream, record)

    def _salesforce(self, stream: str, record: Mapping[str, Any]) -> Observation:
        settings = self._settings
        name = stream
        if stream in {"Account", "PersonAccount"}:
            name = "PersonAccount" if record.get("IsPersonAccount") else "Account"
        fields = _without_bookkeeping(record)
        deleted = bool(record.get("IsDeleted") or record.get("_sdc_deleted_at"))
        numbers = self._numbers(
            record, self._salesforce_phones.get(name, {}), self._countries.get(name)
        )
        valid = self._valid(numbers, self._salesforce_phones.get(name, {}))
        skip = (
            None
            if deleted
            else salesforce_skip(name, record, objects=settings.objects, has_phone=bool(valid))
        )
        related = record.get("AccountId" if name == "Contact" else "PersonContactId") or None
        successor = record.get("MasterRecordId") or record.get("ConvertedContactId")
        if name == "Contact" and record.get("IsPersonAccount") and not deleted:
            # Whatever leads to the shadow means the person.
            successor = related
        return Observation(
            side=SALESFORCE,
            object=name,
            id=salesforce_id(record["Id"]),
            fields=fields,
            numbers=numbers,
            match_numbers=() if deleted or skip in UNPAIRABLE else valid,
            name=fold_name(record.get("Name"))
            if name == "Account"
            else fold_name(record.get("FirstName"), record.get("LastName")),
            email=_email(record, self._emails.get(name)),
            reference=_external_id(record, settings.salesforce_external_id_field),
            successor=salesforce_id(successor) if successor else None,
            related=salesforce_id(related) if related else None,
            created_at=record.get("CreatedDate") or "",
            stamp=record.get("SystemModstamp") or "",
            deleted=deleted,
            skip=skip,
        )

    def _phoneiq(self, _: str, record: Mapping[str, Any]) -> Observation:
        deleted = bool(record.get("deleted_at") or record.get("_sdc_deleted_at"))
        numbers = self._numbers(record, self._phoneiq_phones, "country")
        reference = record.get("salesforce_id")
        return Observation(
            side=PHONEIQ,
            object="Contact",
            id=record["id"],
            fields=_without_bookkeeping(record),
            numbers=numbers,
            match_numbers=() if deleted else self._valid(numbers, self._phoneiq_phones),
            name=fold_name(record.get("first_name"), record.get("last_name")),
            email=_email(record, "email"),
            reference=salesforce_id(reference) if reference else None,
            successor=None,
            related=None,
            created_at=record.get("created_at") or "",
            stamp=record.get("updated_at") or "",
            deleted=deleted,
            skip=None,
        )

    def _numbers(
        self, record: Mapping[str, Any], phones: Mapping[str, bool], country: str | None
    ) -> dict[str, str]:
        numbers: dict[str, str] = {}
        region: str | None = None
        for field in phones:
            raw = record.get(field)
            if not raw:
                continue
            if region is None:
                region = region_of(
                    record.get(country) if country else None, self._settings.default_region
                )
            number = canonical_phone(str(raw), region)
            if number is not None:
                numbers[field] = number
        return numbers

    @staticmethod
    def _valid(numbers: Mapping[str, str], phones: Mapping[str, bool]) -> tuple[str, ...]:
        # Once each, in the order of the mapping: a person may repeat a number.
        return tuple(
            dict.fromkeys(
                number
                for field, number in numbers.items()
                if phones[field] and not number.startswith(INVALID)
            )
        )


def _phone_fields(rows: tuple[FieldMapping, ...], *, salesforce: bool) -> dict[str, bool]:
    """The mapped phone fields of one side, and whether each can pair records."""
    return {
        (row.salesforce if salesforce else row.phoneiq): row.phoneiq in MATCHING_PHONES
        for row in rows
        if row.kind == "phone"
    }


def _external_id(record: Mapping[str, Any], field: str | None) -> str | None:
    value = text(record.get(field)) if field else None
    return None if value is None else str(value)


def _email(record: Mapping[str, Any], field: str | None) -> str | None:
    value = text(record.get(field)) if field else None
    return value.casefold() if isinstance(value, str) else None


def _without_bookkeeping(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in record.items()
        if name not in BOOKKEEPING and not name.startswith("_sdc_")
    }
