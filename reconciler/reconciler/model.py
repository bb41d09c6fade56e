"""The words of the contract as types: sides, records, writes and skips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from msgspec import Raw, Struct

Side: TypeAlias = Literal["salesforce", "phoneiq"]
SALESFORCE: Final = "salesforce"
PHONEIQ: Final = "phoneiq"
SIDES: Final[tuple[Side, Side]] = (SALESFORCE, PHONEIQ)

SalesforceObject: TypeAlias = Literal["Contact", "Lead", "Account", "PersonAccount"]
Direction: TypeAlias = Literal["both", "salesforce_to_phoneiq", "phoneiq_to_salesforce"]
Winner: TypeAlias = Literal["keep_salesforce", "keep_phoneiq"]
Action: TypeAlias = Literal["create", "update", "delete"]

#: Why a record, or one field of it, takes no part now.
SkipReason: TypeAlias = Literal[
    "no_valid_phone",
    "no_first_name",
    "object_not_synced",
    "converted_lead",
    "person_account_shadow",
    "duplicate_phone",
    "released",
    "merged_away",
    "value_too_long",
    "invalid_phone",
    "invalid_email",
    "missing_required_field",
    "several_numbers",
    "value_not_mapped",
    "flapping",
    "not_accepted",
    "missing",
]

#: A field value in canonical form; blank is None.
Value: TypeAlias = "str | int | float | bool | list[Any] | None"


class Unset:
    """Marks a field without a value; None is a value: blank."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset()


#: Marks a value that the other side cannot hold, in canonical form; no text starts with it.
INVALID: Final = "\x01"


class Sighting(NamedTuple):
    """A record as it came, before anything but its id was read.

    Attributes:
        stream: The stream that it came with.
        id: Its id; a Salesforce id in its 18-character form.
        record: Its JSON.
        digest: Of its JSON and of the rules that it is to be read by: where the ledger holds the
            same digest for it, it holds what reading it would give.
    """

    stream: str
    id: str
    record: Raw
    digest: int


class Observation(NamedTuple):
    """A record as the tap delivered it, with what the rules need to know of it.

    Attributes:
        side: Where the record lives.
        object: Its Salesforce object, or `Contact` for PhoneIQ (which has only contacts).
        id: Its id; a Salesforce id in its 18-character form.
        name: Folded full name, to tell persons with one number apart.
        email: Canonical e-mail address, to find the record by.
        reference: The id of the other side's record that this one names.
        successor: The Salesforce id that this record was merged or converted into.
        related: The Salesforce id of the Account that it belongs to; for a Person Account, of its
            shadow Contact.
        created_at: When the record was created, as the side writes it.
        stamp: Stands for when the side says that it last changed; None where it is read again from
            the ledger.
        digest: Of what it was read from (see `Sighting`); None where it is read again from the
            ledger.
        deleted: Whether this is a tombstone.
        skip: Why it takes no part, or None.
        fields: The names of the delivered fields, sorted; but for bookkeeping and, where they are
            not mapped, id and time of creation (see `fields.defaults`).
        values: Their values.
        numbers: Canonical phone number by position in `fields`, for each phone field with a value.
        match_numbers: The valid numbers that can pair this record with another.
        full_name: Whether its name is a first and a last name.
    """

    side: Side
    object: str
    id: str
    name: str
    email: str | None
    reference: str | None
    successor: str | None
    related: str | None
    created_at: str
    stamp: int | None
    digest: int | None
    deleted: bool
    skip: SkipReason | None
    fields: tuple[str, ...]
    values: list[Any]
    numbers: dict[int, str]
    match_numbers: tuple[str, ...]
    full_name: bool


class Change(Struct, frozen=True, gc=False):
    """One field of a write.

    Attributes:
        old: Canonical value on the written side before.
        new: Canonical value that takes its place.
        why: The rule that decided.
        sent: The new value in the written side's own form.
    """

    old: Value
    new: Value
    why: str
    sent: Value


class Write(Struct, frozen=True):
    """One change for one record of one side, with only the fields that change.

    Attributes:
        side: The side that is written to.
        object: The Salesforce object of the pair, or of the record to create.
        id: Id of the record to update or delete; None for a create.
        action: What happens to the record.
        sent: The values as they are sent, by field name of the written side; empty for a delete.
        explain: Gives the changes. A run that creates many records has no use for theirs.
    """

    side: Side
    object: str
    id: str | None
    action: Action
    sent: dict[str, Value]
    explain: Callable[[], dict[str, Change]]

    @property
    def changes(self) -> dict[str, Change]:
        """What changes and why, by field name of the written side; empty for a delete."""
        return self.explain()

    @classmethod
    def update(cls, side: Side, name: str, id_: str, changes: dict[str, Change]) -> Write:
        """An update of a record of a Salesforce object, or of the contact that is paired to it."""
        sent = {field: change.sent for field, change in changes.items()}
        return cls(side, name, id_, "update", sent, changes.copy)

    @classmethod
    def delete(cls, side: Side, name: str, id_: str) -> Write:
        """A deletion, likewise."""
        return cls(side, name, id_, "delete", {}, dict)


class Undo(NamedTuple):
    """What is taken back of a write.

    Attributes:
        row: The record that was written.
        field: Its field; blank where the write created it.
        write: The write's number in the journal.
        given: The canonical value that it gave, or once it is done the one before; `UNSET` for a
            create, like the others.
        old: The one before.
        shown: That one as the record showed it; `UNSET` where that is not known.
        across: The canonical value that the other record keeps.
    """

    row: int
    field: str
    write: int
    given: Any = UNSET
    old: Any = UNSET
    shown: Any = UNSET
    across: Any = UNSET


def other(side: Side) -> Side:
    """The side across."""
    return PHONEIQ if side == SALESFORCE else SALESFORCE


def allows(direction: Direction, to: Side) -> bool:
    """Whether a direction lets values travel to a side."""
    if direction == "both":
        return True
    return (direction == "phoneiq_to_salesforce") == (to == SALESFORCE)
