"""The three objects of the sandbox: their fields, rules and descriptions.

Types are Salesforce's own names (describe's ``type``). How a value is stored: text as text, dates
as ISO text, datetimes as whole seconds since 1970, booleans as 0 and 1, references as the number of
the record they name (its id is made from it, see `ids`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from functools import lru_cache
from typing import Any

from sandbox.salesforce import ids
from sandbox.salesforce.errors import SalesforceError

TEXT_TYPES = frozenset({"string", "textarea", "phone", "email", "url", "picklist"})
NUMBER_TYPES = frozenset({"int", "currency", "double"})

LARGEST_NUMBER = 10**18

# The org's only user and its two record types of Account, by number.
USER = 1
BUSINESS_RECORD_TYPE = 1
PERSON_RECORD_TYPE = 2

_EMAIL = re.compile(r"[^@\s,;:<>()\[\]\"\\]+@[^@\s,;:<>()\[\]\"\\.]+(?:\.[^@\s,;:<>()\[\]\"\\.]+)+")
_DATETIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})", re.IGNORECASE
)


@dataclass(frozen=True)
class Field:
    """One field of an object.

    Attributes:
        name: API name.
        label: What people see; error messages of some codes begin with it.
        type: Salesforce's type name.
        length: Longest text allowed, 0 where there is no such limit.
        required: An insert without it is refused.
        read_only: Neither inserts nor updates may carry it.
        default: What an insert without it stores, in stored form.
        refers_to: Object that a reference names.
        relationship: Name by which SOQL follows the reference.
        external_id: Upserts may match on it.
        unique: No two records that are not deleted may share a value.
        parts: The fields behind a compound one, by the key they have in it.
        picklist: Values offered; others are accepted too (an unrestricted picklist).
    """

    name: str
    label: str
    type: str
    length: int = 0
    required: bool = False
    read_only: bool = False
    default: Any = None
    refers_to: str = ""
    relationship: str | None = None
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    parts: tuple[tuple[str, str], ...] = ()
    picklist: tuple[str, ...] = ()

    @property
    def custom(self) -> bool:
        """Whether the org's administrator added the field."""
        return self.name.endswith("__c")

    @property
    def nillable(self) -> bool:
        """Whether an update may clear the field."""
        return not self.required and self.default is None and self.type != "id"

    @property
    def is_text(self) -> bool:
        """Whether the value is text in every form."""
        return self.type in TEXT_TYPES

    @property
    def compound(self) -> bool:
        """Whether the value is made from other fields and has no column."""
        return self.type == "address"

    def check(self, value: str) -> str | None:
        """Return text as Salesforce stores it: trimmed, blank as None.

        Raises:
            SalesforceError: STRING_TOO_LONG or INVALID_EMAIL_ADDRESS.
        """
        value = value.strip()
        if not value:
            return None
        self.check_length(value)
        if self.type == "email" and not _EMAIL.fullmatch(value):
            raise SalesforceError(
                "INVALID_EMAIL_ADDRESS",
                f"{self.label}: invalid email address: {value}",
                (self.name,),
            )
        return value

    def check_length(self, value: str) -> None:
        """Check that a text fits.

        Raises:
            SalesforceError: STRING_TOO_LONG.
        """
        if len(value) > self.length:
            raise SalesforceError(
                "STRING_TOO_LONG",
                f"{self.label}: data value too large: {value} (max length={self.length})",
                (self.name,),
            )

    def from_json(self, value: Any) -> Any:
        """Return the stored form of a JSON value.

        Raises:
            SalesforceError: The value has the wrong JSON type or breaks a rule of the field.
        """
        if value is None:
            if self.type == "boolean":
                raise SalesforceError(
                    "INVALID_TYPE_ON_FIELD_IN_RECORD",
                    f"{self.label}: value not of required type: null",
                    (self.name,),
                )
            return None
        if self.type == "boolean":
            if isinstance(value, bool):
                return int(value)
        elif self.type in NUMBER_TYPES:
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return self._check_range(value)
        elif isinstance(value, str):
            return self.from_text(value)
        raise SalesforceError(
            "JSON_PARSER_ERROR",
            f"Cannot deserialize instance of {_json_type(self.type)} from "
            f"{_json_token(value)} value {value!r} for field {self.name}",
        )

    def from_text(self, value: str) -> Any:
        """Return the stored form of a value written as text (a CSV cell, a JSON string).

        Raises:
            SalesforceError: The text does not read as the field's type or breaks its rules.
        """
        if self.is_text:
            return self.check(value)
        value = value.strip()
        if not value:
            return None
        if self.type in {"reference", "id"}:
            return self.reference(value)
        stored = _read(self.type, value)
        if stored is None:
            raise SalesforceError(
                "INVALID_TYPE_ON_FIELD_IN_RECORD",
                f"{self.label}: value not of required type: {value}",
                (self.name,),
            )
        return self._check_range(stored) if self.type in NUMBER_TYPES else stored

    def _check_range(self, value: float) -> float:
        if not abs(value) < LARGEST_NUMBER:
            raise SalesforceError(
                "NUMBER_OUTSIDE_VALID_RANGE",
                f"{self.label}: value outside of valid range on numeric field: {value}",
                (self.name,),
            )
        return value

    def reference(self, value: str) -> int:
        """Return the record number that an id names.

        Raises:
            SalesforceError: MALFORMED_ID where it is no id of the object referred to.
        """
        number = ids.parse(self.refers_to, value)
        if number is None:
            raise SalesforceError(
                "MALFORMED_ID", f"{self.label}: id value of incorrect type: {value}", (self.name,)
            )
        return number

    def to_json(self, stored: Any) -> Any:
        """Return the value as REST answers carry it."""
        if stored is None:
            return None
        if self.type in {"reference", "id"}:
            return ids.make(self.refers_to, stored)
        if self.type == "datetime":
            return seconds_to_text(stored) + ".000+0000"
        if self.type == "boolean":
            return bool(stored)
        return stored

    def to_csv(self, stored: Any) -> str:
        """Return the value as a cell of a Bulk result; null is the empty cell."""
        if stored is None:
            return ""
        if self.type == "datetime":
            return seconds_to_text(stored) + ".000Z"
        if self.type == "boolean":
            return "true" if stored else "false"
        return str(self.to_json(stored))


def parse_datetime(text: str) -> float | None:
    """Return seconds since 1970 of an ISO datetime with a zone, None if it is none."""
    match = _DATETIME.fullmatch(text)
    if match is None:
        return None
    day, time, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        return datetime.fromisoformat(f"{day}T{time}{zone}").timestamp() + float(fraction or 0)
    except ValueError:
        return None


def parse_date(text: str) -> str | None:
    """Return an ISO date as it is, None if it is none."""
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
        try:
            return date.fromisoformat(text).isoformat()
        except ValueError:
            return None
    return None


def _read(type_name: str, value: str) -> Any:
    if type_name == "boolean":
        return {"true": 1, "1": 1, "false": 0, "0": 0}.get(value.lower())
    if type_name == "date":
        return parse_date(value)
    if type_name == "datetime":
        seconds = parse_datetime(value)
        return None if seconds is None else int(seconds)
    try:
        return int(value) if type_name == "int" else float(value)
    except ValueError:
        return None


@lru_cache(maxsize=65536)
def seconds_to_text(seconds: int) -> str:
    """Return seconds since 1970 as an ISO datetime without a zone."""
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _json_type(type_name: str) -> str:
    return "string" if type_name in TEXT_TYPES or type_name in {"reference", "id"} else type_name


def _json_token(value: Any) -> str:
    if isinstance(value, bool):
        return "VALUE_TRUE" if value else "VALUE_FALSE"
    return {str: "VALUE_STRING", int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}.get(
        type(value), "START_ARRAY" if isinstance(value, list) else "START_OBJECT"
    )


@dataclass(frozen=True)
class SObject:
    """One object: its fields in describe's order."""

    name: str
    label: str
    plural: str
    fields: tuple[Field, ...]
    by_lower_name: dict[str, Field] = field(init=False, repr=False)
    columns: tuple[Field, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_lower_name", {f.name.lower(): f for f in self.fields})
        object.__setattr__(self, "columns", tuple(f for f in self.fields if not f.compound))

    @property
    def prefix(self) -> str:
        """The first three characters of the object's ids."""
        return ids.PREFIXES[self.name]

    def find(self, name: str) -> Field | None:
        """Return the field of that API name, in whatever case, or None."""
        return self.by_lower_name.get(name.lower())

    def __getitem__(self, name: str) -> Field:
        return self.by_lower_name[name.lower()]


def _system(name: str) -> tuple[Field, ...]:
    return (
        Field("Id", f"{name} ID", "id", 18, read_only=True, refers_to=name),
        Field("IsDeleted", "Deleted", "boolean", read_only=True, default=0),
        Field(
            "MasterRecordId", "Master Record ID", "reference", 18, read_only=True, refers_to=name,
            relationship="MasterRecord",
        ),
    )  # fmt: skip


def _audit() -> tuple[Field, ...]:
    user: dict[str, Any] = {"type": "reference", "length": 18, "refers_to": "User", "default": USER}
    return (
        Field("OwnerId", "Owner ID", **user),
        Field("CreatedDate", "Created Date", "datetime", read_only=True),
        Field("CreatedById", "Created By ID", read_only=True, **user),
        Field("LastModifiedDate", "Last Modified Date", "datetime", read_only=True),
        Field("LastModifiedById", "Last Modified By ID", read_only=True, **user),
        Field("SystemModstamp", "System Modstamp", "datetime", read_only=True),
        Field(
            "PhoneIQ_Contact_ID__c", "PhoneIQ Contact ID", "string", 40, external_id=True,
            id_lookup=True, unique=True,
        ),
    )  # fmt: skip


def _address(prefix: str, label: str, compound: str) -> tuple[Field, ...]:
    parts = (
        Field(f"{prefix}Street", f"{label}Street", "textarea", 255),
        Field(f"{prefix}City", f"{label}City", "string", 40),
        Field(f"{prefix}State", f"{label}State/Province", "string", 80),
        Field(f"{prefix}PostalCode", f"{label}Zip/Postal Code", "string", 20),
        Field(f"{prefix}Country", f"{label}Country", "string", 80),
    )
    keys = ("street", "city", "state", "postalCode", "country")
    whole = Field(
        compound, f"{label}Address", "address", read_only=True,
        parts=tuple((key, part.name) for key, part in zip(keys, parts, strict=True)),
    )  # fmt: skip
    return (*parts, whole)


def _phone(name: str, label: str) -> Field:
    return Field(name, label, "phone", 40)


def _flag(name: str, label: str) -> Field:
    return Field(name, label, "boolean", default=0)


_SALUTATIONS = ("Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx.")
_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
_INDUSTRIES = ("Agriculture", "Banking", "Consulting", "Education", "Healthcare", "Technology")
_STATUSES = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted")

CONVERTED_STATUS = "Closed - Converted"

CONTACT = SObject(
    "Contact",
    "Contact",
    "Contacts",
    (
        *_system("Contact"),
        Field(
            "AccountId", "Account ID", "reference", 18, refers_to="Account", relationship="Account"
        ),
        Field("LastName", "Last Name", "string", 80, required=True),
        Field("FirstName", "First Name", "string", 40),
        Field("Salutation", "Salutation", "picklist", 40, picklist=_SALUTATIONS),
        Field("Name", "Full Name", "string", 121, read_only=True),
        *_address("Other", "Other ", "OtherAddress"),
        *_address("Mailing", "Mailing ", "MailingAddress"),
        _phone("Phone", "Business Phone"),
        _phone("Fax", "Business Fax"),
        _phone("MobilePhone", "Mobile Phone"),
        _phone("HomePhone", "Home Phone"),
        _phone("OtherPhone", "Other Phone"),
        _phone("AssistantPhone", "Asst. Phone"),
        Field(
            "ReportsToId", "Reports To ID", "reference", 18, refers_to="Contact",
            relationship="ReportsTo",
        ),
        Field("Email", "Email", "email", 80, id_lookup=True),
        Field("Title", "Title", "string", 128),
        Field("Department", "Department", "string", 80),
        Field("AssistantName", "Assistant's Name", "string", 40),
        Field("LeadSource", "Lead Source", "picklist", 255, picklist=_SOURCES),
        Field("Birthdate", "Birthdate", "date"),
        Field("Description", "Contact Description", "textarea", 32000),
        _flag("HasOptedOutOfEmail", "Email Opt Out"),
        _flag("DoNotCall", "Do Not Call"),
        Field("IsPersonAccount", "Is Person Account", "boolean", read_only=True, default=0),
        *_audit(),
    ),
)  # fmt: skip

LEAD = SObject(
    "Lead",
    "Lead",
    "Leads",
    (
        *_system("Lead"),
        Field("LastName", "Last Name", "string", 80, required=True),
        Field("FirstName", "First Name", "string", 40),
        Field("Salutation", "Salutation", "picklist", 40, picklist=_SALUTATIONS),
        Field("Name", "Full Name", "string", 121, read_only=True),
        Field("Title", "Title", "string", 128),
        Field("Company", "Company", "string", 255, required=True),
        *_address("", "", "Address"),
        _phone("Phone", "Phone"),
        _phone("MobilePhone", "Mobile Phone"),
        _phone("Fax", "Fax"),
        Field("Email", "Email", "email", 80, id_lookup=True),
        Field("Website", "Website", "url", 255),
        Field("Description", "Description", "textarea", 32000),
        Field("LeadSource", "Lead Source", "picklist", 255, picklist=_SOURCES),
        Field("Status", "Status", "picklist", 255, default=_STATUSES[0], picklist=_STATUSES),
        Field("Industry", "Industry", "picklist", 255, picklist=_INDUSTRIES),
        Field("Rating", "Rating", "picklist", 255, picklist=("Hot", "Warm", "Cold")),
        Field("AnnualRevenue", "Annual Revenue", "currency"),
        Field("NumberOfEmployees", "Employees", "int"),
        _flag("HasOptedOutOfEmail", "Email Opt Out"),
        _flag("DoNotCall", "Do Not Call"),
        Field("IsConverted", "Converted", "boolean", read_only=True, default=0),
        Field("ConvertedDate", "Converted Date", "date", read_only=True),
        *(
            Field(
                f"Converted{name}Id", f"Converted {name} ID", "reference", 18, read_only=True,
                refers_to=name, relationship=f"Converted{name}",
            )
            for name in ("Account", "Contact", "Opportunity")
        ),
        *_audit(),
    ),
)  # fmt: skip

ACCOUNT = SObject(
    "Account",
    "Account",
    "Accounts",
    (
        *_system("Account"),
        # Required of business accounts; a Person Account's is made from its two names.
        Field("Name", "Account Name", "string", 255),
        Field("LastName", "Last Name", "string", 80),
        Field("FirstName", "First Name", "string", 40),
        Field("Salutation", "Salutation", "picklist", 40, picklist=_SALUTATIONS),
        Field("Type", "Account Type", "picklist", 255, picklist=("Prospect", "Customer", "Other")),
        Field(
            "RecordTypeId", "Record Type ID", "reference", 18, refers_to="RecordType",
            default=BUSINESS_RECORD_TYPE,
        ),
        Field(
            "ParentId", "Parent Account ID", "reference", 18, refers_to="Account",
            relationship="Parent",
        ),
        *_address("Billing", "Billing ", "BillingAddress"),
        *_address("Shipping", "Shipping ", "ShippingAddress"),
        _phone("Phone", "Account Phone"),
        _phone("Fax", "Account Fax"),
        Field("AccountNumber", "Account Number", "string", 40),
        Field("Website", "Website", "url", 255),
        Field("Industry", "Industry", "picklist", 255, picklist=_INDUSTRIES),
        Field("AnnualRevenue", "Annual Revenue", "currency"),
        Field("NumberOfEmployees", "Employees", "int"),
        Field("Description", "Account Description", "textarea", 32000),
        Field("IsPersonAccount", "Is Person Account", "boolean", read_only=True, default=0),
        Field(
            "PersonContactId", "Contact ID", "reference", 18, read_only=True, refers_to="Contact",
            relationship="PersonContact",
        ),
        *_address("PersonMailing", "Mailing ", "PersonMailingAddress"),
        *_address("PersonOther", "Other ", "PersonOtherAddress"),
        _phone("PersonMobilePhone", "Mobile"),
        _phone("PersonHomePhone", "Home Phone"),
        _phone("PersonOtherPhone", "Other Phone"),
        _phone("PersonAssistantPhone", "Asst. Phone"),
        Field("PersonEmail", "Email", "email", 80, id_lookup=True),
        Field("PersonTitle", "Title", "string", 80),
        Field("PersonDepartment", "Department", "string", 80),
        Field("PersonAssistantName", "Assistant", "string", 40),
        Field("PersonLeadSource", "Lead Source", "picklist", 255, picklist=_SOURCES),
        Field("PersonBirthdate", "Birthdate", "date"),
        _flag("PersonHasOptedOutOfEmail", "Email Opt Out"),
        _flag("PersonDoNotCall", "Do Not Call"),
        *_audit(),
    ),
)  # fmt: skip

OBJECTS = {each.name: each for each in (ACCOUNT, CONTACT, LEAD)}

# What a Person Account and its shadow Contact share: Account field to Contact field.
PERSON_FIELDS = {
    "LastName": "LastName",
    "FirstName": "FirstName",
    "Salutation": "Salutation",
    "Phone": "Phone",
    "Fax": "Fax",
    "Description": "Description",
    **{
        f.name: f.name.removeprefix("Person")
        for f in ACCOUNT.columns
        if f.name.startswith("Person") and f.name != "PersonContactId"
    },
}


def find_object(name: str) -> SObject:
    """Return an object by its API name, in whatever case.

    Raises:
        SalesforceError: NOT_FOUND, as a request to a resource that does not exist gets it.
    """
    for each in OBJECTS.values():
        if each.name.lower() == name.lower():
            return each
    raise SalesforceError("NOT_FOUND", "The requested resource does not exist")
