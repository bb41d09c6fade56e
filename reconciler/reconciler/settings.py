"""Every setting, its check and the fingerprint."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import phonenumbers
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from reconciler.errors import SettingsError
from reconciler.fields.canonical import table_key, text
from reconciler.fields.defaults import (
    DEFAULT_MAPPINGS,
    MATCHING_PHONES,
    PHONEIQ_KINDS,
    PHONEIQ_READ_ONLY,
    REQUIRED,
    FieldMapping,
    is_read_only,
    phoneiq_kind,
    salesforce_kind,
    stream_of,
)
from reconciler.model import (
    PHONEIQ,
    SALESFORCE,
    Direction,
    SalesforceObject,
    Side,
    Winner,
    allows,
    other,
)

Pipe: TypeAlias = Literal[
    "observe-phoneiq", "observe-salesforce", "salesforce-to-phoneiq", "phoneiq-to-salesforce"
]
SharedPhone: TypeAlias = Literal["reject", "allow"]
OnDelete: TypeAlias = Literal["keep", "propagate"]
OnNameMismatch: TypeAlias = Literal["merge", "skip"]
PhoneFormat: TypeAlias = Literal["e164", "international", "national"]

#: The side that each pipe reads.
READS: Final[dict[Pipe, Side]] = {
    "observe-phoneiq": PHONEIQ,
    "observe-salesforce": SALESFORCE,
    "salesforce-to-phoneiq": SALESFORCE,
    "phoneiq-to-salesforce": PHONEIQ,
}

#: The pipes that store what their side shows, and write nothing.
OBSERVING: Final[frozenset[Pipe]] = frozenset({"observe-phoneiq", "observe-salesforce"})

#: What singer-sdk itself may put into a plugin's configuration.
_SDK_SETTINGS: Final = frozenset(
    {
        "stream_maps",
        "stream_map_config",
        "faker_config",
        "flattening_enabled",
        "flattening_max_depth",
        "flattening_max_key_length",
        "flattening_separator",
        "flattening_custom_separator",
    }
)

SYNCED_OBJECTS: Final[tuple[SalesforceObject, ...]] = get_args(SalesforceObject)


#: What to do about a field of a default mapping that the org does not show.
HIDDEN: Final = (
    "%s is mapped by default, but the user of tap-salesforce may not see it: it is left as it is "
    "on both sides. To sync it, give that user Read Access to it under field-level security in "
    "Salesforce"
)

#: Grows when values are read otherwise than before: the ledger's records are read again then.
_READING: Final = 2

#: How much a plan may do without approval, and how many writes may be parked.
_LIMITS: Final = (
    "max_delete_percent",
    "max_clear_percent",
    "max_update_percent",
    "max_rejects_percent",
)

#: What `ledger_url` may be, as messages say it.
_LEDGERS: Final = "allowed is sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE"


@dataclass(frozen=True)
class Settings:
    """The checked settings of one run.

    Attributes are named after the settings; see `JSON_SCHEMA` for what each one means.
    """

    mode: Pipe
    ledger_url: str
    sync_direction: Direction = "both"
    on_conflict: Winner = "keep_salesforce"
    objects: tuple[SalesforceObject, ...] = ("Contact", "Lead")
    default_object: SalesforceObject = "Contact"
    field_mappings: tuple[tuple[SalesforceObject, tuple[FieldMapping, ...]], ...] = tuple(
        DEFAULT_MAPPINGS.items()
    )
    default_region: str = "US"
    shared_phone: SharedPhone = "reject"
    on_name_mismatch: OnNameMismatch = "merge"
    on_delete: OnDelete = "keep"
    max_delete_percent: float = 10.0
    max_clear_percent: float = 10.0
    max_update_percent: float = 50.0
    max_rejects_percent: float = 1.0
    salesforce_external_id_field: str | None = None
    salesforce_phone_format: PhoneFormat = "e164"
    last_name_fallback: str = "[not provided]"
    lead_company_fallback: str = "[not provided]"
    dry_run: bool = False
    notify_url: str | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Settings:
        """Check a configuration.

        Args:
            config: As Meltano gives it: arrays and objects as such or as JSON text.

        Raises:
            SettingsError: Names the first setting that is wrong, its value and what is allowed.
        """
        known = JSON_SCHEMA["properties"]
        for name in config:
            if name not in known and name not in _SDK_SETTINGS:
                raise SettingsError(f"unknown setting '{name}'{_did_you_mean(name, known)}")
        given = {
            name: value for name, value in config.items() if name in known and value is not None
        }
        for name in ("mode", "ledger_url"):
            if not given.get(name):
                raise SettingsError(f"setting '{name}' is missing: {known[name]['description']}")
        checked: dict[str, Any] = {}
        for name, value in given.items():
            checked[name] = _check(name, value, known[name])
        if "default_object" not in checked:
            able: tuple[SalesforceObject, ...] = ("Contact", "Lead")
            objects = checked.get("objects", cls.objects)
            checked["default_object"] = next((one for one in objects if one in able), "Contact")
        settings = cls(**checked)
        settings.check_default_object()
        settings.check_required_fields()
        settings.check_eligible_fields()
        settings.check_external_id_field()
        return settings

    @cached_property
    def mappings(self) -> dict[str, tuple[FieldMapping, ...]]:
        """The field mappings by object, for the objects that are synced."""
        return {name: rows for name, rows in self.field_mappings if name in self.objects}

    @cached_property
    def fingerprint(self) -> str:
        """Changes when a setting changes that a plan depends on, or the way values are read."""
        text = json.dumps([_READING, self.as_config()], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def rules_fingerprint(self) -> str:
        """Changes when a setting changes that decides what is written, not how much may be."""
        config = self.as_config()
        for name in _LIMITS:
            del config[name]
        return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:16]

    def as_config(self) -> dict[str, Any]:
        """The settings that a plan depends on, in the form that `from_config` takes."""
        config = asdict(self)
        for name in ("mode", "ledger_url", "dry_run", "notify_url"):
            del config[name]
        config["objects"] = list(self.objects)
        config["field_mappings"] = {
            name: [row._asdict() | {"values": dict(row.values)} for row in rows]
            for name, rows in self.field_mappings
        }
        return config

    @cached_property
    def reads(self) -> Side:
        """The side that this pipe reads."""
        return READS[self.mode]

    @cached_property
    def writes(self) -> Side | None:
        """The side that this pipe writes to; None where it only stores."""
        if self.mode in OBSERVING:
            return None
        to = other(self.reads)
        return to if allows(self.sync_direction, to) else None

    @cached_property
    def needed_streams(self) -> dict[Side, list[str]]:
        """By side, the streams without which it is not observed completely."""
        return {
            PHONEIQ: ["contacts"],
            SALESFORCE: sorted({stream_of(name) for name in self.objects}),
        }

    def fallbacks(self, name: str) -> dict[str, str]:
        """What Salesforce gets in required fields of an object where PhoneIQ has nothing."""
        texts = {"LastName": self.last_name_fallback, "Company": self.lead_company_fallback}
        return {field: texts[field] for field in REQUIRED[name] if field in texts}

    def check_fields(self, side: Side, name: str, fields: Collection[str]) -> list[str]:
        """Refuse mappings of fields that a side does not have.

        Args:
            side: The side that the fields are of.
            name: The Salesforce object whose mappings are checked.
            fields: All fields of the side's stream.

        Returns:
            Salesforce fields of default mappings that the org does not show: field-level security
            hides them. They are left as they are.

        Raises:
            SettingsError: Names the object and the field.
        """
        where = f"Salesforce's {name}" if side == SALESFORCE else "PhoneIQ's contact"
        rows = self.mappings.get(name, ())
        may_be_hidden = side == SALESFORCE and rows == DEFAULT_MAPPINGS[_object(name)]
        hidden: list[str] = []
        for row in rows:
            field = row.phoneiq
            if side == SALESFORCE:
                field = row.related[0] if row.related else row.salesforce
            if field in fields:
                continue
            if may_be_hidden and field not in {"FirstName", *REQUIRED[name]}:
                hidden.append(field)
            else:
                raise SettingsError(
                    f"setting 'field_mappings': {name}: {where} has no field '{field}'"
                    f"{_did_you_mean(field, sorted(fields))}"
                )
        external_id = self.salesforce_external_id_field
        if side == SALESFORCE and name in self.objects and external_id not in {None, *fields}:
            raise SettingsError(
                f"setting 'salesforce_external_id_field' is {external_id}: {where} has no such "
                "field, or the user of tap-salesforce may not read it; make it in Salesforce as an "
                "external id (text, unique) and give that user Read Access to it under field-level "
                "security, or leave the setting out"
            )
        return hidden

    def check_related_fields(self, fields: Collection[str]) -> None:
        """Refuse mappings of Account fields, on a Contact, that Salesforce does not have.

        Args:
            fields: All fields of the Account stream.

        Raises:
            SettingsError: Names the field.
        """
        for row in self.mappings.get("Contact", ()):
            if row.related and row.related[1] not in fields:
                raise SettingsError(
                    f"setting 'field_mappings': Contact: Salesforce's Account has no field "
                    f"'{row.related[1]}'{_did_you_mean(row.related[1], sorted(fields))}"
                )

    def mapped_fields(self, stream: str, name: str | None = None) -> set[str]:
        """The fields of a stream that mappings read.

        Args:
            stream: A Salesforce object's stream, or `contacts`.
            name: For a Salesforce stream, the one object whose mappings count.
        """
        if stream == "contacts":
            return {row.phoneiq for rows in self.mappings.values() for row in rows}
        fields = {
            row.related[0] if row.related else row.salesforce
            for one in self.objects_in(stream)
            if name in {None, one}
            for row in self.mappings[one]
        }
        if stream == "Account" and name != "PersonAccount":
            fields |= {row.related[1] for row in self.mappings.get("Contact", ()) if row.related}
        return fields

    def renamed_keys(self, before: str, after: str) -> dict[str, str]:
        """Mapping key of one object by that of another, where both map the same PhoneIQ field."""
        rows = {str(name): rows for name, rows in self.field_mappings}
        keys = {row.phoneiq: row.key for row in rows[after]}
        return {row.key: keys[row.phoneiq] for row in rows[before] if row.phoneiq in keys}

    def objects_in(self, stream: str) -> list[SalesforceObject]:
        """The synced objects whose records are in a Salesforce stream."""
        return [name for name in self.objects if stream_of(name) == stream]

    def check_default_object(self) -> None:
        """Refuse a default object that is not synced.

        Raises:
            SettingsError: Names both settings.
        """
        able = [name for name in self.objects if name in {"Contact", "Lead"}]
        if able and self.default_object not in able and allows(self.sync_direction, SALESFORCE):
            raise SettingsError(
                f"setting 'default_object' is {self.default_object}, which is not in 'objects' "
                f"({', '.join(self.objects)}): no PhoneIQ contact could be created in Salesforce. "
                f"Set 'default_object' to {able[0]}, or add {self.default_object} to 'objects'"
            )

    def check_eligible_fields(self) -> None:
        """Refuse mappings with which no record of an object could ever be synced.

        Raises:
            SettingsError: Names the object and what is missing.
        """
        if not allows(self.sync_direction, PHONEIQ) and self.salesforce_external_id_field:
            return
        for name, rows in self.mappings.items():
            if not any(row.phoneiq in MATCHING_PHONES for row in rows):
                raise SettingsError(
                    f"setting 'field_mappings': {name} has no phone number, so none of its records "
                    "could be synced; map one of its phone fields to one of "
                    f"{', '.join(sorted(MATCHING_PHONES))}"
                )
            if name != "Account" and not any(row.salesforce == "FirstName" for row in rows):
                raise SettingsError(
                    f"setting 'field_mappings': {name} has no FirstName; only records with a first "
                    "name are synced: map FirstName to 'first_name'"
                )

    def check_required_fields(self) -> None:
        """Refuse mappings that leave a required Salesforce field without a feed.

        Raises:
            SettingsError: Names the object and the field.
        """
        if not allows(self.sync_direction, SALESFORCE):
            return
        for name, rows in self.mappings.items():
            fed = {row.salesforce for row in rows if allows(row.direction, SALESFORCE)}
            # Companies never travel to Salesforce: a Lead gets its fallback, and an Account is
            # never created from a contact, but for a mapping of its own.
            for field in REQUIRED[name]:
                if field not in fed and field not in {"Company", "Name"}:
                    raise SettingsError(
                        f"setting 'field_mappings': Salesforce requires {name}.{field}, and no "
                        "mapping towards Salesforce feeds it; map it from 'last_name' with "
                        "direction 'both' or 'phoneiq_to_salesforce'"
                    )

    def check_external_id_field(self) -> None:
        """Refuse a mapping that writes the field in which the PhoneIQ contact id is kept.

        Raises:
            SettingsError: Names the object and the field.
        """
        for name, rows in self.mappings.items():
            for row in rows:
                if row.salesforce == self.salesforce_external_id_field and allows(
                    row.direction, SALESFORCE
                ):
                    raise SettingsError(
                        f"setting 'field_mappings': {name}: a mapping writes '{row.salesforce}', "
                        "which holds the PhoneIQ contact id as 'salesforce_external_id_field' says"
                    )


def _did_you_mean(word: str, allowed: Any) -> str:
    close = get_close_matches(word, list(allowed), n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; allowed are {', '.join(allowed)}"


def _wrong(name: str, value: Any, allowed: str) -> SettingsError:
    return SettingsError(f"setting '{name}' is {json.dumps(value, default=str)}; {allowed}")


def _check(name: str, value: Any, schema: Mapping[str, Any]) -> Any:
    """One setting's value in the type that `Settings` holds."""
    if "enum" in schema:
        if value not in schema["enum"]:
            raise _wrong(name, value, f"allowed are {', '.join(schema['enum'])}")
        return value
    if name in _CHECKS:
        return _CHECKS[name](name, value)
    return _text_in(name, value)


def _text_in(name: str, value: Any) -> Any:
    if value == "" and name in {"salesforce_external_id_field", "notify_url"}:
        return None
    if not isinstance(value, str) or not value.strip():
        raise _wrong(name, value, "it has to be a text that is not blank")
    return value


def _from_json(name: str, value: Any) -> Any:
    """Arrays and objects arrive as JSON text from the environment."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        raise _wrong(name, value, f"it has to be JSON ({error})") from None


def _percent(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= 100:
        raise _wrong(name, value, "it has to be a number from 0 to 100")
    return number


def _flag(name: str, value: Any) -> bool:
    flags = {
        "true": True,
        "1": True,
        "yes": True,
        "false": False,
        "0": False,
        "no": False,
        "": False,
    }
    flag = flags.get(str(value).strip().lower())
    if flag is None:
        raise _wrong(name, value, "allowed are true and false")
    return flag


def _region(name: str, value: Any) -> Any:
    value = _text_in(name, value)
    if value.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise _wrong(name, value, "it has to be a two-letter country code such as US or DE")
    return value.upper()


def _hook(name: str, value: Any) -> Any:
    value = _text_in(name, value)
    if value is not None and not value.startswith(("https://", "http://")):
        # The value is a secret, so it is not repeated.
        raise SettingsError(f"setting '{name}' is not a URL that starts with https://")
    return value


def _url(name: str, value: Any) -> Any:
    value = _text_in(name, value)
    try:
        url = make_url(value)
    except ArgumentError:
        # The value may hold a password, so it is not repeated.
        raise SettingsError(f"setting '{name}' is not a database URL; {_LEDGERS}") from None
    if url.drivername in {"postgresql", "postgresql+psycopg"}:
        return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)
    if url.drivername != "sqlite" or not url.database or url.database == ":memory:":
        raise SettingsError(f"setting '{name}' names a {url.drivername} database; {_LEDGERS}")
    return value


def _objects(setting: str, value: Any) -> tuple[SalesforceObject, ...]:
    value = _from_json(setting, value)
    if not isinstance(value, list) or not value:
        raise _wrong(setting, value, f"it has to be a list of {', '.join(SYNCED_OBJECTS)}")
    for name in value:
        if name not in SYNCED_OBJECTS:
            raise _wrong(setting, value, f"'{name}' is none of {', '.join(SYNCED_OBJECTS)}")
    if len(set(value)) != len(value):
        raise _wrong(setting, value, "each object may be named once")
    return tuple(value)


def _field_mappings(
    setting: str, value: Any
) -> tuple[tuple[SalesforceObject, tuple[FieldMapping, ...]], ...]:
    """Mappings by object; an object that is not named keeps its defaults."""
    value = _from_json(setting, value)
    if not isinstance(value, dict):
        raise _wrong(
            setting,
            value,
            "it has to be an object with a list of {salesforce, phoneiq, direction} for each "
            "Salesforce object",
        )
    mappings = dict(DEFAULT_MAPPINGS)
    for name, rows in value.items():
        if name not in SYNCED_OBJECTS:
            raise SettingsError(
                f"setting 'field_mappings': '{name}' is none of {', '.join(SYNCED_OBJECTS)}"
            )
        if not isinstance(rows, list) or not rows:
            raise SettingsError(
                f"setting 'field_mappings': {name} has to be a list of "
                "{salesforce, phoneiq, direction}"
            )
        checked = tuple(_field_mapping(name, row) for row in rows)
        _check_feeds(name, checked)
        mappings[cast("SalesforceObject", name)] = checked
    return tuple(mappings.items())


def _field_mapping(name: str, row: Any) -> FieldMapping:
    where = f"setting 'field_mappings': {name}: {json.dumps(row, default=str)}"
    if not isinstance(row, dict):
        raise SettingsError(f"{where} has to be an object {{salesforce, phoneiq, direction}}")
    unknown = set(row) - {"salesforce", "phoneiq", "direction", "values"}
    if unknown:
        raise SettingsError(
            f"{where}: unknown key '{min(unknown)}'; allowed are salesforce, phoneiq, direction, "
            "values"
        )
    for key in ("salesforce", "phoneiq"):
        if not isinstance(row.get(key), str) or not row[key].strip():
            raise SettingsError(f"{where}: '{key}' has to name a field")
    direction = row.get("direction", "both")
    if direction not in get_args(Direction):
        raise SettingsError(
            f"{where}: direction '{direction}' is none of {', '.join(get_args(Direction))}"
        )
    mapping = FieldMapping(
        row["salesforce"].strip(), row["phoneiq"].strip(), direction, _values(where, row)
    )
    if mapping.related and not (
        name == "Contact" and re.fullmatch(r"Account\.\w+", mapping.salesforce)
    ):
        raise SettingsError(
            f"{where}: '{mapping.salesforce}' is behind a relationship; allowed is Account.FIELD "
            "on a Contact"
        )
    _check_destinations(where, name, mapping)
    _check_kinds(where, name, mapping)
    return mapping


def _check_kinds(where: str, name: str, mapping: FieldMapping) -> None:
    """Refuse to map fields of different kinds, such as a phone number into an e-mail address."""
    if mapping.values:
        return
    field = mapping.related[1] if mapping.related else mapping.salesforce
    one = salesforce_kind("Account" if mapping.related else name, field)
    two = phoneiq_kind(mapping.phoneiq)
    if one is None or two is None or one == two:
        return
    if one == "id":
        advice = (
            f"for the name of the Account, map {field.removesuffix('Id')}.Name"
            if field == "AccountId" and name == "Contact"
            else "map it into a custom field"
        )
        raise SettingsError(
            f"{where}: {name}.{mapping.salesforce} is an id, not what '{mapping.phoneiq}' shows; "
            f"{advice}"
        )
    fitting = [known for known in PHONEIQ_KINDS if PHONEIQ_KINDS[known] == one]
    raise SettingsError(
        f"{where}: {name}.{mapping.salesforce} is {_A_KIND[one]}, '{mapping.phoneiq}' is "
        f"{_A_KIND[two]}; allowed are {', '.join(fitting) or 'custom fields'}"
    )


_A_KIND: Final = {
    "phone": "a phone number",
    "email": "an e-mail address",
    "text": "a text",
    "date": "a date",
    "flag": "a checkbox",
}


def _object(name: str) -> SalesforceObject:
    return cast("SalesforceObject", name)


def _check_destinations(where: str, name: str, mapping: FieldMapping) -> None:
    """Refuse what neither side lets a mapping write."""
    if allows(mapping.direction, SALESFORCE):
        if mapping.phoneiq == "company":
            raise SettingsError(
                f"{where}: company only travels to PhoneIQ; use direction 'salesforce_to_phoneiq'"
            )
        if is_read_only(name, mapping.salesforce):
            raise SettingsError(
                f"{where}: Salesforce computes {name}.{mapping.salesforce}, nothing can be "
                "written to it; use direction 'salesforce_to_phoneiq'"
            )
    if allows(mapping.direction, PHONEIQ) and mapping.phoneiq in PHONEIQ_READ_ONLY:
        raise SettingsError(f"{where}: '{mapping.phoneiq}' is not a field that a mapping may write")


def _values(where: str, row: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The value table of a mapping.

    Each Salesforce value stands for one PhoneIQ value, and, where values travel to Salesforce, each
    PhoneIQ value for one Salesforce value.
    """
    given = row.get("values", {})
    if not isinstance(given, dict) or not all(
        isinstance(value, str | bool | int | float) for value in given.values()
    ):
        raise SettingsError(f"{where}: 'values' has to be an object of PhoneIQ's by Salesforce's")
    table = [(str(text(key) or ""), text(value)) for key, value in given.items()]
    if any(key == "" or value is None for key, value in table):
        raise SettingsError(f"{where}: none of 'values' may be blank; blank is blank on both sides")
    if len({key for key, _ in table}) != len(table):
        raise SettingsError(f"{where}: two of 'values' are the same in Salesforce")
    is_one_way = row.get("direction") == "salesforce_to_phoneiq"
    if not is_one_way and len({table_key(value) for _, value in table}) != len(table):
        raise SettingsError(
            f"{where}: two of 'values' are the same in PhoneIQ; that is allowed with direction "
            "'salesforce_to_phoneiq' only"
        )
    return tuple(table)


def _check_feeds(name: str, rows: tuple[FieldMapping, ...]) -> None:
    """Two mappings that write one field would take turns."""
    sides: tuple[tuple[Side, Literal["salesforce", "phoneiq"]], ...] = (
        (SALESFORCE, "salesforce"),
        (PHONEIQ, "phoneiq"),
    )
    for to, attribute in sides:
        fed: set[str] = set()
        for row in rows:
            if not allows(row.direction, to):
                continue
            field = getattr(row, attribute)
            if field in fed:
                raise SettingsError(
                    f"setting 'field_mappings': {name}: two mappings write the {attribute} field "
                    f"'{field}'; a field may have one feed"
                )
            fed.add(field)


_CHECKS: Final[dict[str, Callable[[str, Any], Any]]] = {
    "objects": _objects,
    "field_mappings": _field_mappings,
    **dict.fromkeys(_LIMITS, _percent),
    "default_region": _region,
    "ledger_url": _url,
    "dry_run": _flag,
    "notify_url": _hook,
}


def _text(title: str, description: str, **more: Any) -> dict[str, Any]:
    return {"type": "string", "title": title, "description": description, **more}


#: The settings as singer-sdk and Meltano show them.
JSON_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "mode": _text(
            "Mode",
            "Which pipe of the job this is; each mapping in contact-sync.yml sets it.",
            enum=list(READS),
        ),
        "ledger_url": _text(
            "Ledger URL",
            "SQLAlchemy URL of the ledger: sqlite:///PATH, or, where several hosts share it, "
            "postgresql://USER:PASSWORD@HOST/DATABASE.",
            secret=True,
        ),
        "sync_direction": _text(
            "Sync direction",
            "Where changes may travel.",
            enum=list(get_args(Direction)),
            default="both",
        ),
        "on_conflict": _text(
            "On conflict",
            "Whose value stands where both sides changed a field.",
            enum=list(get_args(Winner)),
            default="keep_salesforce",
        ),
        "objects": {
            "type": ["array", "string"],
            "items": {"type": "string"},
            "title": "Objects",
            "description": "The Salesforce objects to sync, in order of preference.",
            "default": ["Contact", "Lead"],
        },
        "default_object": _text(
            "Default object",
            "What a PhoneIQ contact without a Salesforce record becomes.",
            enum=["Contact", "Lead"],
            default="Contact",
        ),
        "field_mappings": {
            "type": ["object", "string"],
            "title": "Field mappings",
            "description": "By object, a list of {salesforce, phoneiq, direction, values}; an "
            "object that is not named keeps its default mappings.",
        },
        "default_region": _text(
            "Default region",
            "Country of phone numbers without a country code, where the record names none.",
            default="US",
        ),
        "shared_phone": _text(
            "Shared phone",
            "What happens to a second record of one side with a number that is taken.",
            enum=list(get_args(SharedPhone)),
            default="reject",
        ),
        "on_name_mismatch": _text(
            "On name mismatch",
            "What a shared number means where both records have a full name and the names differ: "
            "one person, or two.",
            enum=list(get_args(OnNameMismatch)),
            default="merge",
        ),
        "on_delete": _text(
            "On delete",
            "What happens to the other record of a pair when one is deleted.",
            enum=list(get_args(OnDelete)),
            default="keep",
        ),
        "max_delete_percent": {
            "type": ["number", "string"],
            "title": "Most deletions",
            "description": "A plan that deletes records of, or ends, more than this share of the "
            "pairs stops.",
            "default": 10,
        },
        "max_clear_percent": {
            "type": ["number", "string"],
            "title": "Most cleared values",
            "description": "A plan that clears a field that had a value in more than this share "
            "of the pairs, and in more than 20, stops.",
            "default": 10,
        },
        "max_update_percent": {
            "type": ["number", "string"],
            "title": "Most updates",
            "description": "Once the sync is active and while the settings stay the same, a plan "
            "that updates more than this share of the pairs, and more than 100, stops.",
            "default": 50,
        },
        "max_rejects_percent": {
            "type": ["number", "string"],
            "title": "Most rejects",
            "description": "Above this share of the pairs, writes that were not accepted make the "
            "state of the sync red.",
            "default": 1,
        },
        "salesforce_external_id_field": _text(
            "Salesforce external id field",
            "Custom external-id field of the Salesforce objects that holds the PhoneIQ contact "
            "id, such as PhoneIQ_Contact_ID__c.",
        ),
        "salesforce_phone_format": _text(
            "Salesforce phone format",
            "How phone numbers are written to Salesforce.",
            enum=list(get_args(PhoneFormat)),
            default="e164",
        ),
        "last_name_fallback": _text(
            "Last name fallback",
            "What Salesforce gets as last name where PhoneIQ has none; read back as blank.",
            default="[not provided]",
        ),
        "lead_company_fallback": _text(
            "Lead company fallback",
            "What Salesforce gets as a new Lead's company; read back as blank.",
            default="[not provided]",
        ),
        "dry_run": {
            "type": ["boolean", "string"],
            "title": "Dry run",
            "description": "Store what the taps show, log what would be written, write nothing.",
            "default": False,
        },
        "notify_url": _text(
            "Notify URL",
            "Gets a JSON POST with `text` when the state of the sync changes its colour, as "
            "Slack's incoming webhooks take it.",
            secret=True,
        ),
    },
}
