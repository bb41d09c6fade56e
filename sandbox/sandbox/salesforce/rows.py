"""What Salesforce does to a record when it is created, changed, deleted, merged or converted.

`Rows` works on one open transaction, with values in stored form (see `schema`). Every method checks
everything before it writes anything, so a refused row leaves no trace and its neighbours in the
same transaction are untouched.
"""

from __future__ import annotations

# ruff: noqa: S608  Names in statements come from the schema, values are always parameters.
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from sandbox.salesforce import ids
from sandbox.salesforce.errors import SalesforceError, not_writable
from sandbox.salesforce.schema import (
    ACCOUNT,
    BUSINESS_RECORD_TYPE,
    CONTACT,
    CONVERTED_STATUS,
    LEAD,
    OBJECTS,
    PERSON_FIELDS,
    PERSON_RECORD_TYPE,
    USER,
    Field,
    SObject,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

Values = dict[str, Any]

# Fields that only one of the two kinds of Account has.
_PERSON_ONLY = frozenset(
    f.name
    for f in ACCOUNT.columns
    if not f.read_only
    and (f.name.startswith("Person") or f.name in {"FirstName", "LastName", "Salutation"})
)
_BUSINESS_ONLY = frozenset({"Name", "ParentId"})

_LEAD_TO_CONTACT = {
    **{name: name for name in ("LastName", "FirstName", "Salutation", "Title", "Phone", "Fax")},
    **{name: name for name in ("MobilePhone", "Email", "Description", "LeadSource", "OwnerId")},
    **{name: name for name in ("HasOptedOutOfEmail", "DoNotCall")},
    **{name: f"Mailing{name}" for name in ("Street", "City", "State", "PostalCode", "Country")},
}
_LEAD_TO_ACCOUNT = {
    "Company": "Name",
    **{name: name for name in ("Phone", "Fax", "Website", "Industry", "AnnualRevenue")},
    **{name: name for name in ("NumberOfEmployees", "OwnerId")},
    **{name: f"Billing{name}" for name in ("Street", "City", "State", "PostalCode", "Country")},
}


def matching(
    connection: sqlite3.Connection, sobject: SObject, field: Field, value: Any
) -> list[int]:
    """Return the numbers of the records, not deleted, with a value in an external id field."""
    if field.type == "id":
        return [value] if value else []
    collation = "" if field.unique else " COLLATE NOCASE"
    found = connection.execute(
        f"SELECT Id FROM {sobject.name} WHERE {field.name} = ?{collation}"
        " AND IsDeleted = 0 ORDER BY Id LIMIT 10",
        (value,),
    )
    return [number for (number,) in found]


class Rows:
    """The record rules on one open transaction.

    Args:
        connection: The database, inside a transaction.
        now: Seconds since 1970 that this transaction's changes carry.
    """

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._db = connection
        self._now = now

    def insert(self, sobject: SObject, values: Mapping[str, Any]) -> int:
        """Create a record and return its number.

        Raises:
            SalesforceError: A rule of the object forbids it.
        """
        row = {f.name: f.default for f in sobject.columns if f.default is not None}
        row.update((name, value) for name, value in values.items() if value is not None)
        if sobject is ACCOUNT:
            self._settle_kind(row, values)
        _require(sobject, row, [f.name for f in sobject.columns if f.required])
        self._check_references(sobject, values)
        self._check_unique(sobject, values, None)
        number = self._store(sobject, row)
        if sobject is ACCOUNT and row["IsPersonAccount"]:
            self._add_shadow(number, row)
        return number

    def update(self, sobject: SObject, number: int, values: Mapping[str, Any]) -> None:
        """Change fields of a record.

        Raises:
            SalesforceError: The record is not there, or a rule of the object forbids it.
        """
        before = self._existing(sobject, number)
        if sobject is LEAD and before["IsConverted"]:
            raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        changes = dict(values)
        if sobject is ACCOUNT:
            self._settle_change(before, changes)
        elif sobject is CONTACT and before["IsPersonAccount"] and "AccountId" in changes:
            raise not_writable(["AccountId"])
        _require(
            sobject, {**before, **changes}, [name for name in changes if not sobject[name].nillable]
        )
        self._check_references(sobject, changes)
        self._check_unique(sobject, changes, number)
        self._change(sobject, number, changes)
        self._mirror_person(sobject, before, changes)

    def delete(self, sobject: SObject, number: int) -> None:
        """Move a record to the recycle bin; an Account takes its Contacts along.

        Raises:
            SalesforceError: The record is not there, or is the Contact of a Person Account.
        """
        before = self._existing(sobject, number)
        if sobject is CONTACT and before["IsPersonAccount"]:
            raise SalesforceError(
                "INVALID_PERSON_ACCOUNT_OPERATION",
                "a contact that belongs to a person account cannot be deleted",
            )
        self._change(sobject, number, {"IsDeleted": 1})
        if sobject is ACCOUNT:
            self._db.execute(
                "UPDATE Contact SET IsDeleted = 1, LastModifiedDate = ?, SystemModstamp = ?"
                " WHERE AccountId = ? AND IsDeleted = 0",
                (self._now, self._now, number),
            )

    def matching(self, sobject: SObject, field: Field, value: Any) -> list[int]:
        """Return the numbers of the records, not deleted, with a value in an external id field."""
        return matching(self._db, sobject, field, value)

    def merge(self, sobject: SObject, winner: int, losers: Sequence[int]) -> None:
        """Merge up to two records into a third: the losers go, and name the winner as master.

        Raises:
            SalesforceError: A record is not there, a Lead is converted, or the two kinds of
                Account meet.
        """
        rows = {number: self._existing(sobject, number) for number in (winner, *losers)}
        if winner in losers or not 1 <= len(losers) <= 2:
            raise SalesforceError(
                "INVALID_ARGUMENT", "a merge takes one or two records besides the master"
            )
        if any(row.get("IsConverted") for row in rows.values()):
            raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        if sobject is CONTACT and any(row["IsPersonAccount"] for row in rows.values()):
            raise SalesforceError(
                "INVALID_PERSON_ACCOUNT_OPERATION", "merge the person accounts, not their contacts"
            )
        if len({row.get("IsPersonAccount") for row in rows.values()}) > 1:
            raise SalesforceError(
                "INVALID_PERSON_ACCOUNT_OPERATION",
                "a person account can only be merged with person accounts",
            )
        for loser in losers:
            if sobject is ACCOUNT:
                self._merge_contacts(rows[winner], rows[loser])
            self._change(sobject, loser, {"IsDeleted": 1, "MasterRecordId": winner})
        self._change(sobject, winner, {})

    def convert(self, lead: int, account: int | None) -> tuple[int, int]:
        """Convert a Lead and return the numbers of its Contact and its Account.

        Args:
            lead: The Lead.
            account: The Account that gets the Contact; None makes one from the Lead's company. A
                Person Account brings its own Contact.

        Raises:
            SalesforceError: The Lead or the Account is not there, or the Lead is converted.
        """
        before = self._existing(LEAD, lead)
        if before["IsConverted"]:
            raise SalesforceError("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        if account is None:
            account = self.insert(
                ACCOUNT, {to: before[name] for name, to in _LEAD_TO_ACCOUNT.items()}
            )
        contact = self._existing(ACCOUNT, account)["PersonContactId"]
        if contact is None:
            values = {to: before[name] for name, to in _LEAD_TO_CONTACT.items()}
            contact = self.insert(CONTACT, {**values, "AccountId": account})
        converted: Values = {
            "IsConverted": 1,
            "ConvertedDate": datetime.fromtimestamp(self._now, timezone.utc).date().isoformat(),
            "ConvertedAccountId": account,
            "ConvertedContactId": contact,
            "Status": CONVERTED_STATUS,
        }
        self._change(LEAD, lead, converted)
        return contact, account

    # The rows themselves

    def _existing(self, sobject: SObject, number: int) -> Values:
        cursor = self._db.execute(f"SELECT * FROM {sobject.name} WHERE Id = ?", (number,))
        found = cursor.fetchone()
        if found is None:
            raise SalesforceError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        row = dict(zip([column[0] for column in cursor.description], found, strict=True))
        if row["IsDeleted"]:
            raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted")
        return row

    def _store(self, sobject: SObject, row: Values) -> int:
        row = {
            **row,
            "CreatedDate": self._now,
            "LastModifiedDate": self._now,
            "SystemModstamp": self._now,
        }
        cursor = self._db.execute(
            f"INSERT INTO {sobject.name} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            tuple(row.values()),
        )
        number = cursor.lastrowid
        if number is None:
            raise RuntimeError("SQLite gave the new row no number")
        return number

    def _change(self, sobject: SObject, number: int, changes: Mapping[str, Any]) -> None:
        changes = {
            **changes,
            "LastModifiedDate": self._now,
            "LastModifiedById": USER,
            "SystemModstamp": self._now,
        }
        self._db.execute(
            f"UPDATE {sobject.name} SET {', '.join(f'{name} = ?' for name in changes)}"
            " WHERE Id = ?",
            (*changes.values(), number),
        )

    # The rules

    def _check_references(self, sobject: SObject, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            field = sobject[name]
            if field.type == "reference" and value is not None:
                self._check_reference(field, value)

    def _check_reference(self, field: Field, number: int) -> None:
        known = {"User": (USER,), "RecordType": (BUSINESS_RECORD_TYPE, PERSON_RECORD_TYPE)}
        if field.refers_to in OBJECTS:
            found = self._db.execute(
                f"SELECT IsDeleted FROM {field.refers_to} WHERE Id = ?", (number,)
            ).fetchone()
            if found is not None and found[0]:
                raise SalesforceError("ENTITY_IS_DELETED", "entity is deleted", (field.name,))
            valid = found is not None
        else:
            valid = number in known.get(field.refers_to, ())
        if not valid:
            raise SalesforceError(
                "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,)
            )

    def _check_unique(self, sobject: SObject, values: Mapping[str, Any], own: int | None) -> None:
        for name, value in values.items():
            field = sobject[name]
            if not field.unique or value is None:
                continue
            for other in matching(self._db, sobject, field, value):
                if other != own:
                    raise SalesforceError(
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {name} duplicates value on record with id: "
                        f"{ids.make(sobject.name, other)}",
                        (name,),
                    )

    # Person Accounts

    def _settle_kind(self, row: Values, given: Mapping[str, Any]) -> None:
        """Decide which kind of Account a new row is, and check that its fields fit the kind."""
        persons = sorted(name for name in _PERSON_ONLY & set(given) if given[name])
        person = bool(persons)
        if given.get("RecordTypeId") is not None:
            person = given["RecordTypeId"] == PERSON_RECORD_TYPE
        if person:
            _refuse_names(_BUSINESS_ONLY & {name for name, value in given.items() if value})
            _require(ACCOUNT, row, ["LastName"])
            row["Name"] = _full_name(row)
        else:
            _refuse_names(persons)
            _require(ACCOUNT, row, ["Name"])
        row["IsPersonAccount"] = int(person)
        row["RecordTypeId"] = PERSON_RECORD_TYPE if person else BUSINESS_RECORD_TYPE

    def _settle_change(self, before: Values, changes: Values) -> None:
        """Check that the changes fit the kind of Account, and keep a person's Name true."""
        given = {name for name, value in changes.items() if value}
        if changes.get("RecordTypeId", before["RecordTypeId"]) != before["RecordTypeId"]:
            raise SalesforceError(
                "INVALID_CROSS_REFERENCE_KEY",
                "Record Type ID: this ID value isn't valid for the user",
                ("RecordTypeId",),
            )
        if before["IsPersonAccount"]:
            _refuse_names(_BUSINESS_ONLY & given)
            after = {**before, **changes}
            _require(ACCOUNT, after, ["LastName"])
            changes["Name"] = _full_name(after)
        else:
            _refuse_names(_PERSON_ONLY & given)
            _require(ACCOUNT, {**before, **changes}, ["Name"])

    def _add_shadow(self, account: int, row: Values) -> None:
        shadow = {f.name: f.default for f in CONTACT.columns if f.default is not None}
        shadow.update((to, row[name]) for name, to in PERSON_FIELDS.items() if name in row)
        shadow.update(AccountId=account, IsPersonAccount=1, OwnerId=row["OwnerId"])
        contact = self._store(CONTACT, shadow)
        self._db.execute("UPDATE Account SET PersonContactId = ? WHERE Id = ?", (contact, account))

    def _mirror_person(self, sobject: SObject, before: Values, changes: Values) -> None:
        """Carry a change of one half of a Person Account to the other."""
        if not before.get("IsPersonAccount"):
            return
        if sobject is ACCOUNT:
            shared = {to: changes[name] for name, to in PERSON_FIELDS.items() if name in changes}
            if "OwnerId" in changes:
                shared["OwnerId"] = changes["OwnerId"]
            self._change(CONTACT, before["PersonContactId"], shared)
            return
        shared = {name: changes[to] for name, to in PERSON_FIELDS.items() if to in changes}
        after = {**before, **changes}
        self._change(ACCOUNT, before["AccountId"], {**shared, "Name": _full_name(after)})

    def _merge_contacts(self, winner: Values, loser: Values) -> None:
        """Give the losing Account's Contacts to the winner; a person's own Contact merges too."""
        own = loser["PersonContactId"]
        if own is not None:
            master = {"IsDeleted": 1, "MasterRecordId": winner["PersonContactId"]}
            self._change(CONTACT, own, master)
        self._db.execute(
            "UPDATE Contact SET AccountId = ?, LastModifiedDate = ?, SystemModstamp = ?"
            " WHERE AccountId = ? AND IsDeleted = 0 AND IsPersonAccount = 0",
            (winner["Id"], self._now, self._now, loser["Id"]),
        )


def _full_name(row: Mapping[str, Any]) -> str:
    return " ".join(part for part in (row.get("FirstName"), row.get("LastName")) if part)


def _require(sobject: SObject, row: Mapping[str, Any], names: Iterable[str]) -> None:
    missing = tuple(name for name in names if row.get(name) is None)
    if missing:
        raise SalesforceError(
            "REQUIRED_FIELD_MISSING",
            f"Required fields are missing: [{', '.join(missing)}]",
            tuple(sobject[name].name for name in missing),
        )


def _refuse_names(names: Iterable[str]) -> None:
    refused = sorted(names)
    if refused:
        raise SalesforceError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Account: bad field names on insert/update call: {', '.join(refused)}",
            tuple(refused),
        )
