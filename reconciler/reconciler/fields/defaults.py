"""Which field of one side is which field of the other, and what Salesforce can hold.

Lengths and required fields are those of the Salesforce Object Reference for Contact, Lead and
Account.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, TypeAlias

from reconciler.model import PHONEIQ, SALESFORCE, Direction, SalesforceObject, Side

Kind: TypeAlias = Literal["text", "phone", "email", "table"]


class FieldMapping(NamedTuple):
    """One field of a Salesforce object and the PhoneIQ field that holds the same value.

    Attributes:
        salesforce: Field name on the Salesforce object.
        phoneiq: Field name on the PhoneIQ contact, as tap-phoneiq's schema names it.
        direction: Where its values may travel.
        values: PhoneIQ's value by Salesforce's (as text; booleans as `true` and `false`), for
            picklists and booleans; empty where both sides hold the same values.
    """

    salesforce: str
    phoneiq: str
    direction: Direction = "both"
    values: tuple[tuple[str, Any], ...] = ()

    @property
    def key(self) -> str:
        """Names the mapping in baselines and decisions."""
        return f"{self.salesforce}>{self.phoneiq}"

    @property
    def related(self) -> tuple[str, str] | None:
        """For a source behind a relationship, the reference field and the field behind it.

        `Account.Name` is the `Name` of the record that `AccountId` names.
        """
        relationship, dot, field = self.salesforce.partition(".")
        return (f"{relationship}Id", field) if dot else None

    @property
    def kind(self) -> Kind:
        """How its values are compared."""
        if self.values:
            return "table"
        if self.phoneiq in PHONEIQ_PHONES or self.salesforce in SALESFORCE_PHONES:
            return "phone"
        if self.phoneiq == "email" or self.salesforce in {"Email", "PersonEmail"}:
            return "email"
        return "text"


#: There only in orgs with Person Accounts, and needed there.
NEEDED_IF_THERE: Final = frozenset({"IsPersonAccount"})
_ALWAYS: Final = frozenset({"Id", "IsDeleted", "MasterRecordId", "CreatedDate"})
#: By stream, fields without which deletions, merges and conversions would go unseen.
NEEDED: Final[dict[str, frozenset[str]]] = {
    "Account": _ALWAYS,
    "Contact": _ALWAYS,
    "Lead": _ALWAYS | {"IsConverted", "ConvertedContactId"},
    "contacts": frozenset({"id", "created_at", "deleted_at", "salesforce_id"}),
}

#: Phone fields; a fax number is one by form, but says nothing about who a person is.
MATCHING_PHONES: Final = frozenset({"mobile_phone", "work_phone", "home_phone", "other_phone"})
PHONEIQ_PHONES: Final = MATCHING_PHONES | {"fax"}
SALESFORCE_PHONES: Final = frozenset(
    {
        "Phone", "MobilePhone", "HomePhone", "OtherPhone", "AssistantPhone", "Fax",
        "PersonMobilePhone", "PersonHomePhone", "PersonOtherPhone", "PersonAssistantPhone",
    }
)  # fmt: skip

#: Fields that say when or by whom, not who: they change without anyone changing the person.
BOOKKEEPING: Final = frozenset(
    {
        "SystemModstamp", "LastModifiedDate", "LastModifiedById", "LastActivityDate",
        "LastViewedDate", "LastReferencedDate", "updated_at", "version",
    }
)  # fmt: skip

#: By side, a record's id and when it was created: the ledger holds them beside the fields.
IDENTITY: Final[dict[Side, tuple[str, str]]] = {
    SALESFORCE: ("Id", "CreatedDate"),
    PHONEIQ: ("id", "created_at"),
}

DEFAULT_MAPPINGS: Final[dict[SalesforceObject, tuple[FieldMapping, ...]]] = {
    "Contact": (
        FieldMapping("FirstName", "first_name"),
        FieldMapping("LastName", "last_name"),
        FieldMapping("Account.Name", "company", "salesforce_to_phoneiq"),
        FieldMapping("Title", "job_title"),
        FieldMapping("Email", "email"),
        FieldMapping("MobilePhone", "mobile_phone"),
        FieldMapping("Phone", "work_phone"),
        FieldMapping("HomePhone", "home_phone"),
        FieldMapping("OtherPhone", "other_phone"),
        FieldMapping("Fax", "fax"),
        FieldMapping("MailingStreet", "street"),
        FieldMapping("MailingCity", "city"),
        FieldMapping("MailingState", "state"),
        FieldMapping("MailingPostalCode", "postal_code"),
        FieldMapping("MailingCountry", "country"),
    ),
    "Lead": (
        FieldMapping("FirstName", "first_name"),
        FieldMapping("LastName", "last_name"),
        FieldMapping("Company", "company", "salesforce_to_phoneiq"),
        FieldMapping("Title", "job_title"),
        FieldMapping("Email", "email"),
        FieldMapping("MobilePhone", "mobile_phone"),
        FieldMapping("Phone", "work_phone"),
        FieldMapping("Fax", "fax"),
        FieldMapping("Street", "street"),
        FieldMapping("City", "city"),
        FieldMapping("State", "state"),
        FieldMapping("PostalCode", "postal_code"),
        FieldMapping("Country", "country"),
        FieldMapping("Website", "website"),
    ),
    "Account": (
        FieldMapping("Name", "company", "salesforce_to_phoneiq"),
        FieldMapping("Phone", "work_phone"),
        FieldMapping("Fax", "fax"),
        FieldMapping("BillingStreet", "street"),
        FieldMapping("BillingCity", "city"),
        FieldMapping("BillingState", "state"),
        FieldMapping("BillingPostalCode", "postal_code"),
        FieldMapping("BillingCountry", "country"),
        FieldMapping("Website", "website"),
    ),
    "PersonAccount": (
        FieldMapping("FirstName", "first_name"),
        FieldMapping("LastName", "last_name"),
        FieldMapping("PersonTitle", "job_title"),
        FieldMapping("PersonEmail", "email"),
        FieldMapping("PersonMobilePhone", "mobile_phone"),
        FieldMapping("Phone", "work_phone"),
        FieldMapping("PersonHomePhone", "home_phone"),
        FieldMapping("PersonOtherPhone", "other_phone"),
        FieldMapping("Fax", "fax"),
        FieldMapping("PersonMailingStreet", "street"),
        FieldMapping("PersonMailingCity", "city"),
        FieldMapping("PersonMailingState", "state"),
        FieldMapping("PersonMailingPostalCode", "postal_code"),
        FieldMapping("PersonMailingCountry", "country"),
        FieldMapping("Website", "website"),
    ),
}

#: The fields that Salesforce wants on a create.
REQUIRED: Final[dict[str, tuple[str, ...]]] = {
    "Contact": ("LastName",),
    "Lead": ("LastName", "Company"),
    "Account": ("Name",),
    "PersonAccount": ("LastName",),
}

_ADDRESS: Final = {"Street": 255, "City": 40, "State": 80, "PostalCode": 20, "Country": 80}
_PERSON: Final = {
    "FirstName": 40, "LastName": 80, "Title": 128, "Email": 80, "Phone": 40, "MobilePhone": 40,
    "HomePhone": 40, "OtherPhone": 40, "AssistantPhone": 40, "Fax": 40, "Department": 80,
    "AssistantName": 40, "Description": 32_000,
}  # fmt: skip

_ACCOUNT: Final = (
    {"Name": 255, "Phone": 40, "Fax": 40, "Website": 255, "Description": 32_000}
    | {f"Billing{part}": length for part, length in _ADDRESS.items()}
    | {f"Shipping{part}": length for part, length in _ADDRESS.items()}
)

#: Longest value in characters, by object and field.
LENGTHS: Final[dict[str, dict[str, int]]] = {
    "Contact": _PERSON
    | {f"Mailing{part}": length for part, length in _ADDRESS.items()}
    | {f"Other{part}": length for part, length in _ADDRESS.items()},
    "Lead": _PERSON | _ADDRESS | {"Company": 255, "Website": 255},
    "Account": _ACCOUNT,
    "PersonAccount": _ACCOUNT
    | {"FirstName": 40, "LastName": 80}
    | {f"Person{field}": length for field, length in _PERSON.items()}
    | {f"PersonMailing{part}": length for part, length in _ADDRESS.items()}
    | {f"PersonOther{part}": length for part, length in _ADDRESS.items()},
}

_READ_ONLY: Final = frozenset(
    {
        "Id", "Name", "IsDeleted", "MasterRecordId", "MailingAddress", "OtherAddress", "Address",
        "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp",
        "IsConverted", "ConvertedDate", "ConvertedContactId", "ConvertedAccountId",
        "ConvertedOpportunityId", "PhotoUrl", "IsEmailBounced", "LastActivityDate",
        "IsPersonAccount", "PersonContactId", "BillingAddress", "ShippingAddress",
        "PersonMailingAddress", "PersonOtherAddress",
    }
)  # fmt: skip

#: PhoneIQ sets these itself; the references are written by the reconciler, not by a mapping.
PHONEIQ_READ_ONLY: Final = frozenset(
    {
        "id", "created_at", "updated_at", "deleted_at", "version", "salesforce_id",
        "salesforce_object",
    }
)  # fmt: skip


def is_read_only(name: str, field: str) -> bool:
    """Whether Salesforce computes a field, so that nothing can be written to it.

    Args:
        name: The Salesforce object.
        field: A field of it; one behind a relationship cannot be written from here either.
    """
    if name == "Account" and field == "Name":
        return False
    return "." in field or field in _READ_ONLY


#: What a field holds, where that is known: `phone`, `email`, `text`, `id`, `date` or `flag`.
FieldKind: TypeAlias = Literal["phone", "email", "text", "id", "date", "flag"]
#: What PhoneIQ's own fields hold; notes take anything.
PHONEIQ_KINDS: Final[dict[str, FieldKind]] = {
    **dict.fromkeys(sorted(PHONEIQ_PHONES), "phone"),
    "email": "email",
    **dict.fromkeys(
        (
            "first_name", "last_name", "company", "job_title", "street", "city", "state",
            "postal_code", "country", "website",
        ),
        "text",
    ),
}  # fmt: skip
_DATES: Final = frozenset(
    {
        "Birthdate", "PersonBirthdate", "CreatedDate", "LastModifiedDate", "SystemModstamp",
        "LastActivityDate", "ConvertedDate", "EmailBouncedDate", "LastViewedDate",
        "LastReferencedDate",
    }
)  # fmt: skip
_FLAGS: Final = frozenset(
    {
        "DoNotCall", "HasOptedOutOfEmail", "HasOptedOutOfFax", "IsConverted", "IsDeleted",
        "IsEmailBounced", "IsPersonAccount", "IsUnreadByOwner", "PersonDoNotCall",
        "PersonHasOptedOutOfEmail", "PersonHasOptedOutOfFax",
    }
)  # fmt: skip
#: Texts that hold anything.
_FREE_TEXTS: Final = frozenset({"Description"})


def salesforce_kind(name: str, field: str) -> FieldKind | None:
    """What a field of a Salesforce object holds, or None where that is not known.

    Args:
        name: The object.
        field: Its field; a custom field may hold anything.
    """
    if field in SALESFORCE_PHONES:
        return "phone"
    if field in {"Email", "PersonEmail"}:
        return "email"
    if field in _DATES:
        return "date"
    if field in _FLAGS:
        return "flag"
    if field.endswith("Id") and not field.endswith("__c"):
        return "id"
    return "text" if field in LENGTHS.get(name, {}) and field not in _FREE_TEXTS else None


def phoneiq_kind(field: str) -> FieldKind | None:
    """What a field of a PhoneIQ contact holds, or None where that is not known."""
    return PHONEIQ_KINDS.get(field)


def stream_of(name: str) -> str:
    """The stream, and the Salesforce API object, that an object's records are in."""
    return "Account" if name == "PersonAccount" else name
