"""The mapping of one object, ready to read both sides' values and to write them across."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.mapping.fields import LENGTHS, FieldMapping
from reconciler.mapping.phones import INVALID, canonical_phone, format_phone, region_of
from reconciler.mapping.values import canonical, table_key, text, unholdable
from reconciler.merging import UNSET, Rule
from reconciler.model import PHONEIQ, SALESFORCE, Side, SkipReason, Value, allows, other
from reconciler.settings import Settings


class Held(NamedTuple):
    """The mapped values of one record, in the order of the mapping.

    Attributes:
        values: As they are sent, phone numbers in canonical form; `UNSET` where the field was
            not extracted.
        canonical: As they are compared; likewise.
    """

    values: list[Any]
    canonical: list[Any]


class Exchange:
    """Reads and writes the mapped fields of one Salesforce object and PhoneIQ.

    Args:
        name: The Salesforce object.
        settings: The settings of the run.
        phoneiq_lengths: Longest value by PhoneIQ field, in characters, as the tap's schema says.
    """

    def __init__(self, name: str, settings: Settings, phoneiq_lengths: Mapping[str, int]) -> None:
        rows = settings.mappings.get(name, ())
        self.rules: Final = [
            Rule(
                row.key,
                to_salesforce=_may(row, settings, SALESFORCE),
                to_phoneiq=_may(row, settings, PHONEIQ),
            )
            for row in rows
        ]
        self._kinds: Final = [row.kind for row in rows]
        self._fields: Final[dict[Side, list[str]]] = {
            SALESFORCE: [row.salesforce for row in rows],
            PHONEIQ: [row.phoneiq for row in rows],
        }
        self._country: Final = next(
            (row.salesforce for row in rows if row.phoneiq == "country"), None
        )
        # Tables compare in PhoneIQ's values.
        self._tables: Final = [dict(row.values) for row in rows]
        self._inverses: Final = [
            {table_key(value): key for key, value in row.values} for row in rows
        ]
        self._settings = settings
        self._fallbacks = settings.fallbacks(name) if rows else {}
        # A converted Lead gives its company, fallback or not, to an Account.
        self._blanks: Final = self._fallbacks | {
            row.salesforce: settings.lead_company_fallback
            for row in rows
            if row.phoneiq == "company"
        }
        self._lengths: dict[Side, Mapping[str, int]] = {
            SALESFORCE: LENGTHS.get(name, {}),
            PHONEIQ: phoneiq_lengths,
        }

    def field(self, index: int, side: Side) -> str:
        """The name of a mapped field on one side."""
        return self._fields[side][index]

    def fields(self, side: Side) -> Sequence[str]:
        """The names of the mapped fields on one side, in the order of the mapping."""
        return self._fields[side]

    def held(self, side: Side, fields: Mapping[str, Any], numbers: Mapping[str, str]) -> Held:
        """The mapped values of one record.

        Args:
            side: The record's side.
            fields: Its fields as delivered.
            numbers: Its canonical numbers by phone field.
        """
        values: list[Any] = []
        compared: list[Any] = []
        for index, (kind, field) in enumerate(zip(self._kinds, self._fields[side], strict=True)):
            if field not in fields:
                values.append(UNSET)
                compared.append(UNSET)
                continue
            if kind == "phone":
                value: Value = numbers.get(field)
                if value is None and "." in field:
                    value = self._number_behind(field, fields)
            else:
                value = text(fields[field])
                if side == SALESFORCE and value == self._blanks.get(field, UNSET):
                    value = None
                if kind == "table" and value is not None:
                    value = self._tabled(index, side, value)
            values.append(value)
            compared.append(canonical(kind, value))
        return Held(values, compared)

    def outgoing(self, index: int, to: Side, value: Value) -> tuple[Value, SkipReason | None]:
        """A value as a side is to get it, or why it cannot hold it.

        Args:
            index: The field's place in the mapping.
            to: The side that gets it.
            value: The other side's value, as `held` gives it.
        """
        kind, field = self._kinds[index], self._fields[to][index]
        if value is None:
            return (self._fallbacks.get(field) if to == SALESFORCE else None), None
        if kind == "table" and to == SALESFORCE:
            value = self._inverses[index].get(table_key(value), value)
            if value in {"true", "false"}:
                value = value == "true"
        if (
            kind == "phone"
            and to == SALESFORCE
            and isinstance(value, str)
            and not value.startswith(INVALID)
        ):
            value = format_phone(
                value, self._settings.salesforce_phone_format, self._settings.default_region
            )
        return value, unholdable(kind, value, self._lengths[to].get(field))

    def sent(
        self,
        to: Side,
        changes: Mapping[str, Sequence[Value]] | None,
        made_from: tuple[Mapping[str, Any], Mapping[str, str]] | None,
    ) -> dict[int, Value]:
        """The canonical values that a write brought, by the field's place in the mapping.

        Args:
            to: The side that was written to.
            changes: For an update, [old, new, why] by field.
            made_from: For a create, fields and numbers of its source as they were then; None
                where the source did not change since.
        """
        if changes is not None:
            return {
                position: changes[field][1]
                for position, field in enumerate(self._fields[to])
                if field in changes
            }
        if made_from is None:
            return {}
        values = self.held(other(to), *made_from).canonical
        return {
            position: value
            for position, (value, rule) in enumerate(zip(values, self.rules, strict=True))
            if value is not UNSET and (rule.to_salesforce if to == SALESFORCE else rule.to_phoneiq)
        }

    def _number_behind(self, field: str, fields: Mapping[str, Any]) -> Value:
        """The canonical number in a field behind a relationship."""
        country = fields.get(self._country) if self._country else None
        region = region_of(country, self._settings.default_region)
        return canonical_phone(str(fields[field] or ""), region)

    def _tabled(self, index: int, side: Side, value: Value) -> Value:
        """A value in PhoneIQ's terms, marked where the table does not know it."""
        if side == SALESFORCE:
            tabled: Value = self._tables[index].get(table_key(value), f"{INVALID}{value}")
            return tabled
        return value if table_key(value) in self._inverses[index] else f"{INVALID}{value}"

    def required(self) -> Mapping[str, str]:
        """What Salesforce gets on a create in required fields without a value."""
        return self._fallbacks


def _may(row: FieldMapping, settings: Settings, to: Side) -> bool:
    return allows(row.direction, to) and allows(settings.sync_direction, to)
