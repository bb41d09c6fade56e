"""From a record as the tap delivered it to an observation: what the rules need to know of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from importlib.metadata import version
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
import phonenumbers

from reconciler.errors import ReconcilerError
from reconciler.fields.canonical import fold_name, is_blank, text
from reconciler.fields.countries import region_of
from reconciler.fields.defaults import (
    BOOKKEEPING,
    DEFAULT_MAPPINGS,
    IDENTITY,
    LENGTHS,
    MATCHING_PHONES,
    PHONEIQ_KINDS,
    FieldMapping,
)
from reconciler.fields.ids import salesforce_id
from reconciler.fields.phones import canonical_phone, is_valid, kept_number, match_number
from reconciler.ledger.rows import text_key
from reconciler.model import PHONEIQ, SALESFORCE, Observation, Side, Sighting
from reconciler.rules.eligibility import UNPAIRABLE, salesforce_skip
from reconciler.settings import Settings

#: By phone field, its text as it was delivered and the canonical number that was read in it.
PhoneTexts: TypeAlias = Mapping[str, tuple[Any, str]]

#: What reads records beside the settings: another version may read them differently.
_READERS: Final = (
    version("contact-sync-reconciler"),
    phonenumbers.__version__,
    unicodedata.unidata_version,
)


#: Fields that name records or moments.
_TEXTS: Final[dict[Side, tuple[str, ...]]] = {
    SALESFORCE: (
        "Id", "CreatedDate", "MasterRecordId", "ConvertedContactId", "AccountId",
        "PersonContactId",
    ),
    PHONEIQ: ("id", "created_at", "salesforce_id"),
}  # fmt: skip

#: What is no value of a field by itself.
_CONTAINERS: Final[Mapping[type, str]] = {dict: "an object", list: "an array"}
#: Fields that hold one text; others, such as `tags`, may hold an array.
_ONE_TEXT: Final = frozenset(PHONEIQ_KINDS).union(*LENGTHS.values())

#: Characters of an id that a message repeats.
_LONGEST_ID: Final = 40
#: What to do about a record that cannot be read.
_LOOK: Final = "Nothing was written; look at what the tap sends, and run the job again"


class _SalesforceId(msgspec.Struct):
    Id: str


class _PhoneIQId(msgspec.Struct):
    id: str


class _Shape(NamedTuple):
    """What is the same for all records of an object that come with the same fields.

    Attributes:
        fields: The fields that are kept, sorted.
        phones: Field, position in `fields` and whether it can pair records, of each mapped phone
            field, in the order of the mapping.
        country: The field that names the region of its numbers, or None.
        email: The field with its e-mail address, or None.
    """

    fields: tuple[str, ...]
    phones: list[tuple[str, int, bool]]
    country: str | None
    email: str | None


class Observer:
    """Reads the records of one side.

    Args:
        side: The side that the records come from.
        settings: The settings of the run.
    """

    _decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
    _salesforce_id: Final = msgspec.json.Decoder(_SalesforceId).decode
    _phoneiq_id: Final = msgspec.json.Decoder(_PhoneIQId).decode

    def __init__(self, side: Side, settings: Settings) -> None:
        self._side = side
        self._settings = settings
        rules = "\0".join((settings.fingerprint, *_READERS))
        self._rules: Final = blake2b(rules.encode(), digest_size=16).digest()
        # A field may be mapped from behind a relationship, too.
        mapped = {
            field
            for rows in settings.mappings.values()
            for row in rows
            for field in (row.salesforce.rpartition(".")[2], row.phoneiq)
        }
        self._mapped: Final = frozenset(
            row.salesforce.rpartition(".")[2] if side == SALESFORCE else row.phoneiq
            for rows in settings.mappings.values()
            for row in rows
        )
        self._left_out: Final = BOOKKEEPING.union(set(IDENTITY[side]) - mapped)
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        all_mappings = {str(name): rows for name, rows in settings.field_mappings}
        self._account_mapping: Final = all_mappings.get("Account", DEFAULT_MAPPINGS["Account"])
        self._shown_on_contacts: Final = frozenset(
            row.related[1]
            for rows in settings.mappings.values()
            for row in rows
            if row.related and row.kind == "phone"
        )

    def sight(
        self, delivered: Iterable[tuple[str, msgspec.Raw]], before: int = 0
    ) -> dict[str, Sighting]:
        """Who is there, by id; nothing else is read.

        Args:
            delivered: Stream and record in the order of their arrival; a later one of a record
                wins.
            before: Records that came before them, to name one without an id by its number.

        Raises:
            ReconcilerError: A record has no id.
        """
        newest: dict[str, tuple[str, msgspec.Raw]] = {}
        try:
            if self._side == SALESFORCE:
                identify = self._salesforce_id
                for one in delivered:
                    id_ = identify(one[1]).Id
                    newest[id_ if len(id_) == 18 else salesforce_id(id_)] = one
            else:
                identify_contact = self._phoneiq_id
                for one in delivered:
                    newest[identify_contact(one[1]).id] = one
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._without_id(delivered, before) from None
        rules = self._rules
        number = int.from_bytes
        return {
            id_: Sighting(
                stream,
                id_,
                record,
                number(blake2b(record, digest_size=8, person=rules).digest(), "big", signed=True),
            )
            for id_, (stream, record) in newest.items()
        }

    def look(self, sighting: Sighting, before: PhoneTexts | None = None) -> Observation:
        """Read a record as it came.

        Args:
            sighting: The record.
            before: What the ledger holds of its phone fields, if it knows the record.

        Raises:
            ReconcilerError: It is not a Singer record.
        """
        record = self.decode(sighting.stream, sighting.record)
        self._check_kinds(sighting, record)
        stream, id_, digest = sighting.stream, sighting.id, sighting.digest
        try:
            if self._side == SALESFORCE:
                return self._salesforce(stream, id_, record, digest, before)
            return self._phoneiq(id_, record, digest, before)
        except (AttributeError, TypeError):
            fields = ", ".join(
                f"'{field}'" for field in sorted(self._mapped) if _is_odd(record.get(field))
            )
            raise _unreadable(
                stream, id_, f"a text is expected in {fields or 'its fields'}"
            ) from None

    def decode(self, stream: str, record: msgspec.Raw) -> dict[str, Any]:
        """A record's fields.

        Args:
            stream: The stream that it came with.
            record: Its JSON.

        Raises:
            ReconcilerError: It is not a Singer record.
        """
        try:
            return self._decode(record)
        except UnicodeDecodeError:
            reason = "it is not in UTF-8"
        except RecursionError:
            reason = "it is nested too deeply"
        except msgspec.DecodeError as error:
            reason = str(error)
        raise _unreadable(stream, self._id_of(record), reason)

    def _id_of(self, record: msgspec.Raw) -> str | None:
        """A record's id, or None where it cannot be read."""
        try:
            if self._side == SALESFORCE:
                return self._salesforce_id(record).Id
            return self._phoneiq_id(record).id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None

    def _without_id(
        self, delivered: Iterable[tuple[str, msgspec.Raw]], before: int
    ) -> ReconcilerError:
        """Names the first record whose id cannot be read."""
        number, stream = next(
            (number, stream)
            for number, (stream, record) in enumerate(delivered, before + 1)
            if self._id_of(record) is None
        )
        return ReconcilerError(
            f"record {number:,} of the input, of stream '{stream}', has no "
            f"'{IDENTITY[self._side][0]}' that is a text. {_LOOK}"
        )

    def _check_kinds(self, sighting: Sighting, record: Mapping[str, Any]) -> None:
        """Refuse values of kinds that no field of their platform has.

        Raises:
            ReconcilerError: Names the record and the field.
        """
        texts = _TEXTS[self._side]
        for field in texts:
            value = record.get(field)
            if value is not None and (type(value) is not str or "\0" in value):
                raise _unreadable(sighting.stream, sighting.id, f"field '{field}' is not a text")
        if _CONTAINERS.keys().isdisjoint(map(type, record.values())):
            # As in most records: to look at each mapped field would take six times as long.
            return
        for field in self._mapped:
            found = _CONTAINERS.get(type(record.get(field)))
            if found == "an object" or (found and field in _ONE_TEXT):
                raise _unreadable(
                    sighting.stream, sighting.id, f"field '{field}' is {found}, not a value"
                )

    def read(self, stream: str, record: Mapping[str, Any], before: PhoneTexts) -> Observation:
        """Read a record again that the ledger holds.

        Args:
            stream: The stream, or the object, that it came with.
            record: Its fields.
            before: What the ledger holds of its phone fields.

        Raises:
            KeyError: The record has no id.
        """
        if self._side == SALESFORCE:
            return self._salesforce(stream, salesforce_id(record["Id"]), record, None, before)
        return self._phoneiq(record["id"], record, None, before)

    def _salesforce(
        self,
        stream: str,
        id_: str,
        record: Mapping[str, Any],
        digest: int | None,
        before: PhoneTexts | None,
    ) -> Observation:
        settings = self._settings
        get = record.get
        name = stream
        if stream in {"Account", "PersonAccount"}:
            name = "PersonAccount" if get("IsPersonAccount") else "Account"
        shape = self._shape(name, record)
        deleted = bool(get("IsDeleted") or get("_sdc_deleted_at"))
        first_name, last_name = get("FirstName"), self._real_name(get("LastName"))
        numbers = self._numbers(record, shape, before)
        valid = matching_numbers(shape.phones, numbers)
        skip = (
            None
            if deleted
            else salesforce_skip(name, record, objects=settings.objects, has_phone=bool(valid))
        )
        related = get("AccountId" if name == "Contact" else "PersonContactId") or None
        successor = get("MasterRecordId") or get("ConvertedContactId")
        if name == "Contact" and get("IsPersonAccount") and not deleted:
            # Whatever leads to the shadow means the person.
            successor = related
        return Observation(
            SALESFORCE,
            name,
            id_,
            fold_name(get("Name")) if name == "Account" else fold_name(first_name, last_name),
            _email(record, shape),
            _external_id(record, settings.salesforce_external_id_field),
            salesforce_id(successor) if successor else None,
            salesforce_id(related) if related else None,
            get("CreatedDate") or "",
            _stamp(get("SystemModstamp")),
            digest,
            deleted,
            skip,
            shape.fields,
            [record[field] for field in shape.fields],
            numbers,
            () if deleted or skip in UNPAIRABLE else tuple(valid),
            _is_full(first_name, last_name),
        )

    def _real_name(self, last_name: Any) -> Any:
        """A last name, but for the text that stands for none."""
        return None if last_name == self._settings.last_name_fallback else last_name

    def _phoneiq(
        self, id_: str, record: Mapping[str, Any], digest: int | None, before: PhoneTexts | None
    ) -> Observation:
        get = record.get
        shape = self._shape("", record)
        deleted = bool(get("deleted_at") or get("_sdc_deleted_at"))
        last_name = self._real_name(get("last_name"))
        numbers = self._numbers(record, shape, before)
        valid = matching_numbers(shape.phones, numbers)
        reference = get("salesforce_id")
        return Observation(
            PHONEIQ,
            "Contact",
            id_,
            fold_name(get("first_name"), last_name),
            _email(record, shape),
            salesforce_id(reference) if reference else None,
            None,
            None,
            get("created_at") or "",
            _stamp(get("updated_at")),
            digest,
            deleted,
            None,
            shape.fields,
            [record[field] for field in shape.fields],
            numbers,
            () if deleted else tuple(valid),
            _is_full(get("first_name"), last_name),
        )

    def _shape(self, name: str, record: Mapping[str, Any]) -> _Shape:
        """The shape of a record of a Salesforce object, or with an empty name of a contact."""
        key = (name, *record)
        shape = self._shapes.get(key)
        if shape is None:
            shape = self._shapes[key] = self._new_shape(name, record)
        return shape

    def _new_shape(self, name: str, record: Mapping[str, Any]) -> _Shape:
        fields = tuple(
            sorted(
                field
                for field in record
                if field not in self._left_out and not field.startswith("_sdc_")
            )
        )
        mappings = self._settings.mappings
        if name:
            rows = mappings.get(name, ())
            phones = _phone_fields(rows, salesforce=True)
            if name in {"Account", "PersonAccount"}:
                # Contacts may show a number of their Account, which its own country tells.
                rows = rows or self._account_mapping
                phones |= dict.fromkeys(self._shown_on_contacts.difference(phones), False)
            country = next((row.salesforce for row in rows if row.phoneiq == "country"), None)
            email = next((row.salesforce for row in rows if row.kind == "email"), None)
        else:
            phones = {
                field: match
                for rows in mappings.values()
                for field, match in _phone_fields(rows, salesforce=False).items()
            }
            country, email = "country", "email"
        return _Shape(
            fields,
            [
                (field, fields.index(field), match)
                for field, match in phones.items()
                if field in fields
            ],
            country,
            email,
        )

    def _numbers(
        self, record: Mapping[str, Any], shape: _Shape, before: PhoneTexts | None
    ) -> dict[int, str]:
        """Canonical numbers by position; a text that has stayed the same keeps its number."""
        numbers: dict[int, str] = {}
        region: str | None = None
        is_known = False
        for field, position, _ in shape.phones:
            raw = record[field]
            if not raw:
                continue
            if not is_known:
                country = record.get(shape.country) if shape.country else None
                region = region_of(_as_text(country), self._settings.default_region)
                is_known = True
            number = canonical_phone(str(raw), region)
            if before and field in before:
                text_before, number_before = before[field]
                if text_before == raw:
                    number = kept_number(str(raw), number_before, number)
            if number is not None:
                numbers[position] = number
        return numbers


def matching_numbers(phones: Iterable[tuple[str, int, bool]], numbers: dict[int, str]) -> list[str]:
    """The numbers that can pair a record: valid, in the form of matching, each of them once.

    Args:
        phones: Field, position and whether it can pair records, of each mapped phone field.
        numbers: Canonical numbers by position.
    """
    found: dict[str, None] = {}
    for _, position, can_pair in phones:
        number = numbers.get(position)
        if can_pair and number is not None and is_valid(number):
            found[match_number(number)] = None
    return list(found)


def _is_full(first_name: Any, last_name: Any) -> bool:
    return _shows(first_name) and _shows(last_name)


def _shows(name: Any) -> bool:
    return isinstance(name, str) and not is_blank(name)


def _as_text(value: Any) -> str | None:
    return None if value is None else str(value)


def _unreadable(stream: str, id_: str | None, reason: str) -> ReconcilerError:
    named = f"record {id_[:_LONGEST_ID]}" if id_ and id_.isprintable() else "a record"
    return ReconcilerError(f"{named} of stream '{stream}' cannot be read: {reason}. {_LOOK}")


def _is_odd(value: Any) -> bool:
    """Whether a value is neither missing nor a text."""
    return value is not None and not isinstance(value, str)


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


def _stamp(changed_at: object) -> int | None:
    return text_key(str(changed_at)) if changed_at else None


def _email(record: Mapping[str, Any], shape: _Shape) -> str | None:
    value = text(record.get(shape.email)) if shape.email else None
    return value.casefold() if isinstance(value, str) else None
