"""The mapping of one object, ready to read both sides' values and to write them across."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from reconciler.fields.canonical import NO_VALUE, canonical, known, table_key, text, unholdable
from reconciler.fields.countries import region_of
from reconciler.fields.defaults import LENGTHS, MATCHING_PHONES, FieldMapping, Kind
from reconciler.fields.phones import (
    canonical_phone,
    format_phone,
    has_several_numbers,
    is_valid,
    match_number,
    reads_as,
)
from reconciler.model import (
    INVALID,
    PHONEIQ,
    SALESFORCE,
    SIDES,
    UNSET,
    Change,
    Side,
    SkipReason,
    Undo,
    Value,
    allows,
    other,
)
from reconciler.rules.merging import Decision, Rule
from reconciler.settings import Settings

#: Why a number is written that its record has already: a country is written beside it.
BESIDE_COUNTRY: Final = "country"
#: Why a value is written that a write of the sync had replaced.
TAKEN_BACK: Final = "undone"
#: What is sent for these says nothing of the other side.
_ONE_SIDED: Final = frozenset({BESIDE_COUNTRY, TAKEN_BACK})


class Held(NamedTuple):
    """The mapped values of one record, in the order of the mapping.

    Attributes:
        values: As they are sent, phone numbers in canonical form; `UNSET` where the field was
            not extracted.
        canonical: As they are compared; likewise.
    """

    values: list[Any]
    canonical: list[Any]


class Layout:
    """The fields that records were delivered with; one object for all records that share them.

    Args:
        fields: Their names, in the order of the values.
    """

    __slots__ = ("fields", "places")

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields: Final = tuple(fields)
        self.places: Final[Mapping[str, int]] = {field: place for place, field in enumerate(fields)}


class Delivered(NamedTuple):
    """What a record was delivered with.

    Attributes:
        layout: Its fields.
        values: Their values as delivered; `UNSET` for a field that counts as not extracted.
        numbers: Its canonical numbers by place of the phone field.
    """

    layout: Layout
    values: list[Any]
    numbers: dict[int, str]

    @classmethod
    def of(cls, fields: Mapping[str, Any], numbers: Mapping[str, str]) -> Delivered:
        """What one record was delivered with, by field."""
        layout = Layout(tuple(fields))
        by_place = {layout.places[field]: number for field, number in numbers.items()}
        return cls(layout, list(fields.values()), by_place)

    def get(self, field: str) -> Any:
        """The value of a field; None also where it was not extracted."""
        place = self.layout.places.get(field)
        value = None if place is None else self.values[place]
        return None if value is UNSET else value


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
        #: The place in the mapping of the country that says how a record's numbers are read.
        self._country: Final = next(
            (index for index, row in enumerate(rows) if row.phoneiq == "country"), None
        )
        self._phones: Final = [index for index, row in enumerate(rows) if row.kind == "phone"]
        #: Which phone fields can pair records.
        self._pairs: Final = [row.phoneiq in MATCHING_PHONES for row in rows]
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
        self._readers: dict[tuple[Side, Layout], _Reader] = {}
        self._copyists: dict[tuple[Side, Layout], _Copyist] = {}
        self._keys: Final = tuple(row.key for row in rows)

    def field(self, index: int, side: Side) -> str:
        """The name of a mapped field on one side."""
        return self._fields[side][index]

    def fields(self, side: Side) -> Sequence[str]:
        """The names of the mapped fields on one side, in the order of the mapping."""
        return self._fields[side]

    def held(self, side: Side, record: Delivered) -> Held:
        """The mapped values of one record.

        Args:
            side: The record's side.
            record: What it was delivered with.
        """
        reader = self._readers.get((side, record.layout))
        if reader is None:
            reader = self._readers[side, record.layout] = self._reader(side, record.layout)
        return reader.read(record)

    def copied(
        self, to: Side, record: Delivered
    ) -> tuple[dict[str, Value], list[tuple[str, SkipReason]]]:
        """What a new record on a side gets of one across: `held` and `outgoing` in one.

        Returns:
            The values as they are sent, by field; and the fields that cannot hold theirs, and why.
        """
        copyist = self._copyists.get((to, record.layout))
        if copyist is None:
            copyist = self._copyists[to, record.layout] = self._copyist(to, record.layout)
        sent, skips = copyist.copy(record)
        if copyist.others:
            values = self.held(other(to), record).values
            # Numbers are written for the country that is written with them.
            phones_last = sorted(copyist.others, key=lambda one: self._kinds[one[0]] == "phone")
            for index, field in phones_last:
                value = values[index]
                if value is not None and value is not UNSET:
                    region = self._region(sent.get(self._country_field(to)))
                    value, skip = self.outgoing(index, to, value, region)
                    if skip is None:
                        sent[field] = value
                    else:
                        skips.append((field, skip))
        return sent, skips

    def created(self, to: Side, record: Delivered) -> dict[str, Change]:
        """Why a new record on a side gets what `copied` gives it."""
        sent, _ = self.copied(to, record)
        canonical = self.held(other(to), record).canonical
        return {
            field: Change(None, canonical[index], "created", sent[field])
            for index, (field, rule) in enumerate(zip(self._fields[to], self.rules, strict=True))
            if field in sent and rule.leads(to)
        }

    def _copyist(self, to: Side, layout: Layout) -> _Copyist:
        side = other(to)
        lengths = self._lengths[to]
        texts: list[tuple[int, str, Kind, int | None, str | None]] = []
        phones: list[tuple[int, str, int]] = []
        others: list[tuple[int, str]] = []
        as_held = to == PHONEIQ or self._settings.salesforce_phone_format == "e164"
        for index, rule in enumerate(self.rules):
            source, field, kind = (
                self._fields[side][index],
                self._fields[to][index],
                self._kinds[index],
            )
            place = layout.places.get(source)
            if place is None or not rule.leads(to):
                continue
            if kind in {"text", "email"}:
                blank = self._blanks.get(source) if side == SALESFORCE else None
                texts.append((place, field, kind, lengths.get(field), blank))
            elif kind == "phone" and as_held and "." not in source:
                phones.append((place, field, lengths.get(field, sys.maxsize)))
            else:
                others.append((index, field))
        return _Copyist(texts, phones, others)

    def aligned(self, keys: Sequence[str], values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """A baseline in the order of the mapping.

        Args:
            keys: The mapping keys that it was stored by.
            values: Canonical value of each, `UNSET` where the sides never agreed.

        Returns:
            The value of each mapped field, and what is kept for mappings that are gone, by pairs
            of key and value.
        """
        if keys == self._keys:
            return list(values), []
        stored = dict(zip(keys, values, strict=True))
        return [stored.pop(key, UNSET) for key in self._keys], list(stored.items())

    def baseline(
        self, values: Sequence[Any], others: Sequence[tuple[str, Any]]
    ) -> tuple[tuple[str, ...], list[Any]]:
        """Keys and values of a baseline as it is stored: `aligned` the other way around."""
        keys = (*self._keys, *(key for key, _ in others)) if others else self._keys
        return keys, [*values, *(value for _, value in others)]

    def outgoing(
        self, index: int, to: Side, value: Value, region: str | None
    ) -> tuple[Value, SkipReason | None]:
        """A value as a side is to get it, or why it cannot hold it.

        Args:
            index: The field's place in the mapping.
            to: The side that gets it.
            value: The other side's value, as `held` gives it.
            region: The region that national numbers of the written record are read in.
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
            value = format_phone(value, self._settings.salesforce_phone_format, region)
        return value, unholdable(kind, value, self._lengths[to].get(field))

    def sent(
        self,
        to: Side,
        changes: Mapping[str, Sequence[Value]] | None,
        made_from: Delivered | None,
    ) -> dict[int, Value]:
        """The canonical values that a write brought, by the field's place in the mapping.

        For a create, all that it was made from: the directions may have been others then, and on
        what both sides show they agree in any case.

        Args:
            to: The side that was written to.
            changes: For an update, [old, new, why] by field.
            made_from: For a create, what its source was delivered with then; None where the source
                did not change since.
        """
        if changes is not None:
            return {
                position: changes[field][1]
                for position, field in enumerate(self._fields[to])
                if field in changes and changes[field][2] not in _ONE_SIDED
            }
        if made_from is None:
            return {}
        values = self.held(other(to), made_from).canonical
        return {position: value for position, value in enumerate(values) if value is not UNSET}

    def _reader(self, side: Side, layout: Layout) -> _Reader:
        missing = len(layout.fields)
        places = [layout.places.get(field, missing) for field in self._fields[side]]
        there = [index for index, place in enumerate(places) if place != missing]
        named = [(index, self._fields[side][index]) for index in there]
        return _Reader(
            places=places,
            phones=[
                (index, layout.places[field])
                for index, field in named
                if self._kinds[index] == "phone" and "." not in field
            ],
            phones_behind=[
                (index, layout.places[field])
                for index, field in named
                if self._kinds[index] == "phone" and "." in field
            ],
            blanks=[
                (index, self._blanks[field])
                for index, field in named
                if side == SALESFORCE and self._kinds[index] != "phone" and field in self._blanks
            ],
            tables=[
                (index, partial(self._tabled, index, side))
                for index in there
                if self._kinds[index] == "table"
            ],
            emails=[index for index in there if self._kinds[index] == "email"],
        )

    # --- numbers and the country beside them ------------------------------------------------

    def region_after(
        self, to: Side, target: Delivered, held: Held, decisions: Iterable[Decision]
    ) -> str | None:
        """The region that national numbers of a record are read in once it is written.

        Args:
            to: The record's side.
            target: What it was delivered with.
            held: The mapped values of the record across.
            decisions: Those whose values are written.
        """
        country = target.get(self._country_field(to))
        for one in decisions:
            if one.to == to and one.position == self._country:
                sent, skip = self.outgoing(one.position, to, held.values[one.position], None)
                country = sent if skip is None else country
        return self._region(country)

    def given_back(
        self, to: Side, target: Delivered, undos: Collection[Undo], region: str | None = None
    ) -> dict[str, Change]:
        """What gives fields the values back that writes of the sync have replaced.

        A number comes back as it was written where it is still read as the same number there.

        Args:
            to: The record's side.
            target: What it was delivered with.
            undos: What is taken back, one for each field.
            region: The region of a country that is written beside them, where one is.
        """
        if not undos:
            return {}
        texts = {undo.field: undo.shown for undo in undos}
        country = self._country_field(to)
        if region is None:
            shown = texts.get(country, UNSET)
            region = self._region(target.get(country) if shown is UNSET else shown)
        found: dict[str, Change] = {}
        for undo in undos:
            index = self._fields[to].index(undo.field)
            sent = undo.shown
            if self._kinds[index] == "phone" and is_valid(undo.old):
                number = None if sent is UNSET else canonical_phone(str(sent), region)
                if number is None or match_number(number) != undo.old:
                    sent = UNSET
            if sent is UNSET:
                sent, skip = self.outgoing(index, to, undo.old, region)
                if skip is not None:
                    sent = known(undo.old)
            found[undo.field] = Change(undo.given, undo.old, TAKEN_BACK, sent)
        return found | self.numbers_beside(to, target, found, region)

    def keeps_its_text(self, index: int, to: Side, target: Delivered) -> bool:
        """Whether a phone field is not to be written, since it holds several numbers."""
        if self._kinds[index] != "phone":
            return False
        raw = target.get(self._fields[to][index])
        region = self._region(target.get(self._country_field(to)))
        return isinstance(raw, str) and has_several_numbers(raw, region)

    def numbers_beside(
        self, to: Side, target: Delivered, changes: Mapping[str, Change], region: str | None
    ) -> dict[str, Change]:
        """What a write that sets a country has to say of the numbers beside it.

        A national number that would be another one in the new country, or none, is sent along in
        international form.

        Args:
            to: The side that is written to.
            target: What the written record was delivered with.
            changes: What is written to it.
            region: The region of the country that is written.
        """
        if self._country is None or self._fields[to][self._country] not in changes:
            return {}
        found: dict[str, Change] = {}
        for index, (field, rule) in enumerate(zip(self._fields[to], self.rules, strict=True)):
            place = target.layout.places.get(field)
            number = None if place is None else target.numbers.get(place)
            if (
                self._kinds[index] != "phone"
                or not rule.leads(to)
                or field in changes
                or "." in field
                or number is None
                or not is_valid(number)
            ):
                continue
            raw = str(target.get(field))
            if canonical_phone(raw, region) != number and not self.keeps_its_text(
                index, to, target
            ):
                sent, skip = self.outgoing(index, to, number, None)
                if skip is None:
                    found[field] = Change(number, number, BESIDE_COUNTRY, sent)
        return found

    def recall_numbers(
        self, records: Mapping[Side, Delivered], held: Mapping[Side, Held], baseline: Sequence[Any]
    ) -> list[tuple[Side, int, str, bool]]:
        """Numbers of a new pair that a country beside them hides.

        Where the sides have not agreed yet, a national text that is the other side's number by the
        rules of that number's own region is that number. The values in `held` become it.

        Args:
            records: By side, what the record was delivered with.
            held: By side, its mapped values.
            baseline: The canonical values on which the sides agreed.

        Returns:
            Side, position in the record, the number that stands there, and whether it can pair
            records.
        """
        found: list[tuple[Side, int, str, bool]] = []
        for index in self._phones:
            if baseline[index] is not UNSET:
                continue
            numbers = {side: held[side].canonical[index] for side in SIDES}
            if numbers[SALESFORCE] == numbers[PHONEIQ] or not all(
                isinstance(one, str) for one in numbers.values()
            ):
                continue
            for side in SIDES:
                field, number = self._fields[side][index], held[other(side)].values[index]
                raw = str(records[side].get(field))
                if "." not in field and is_valid(number) and reads_as(raw, number):
                    held[side].values[index] = number
                    held[side].canonical[index] = match_number(number)
                    place = records[side].layout.places[field]
                    found.append((side, place, number, self._pairs[index]))
                    break
        return found

    def _country_field(self, side: Side) -> str:
        return "" if self._country is None else self._fields[side][self._country]

    def _region(self, country: Any) -> str | None:
        return region_of(None if country is None else str(country), self._settings.default_region)

    def _tabled(self, index: int, side: Side, value: Value) -> Value:
        """A value in PhoneIQ's terms, marked where the table does not know it."""
        if side == SALESFORCE:
            tabled: Value = self._tables[index].get(table_key(value), f"{INVALID}{value}")
            return tabled
        return value if table_key(value) in self._inverses[index] else f"{INVALID}{value}"

    def required(self) -> Mapping[str, str]:
        """What Salesforce gets on a create in required fields without a value."""
        return self._fallbacks


class _Reader:
    """Reads the mapped fields of all records of one layout: what each needs is known before.

    Args:
        places: Where the value of each mapped field is; one behind the last where it is missing.
        phones: Places in the mapping, and in the record, of phone fields.
        phones_behind: Those of the ones behind a relationship, which may not be known.
        blanks: Places in the mapping whose value counts as blank, with that value.
        tables: Places in the mapping of fields with a table of values, and how that is read.
        emails: Places in the mapping of e-mail addresses.
    """

    def __init__(
        self,
        *,
        places: list[int],
        phones: list[tuple[int, int]],
        phones_behind: list[tuple[int, int]],
        blanks: list[tuple[int, str]],
        tables: list[tuple[int, Callable[[Value], Value]]],
        emails: list[int],
    ) -> None:
        self._places = places
        self._phones = phones
        self._phones_behind = phones_behind
        self._all_phones = [*phones, *phones_behind]
        self._blanks = blanks
        self._tables = tables
        self._emails = emails

    def read(self, record: Delivered) -> Held:
        """The mapped values of one record."""
        delivered = [*record.values, UNSET]
        values: list[Any] = [
            # Most texts are in their form already: see `text`.
            value
            if value is None
            or (
                value.__class__ is str
                and value
                and value.isascii()
                and value.strip() is value
                and value.isprintable()
                and value != NO_VALUE
            )
            else text(value)
            for value in [delivered[place] for place in self._places]
        ]
        for index, place in self._phones:
            values[index] = record.numbers.get(place)
        for index, place in self._phones_behind:
            if values[index] is not UNSET:
                values[index] = record.numbers.get(place)
        for index, blank in self._blanks:
            if values[index] == blank:
                values[index] = None
        for index, tabled in self._tables:
            if values[index] is not None and values[index] is not UNSET:
                values[index] = tabled(values[index])
        return Held(values, self._compared(values))

    def _compared(self, values: list[Any]) -> list[Any]:
        """Values as they are compared; the same list where that makes no difference."""
        compared = values
        for index in self._emails:
            folded = canonical("email", values[index])
            if folded != values[index]:
                compared = compared.copy() if compared is values else compared
                compared[index] = folded
        for index, _ in self._all_phones:
            number = values[index]
            if number.__class__ is str and (matched := match_number(number)) != number:
                compared = compared.copy() if compared is values else compared
                compared[index] = matched
        return compared


class _Copyist:
    """Copies values to a new record across, for all records of one layout.

    Args:
        texts: Place in the record, field across, kind, longest value and the value that counts as
            blank, of each field with texts.
        phones: Place in the record, field across and longest value of each phone field whose
            canonical number is sent.
        others: Place in the mapping and field across of what needs more than that.
    """

    def __init__(
        self,
        texts: list[tuple[int, str, Kind, int | None, str | None]],
        phones: list[tuple[int, str, int]],
        others: list[tuple[int, str]],
    ) -> None:
        self._texts = [
            # An address is looked at whatever its length.
            (*one, -1 if one[2] == "email" else sys.maxsize if one[3] is None else one[3])
            for one in texts
        ]
        self._phones = phones
        self.others: Final = others

    def copy(self, record: Delivered) -> tuple[dict[str, Value], list[tuple[str, SkipReason]]]:
        """Texts and numbers as they are sent, and the fields that cannot hold theirs."""
        _, values, numbers = record
        sent: dict[str, Value] = {}
        skips: list[tuple[str, SkipReason]] = []
        for place, field, kind, longest, blank, unseen in self._texts:
            value: Any = values[place]
            if value is None:
                continue
            # Most texts are in their form already: see `text`.
            if not (
                value.__class__ is str
                and value.isascii()
                and value.strip() is value
                and value.isprintable()
                and value != NO_VALUE
                and value
            ):
                value = text(value)
                if value is None or value is UNSET:
                    continue
            if value == blank:
                continue
            if value.__class__ is str and len(value) > unseen:
                reason = unholdable(kind, value, longest)
                if reason is not None:
                    skips.append((field, reason))
                    continue
            sent[field] = value
        self._copy_numbers(numbers, sent, skips)
        return sent, skips

    def _copy_numbers(
        self,
        numbers: Mapping[int, str],
        sent: dict[str, Value],
        skips: list[tuple[str, SkipReason]],
    ) -> None:
        for place, field, longest in self._phones:
            number = numbers.get(place)
            if number is None:
                continue
            if number[0] == INVALID:
                skips.append((field, "invalid_phone"))
            elif len(number) > longest:
                skips.append((field, "value_too_long"))
            else:
                sent[field] = number


def _may(row: FieldMapping, settings: Settings, to: Side) -> bool:
    return allows(row.direction, to) and allows(settings.sync_direction, to)
