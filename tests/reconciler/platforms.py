"""A Salesforce and a PhoneIQ in memory, with a tap and a loader of Singer messages each.

They do what facts about both platforms say as far as a sync can notice it: ids, required fields,
lengths, tombstones, merges, conversions, modification times. Each platform notes what its loader
wrote (`written`) and what it refused (`refused`); what people do goes through `create`, `edit`,
`delete`, `merge` and `convert`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

EXTERNAL_ID = "PhoneIQ_Contact_ID__c"

_ADDRESS = {"Street": 255, "City": 40, "State": 80, "PostalCode": 20, "Country": 80}
_PERSON = {
    "FirstName": 40,
    "LastName": 80,
    "Title": 128,
    "Email": 80,
    "MobilePhone": 40,
    "Phone": 40,
    "Fax": 40,
    "Description": 32_000,
    "Rating__c": 40,
    "Newsletter__c": 5,
    EXTERNAL_ID: 40,
}
_PERSON_ACCOUNT = (
    {"FirstName": 40, "LastName": 80, "PersonTitle": 128, "PersonEmail": 80}
    | {f"Person{kind}Phone": 40 for kind in ("Mobile", "Home", "Other")}
    | {f"PersonMailing{part}": length for part, length in _ADDRESS.items()}
)
#: What a Person Account's shadow Contact shows as well.
_FACE = ("Phone", "Fax", "SystemModstamp", *_PERSON_ACCOUNT)
#: Writable fields of each Salesforce object with their lengths.
SALESFORCE_FIELDS: dict[str, dict[str, int]] = {
    "Account": {"Name": 255, "Phone": 40, "Fax": 40, "Website": 255, "Description": 32_000}
    | {EXTERNAL_ID: 40, "Industry": 40}
    | {f"Billing{part}": length for part, length in _ADDRESS.items()}
    | _PERSON_ACCOUNT,
    "Contact": _PERSON
    | {"HomePhone": 40, "OtherPhone": 40, "AccountId": 18}
    | {f"Mailing{part}": length for part, length in _ADDRESS.items()},
    "Lead": _PERSON | _ADDRESS | {"Company": 255, "Website": 255},
}
_SYSTEM_FIELDS: dict[str, dict[str, Any]] = {
    "Account": {
        "IsDeleted": False,
        "MasterRecordId": None,
        "IsPersonAccount": False,
        "PersonContactId": None,
    },
    "Contact": {
        "IsDeleted": False,
        "MasterRecordId": None,
        "AccountId": None,
        "IsPersonAccount": False,
    },
    "Lead": {
        "IsDeleted": False,
        "MasterRecordId": None,
        "IsConverted": False,
        "ConvertedContactId": None,
        "ConvertedAccountId": None,
    },
}
_REQUIRED = {"Account": ("Name",), "Contact": ("LastName",), "Lead": ("LastName", "Company")}
_PREFIX = {"Account": "001", "Contact": "003", "Lead": "00Q"}

#: Writable fields of a PhoneIQ contact with their lengths.
PHONEIQ_FIELDS: dict[str, int] = {
    "first_name": 100,
    "last_name": 100,
    "company": 255,
    "job_title": 128,
    "email": 254,
    "mobile_phone": 50,
    "work_phone": 50,
    "home_phone": 50,
    "other_phone": 50,
    "fax": 50,
    "street": 255,
    "city": 80,
    "state": 80,
    "postal_code": 20,
    "country": 80,
    "website": 255,
    "notes": 32_000,
    "salesforce_id": 18,
    "salesforce_object": 20,
    "custom_segment": 40,
    "custom_vip": 5,
    "custom_score": 20,
}


class RefusedError(Exception):
    """A platform does not take a row; its message starts with the platform's code."""


class Written(NamedTuple):
    """What a loader changed: the record, what happened to it, and the fields it was given."""

    stream: str
    action: str
    id: str
    fields: dict[str, Any]


class Clock:
    """Moves a little with each change, so that some changes share a second and some do not."""

    def __init__(self) -> None:
        self._now = datetime(2025, 1, 1, tzinfo=timezone.utc)

    def wait(self, seconds: int) -> None:
        self._now += timedelta(seconds=seconds)

    def tick(self) -> datetime:
        self._now += timedelta(milliseconds=650)
        return self._now


def salesforce_id(object_: str, number: int) -> str:
    """The 18-character id of the nth record of an object."""
    alphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    digits = ""
    for _ in range(9):
        number, digit = divmod(number, len(alphabet))
        digits = alphabet[digit] + digits
    short = f"{_PREFIX[object_]}gn{'0'}{digits}"
    checksum = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    return short + "".join(
        checksum[sum(short[start + bit].isupper() << bit for bit in range(5))]
        for start in (0, 5, 10)
    )


def _clean(value: Any) -> Any:
    return (value.strip() or None) if isinstance(value, str) else value


class Salesforce:
    """Accounts, Contacts and Leads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, dict[str, Any]] = {}
        self.objects = ["Account", "Contact", "Lead"]
        #: Fields that the tap was not told to extract; its SCHEMA has them nevertheless.
        self.unselected: set[str] = set()
        #: Fields that field-level security hides from the tap's user.
        self.hidden: set[str] = set()
        #: What the platform makes of a row's fields whenever someone saves it.
        self.rules: list[Callable[[dict[str, Any]], dict[str, Any]]] = []
        self.written: list[Written] = []
        self.refused: list[str] = []

    # --- what people do -------------------------------------------------------------------

    def create(self, object_: str, **fields: Any) -> str:
        """Make a record and return its id; fields that Salesforce requires get a value.

        An Account with a LastName is a Person Account.
        """
        usual = {"Name": "Acme", "LastName": "Doe", "Company": "Acme"}
        required = {name: usual[name] for name in _REQUIRED[object_]}
        return self._create(object_, required | fields)

    def edit(self, id_: str, **fields: Any) -> None:
        self._change(id_, fields)

    def delete(self, id_: str) -> None:
        self._rows[id_] |= {"IsDeleted": True, "SystemModstamp": self._stamp()}
        if face := self._rows[id_].get("PersonContactId"):
            self.delete(face)

    def merge(self, winner: str, loser: str) -> None:
        """Merge one record into another of its object."""
        faces = [self._rows[id_].get("PersonContactId") for id_ in (winner, loser)]
        if all(faces):
            self.merge(*faces)
        self._rows[winner]["SystemModstamp"] = self._stamp()
        self._rows[loser] |= {
            "IsDeleted": True,
            "MasterRecordId": winner,
            "SystemModstamp": self._stamp(),
        }

    def convert(self, lead: str, *, to_person: bool = False) -> str:
        """Convert a Lead and return the id of the Contact that takes its place.

        Args:
            lead: Its id.
            to_person: Whether it becomes a Person Account, whose shadow the Contact then is, and
                not a Contact of a new Account.
        """
        fields = self._rows[lead]
        new = {
            name: fields[name]
            for name in ("FirstName", "LastName", "Title", "Email", "MobilePhone", "Phone", "Fax")
        } | {f"Mailing{part}": fields[part] for part in _ADDRESS}
        if to_person:
            own = {"FirstName", "LastName", "Phone", "Fax"}
            account = self._create(
                "Account",
                {name if name in own else f"Person{name}": value for name, value in new.items()},
            )
            contact = self._rows[account]["PersonContactId"]
        else:
            account = self._create("Account", {"Name": fields["Company"]})
            contact = self._create("Contact", new | {"AccountId": account})
        fields |= {
            "IsConverted": True,
            "ConvertedAccountId": account,
            "ConvertedContactId": contact,
            "SystemModstamp": self._stamp(),
        }
        return contact

    def get(self, id_: str) -> dict[str, Any]:
        return self._rows[id_]

    def live(self, *objects: str) -> list[dict[str, Any]]:
        """Contacts and Leads, or what is named, neither deleted nor converted nor a shadow."""
        return [
            row
            for row in self._rows.values()
            if not row["IsDeleted"]
            and not row.get("IsConverted")
            and row["attributes"] in (objects or ("Contact", "Lead"))
            and not (row["attributes"] == "Contact" and row["IsPersonAccount"])
        ]

    def everything(self) -> dict[str, dict[str, Any]]:
        """A copy of all rows, times of modification left out."""
        return {
            id_: {name: value for name, value in row.items() if name != "SystemModstamp"}
            for id_, row in deepcopy(self._rows).items()
        }

    # --- its tap --------------------------------------------------------------------------

    def extract(
        self, state: Mapping[str, Any], streams: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """As tap-salesforce: a STATE after every record, `current_stream` null at the end.

        Args:
            state: Where to go on.
            streams: Those that are selected; all by default.
        """
        kept = {name: value for name, value in state.items() if name != "current_stream"}
        bookmarks = {
            name: dict(value)
            for name, value in state.get("bookmarks", {}).items()
            if name in self.objects
        }

        def message(stream: str | None) -> dict[str, Any]:
            value = kept | {"bookmarks": deepcopy(bookmarks), "current_stream": stream}
            return {"type": "STATE", "value": value}

        for object_ in self.objects if streams is None else streams:
            yield message(object_)
            fields = [
                field
                for field in (*SALESFORCE_FIELDS[object_], *_SYSTEM_FIELDS[object_])
                if field not in self.hidden
            ]
            properties: dict[str, Any] = {name: {"type": ["null", "string"]} for name in fields}
            for name in ("Id", "CreatedDate", "SystemModstamp"):
                properties[name] = {"type": "string"}
            yield {
                "type": "SCHEMA",
                "stream": object_,
                "schema": {"type": "object", "properties": properties},
                "key_properties": ["Id"],
            }
            since = bookmarks.setdefault(object_, {}).get("SystemModstamp", "")
            rows = [
                row
                for row in self._rows.values()
                if row["attributes"] == object_ and row["SystemModstamp"] >= since
            ]
            left_out = {"attributes", *self.unselected, *self.hidden}
            for row in sorted(rows, key=lambda row: (row["SystemModstamp"], row["Id"])):
                record = {name: value for name, value in row.items() if name not in left_out}
                yield {"type": "RECORD", "stream": object_, "record": record}
                bookmarks[object_]["SystemModstamp"] = row["SystemModstamp"]
                yield message(object_)
        yield message(None)

    # --- its loader -----------------------------------------------------------------------

    def load(self, stream: str, record: Mapping[str, Any]) -> None:
        """Write one record the way target-salesforce does.

        Raises:
            RefusedError: Salesforce does not take the row.
        """
        fields = {
            name: value for name, value in record.items() if name not in {"Id", "_sdc_deleted_at"}
        }
        id_ = record.get("Id")
        if record.get("_sdc_deleted_at"):
            self._check_exists(id_)
            self.delete(str(id_))
            self.written.append(Written(stream, "delete", str(id_), {}))
            return
        if id_ is None and record.get(EXTERNAL_ID):
            id_ = self._with_external_id(stream, record[EXTERNAL_ID])
        if id_ is None:
            self._check_row(stream, fields, None)
            id_ = self._create(stream, fields)
            self.written.append(Written(stream, "create", id_, fields))
            return
        self._check_exists(id_)
        self._check_row(stream, fields, id_)
        self._change(id_, fields)
        self.written.append(Written(stream, "update", id_, fields))

    def _with_external_id(self, stream: str, value: str) -> str | None:
        return next(
            (row["Id"] for row in self.live(stream) if row[EXTERNAL_ID] == value),
            None,
        )

    def _check_exists(self, id_: Any) -> None:
        row = self._rows.get(id_)
        if row is None or row["IsDeleted"]:
            raise RefusedError(f"ENTITY_IS_DELETED {id_}")
        if row["attributes"] == "Contact" and row["IsPersonAccount"]:
            raise RefusedError(f"CANNOT_UPDATE_PERSON_ACCOUNT_CONTACT {id_}")
        if row.get("IsConverted"):
            raise RefusedError(f"CANNOT_UPDATE_CONVERTED_LEAD {id_}")

    def _check_row(self, stream: str, fields: Mapping[str, Any], id_: str | None) -> None:
        for name, value in fields.items():
            if name not in SALESFORCE_FIELDS[stream]:
                raise RefusedError(f"INVALID_FIELD {name}")
            if isinstance(value, str) and len(value) > SALESFORCE_FIELDS[stream][name]:
                raise RefusedError(f"STRING_TOO_LONG {name}")
            if name == "Newsletter__c" and not isinstance(value, bool):
                raise RefusedError(f"INVALID_TYPE_ON_FIELD_IN_RECORD {name}")
        is_person = self._rows[id_]["IsPersonAccount"] if stream == "Account" and id_ else None
        if is_person is False and not _PERSON_ACCOUNT.keys().isdisjoint(fields):
            raise RefusedError("INVALID_FIELD_FOR_INSERT_UPDATE a business has no person's fields")
        email = _clean(fields.get("Email"))
        if email and "@" not in email:
            raise RefusedError("INVALID_EMAIL_ADDRESS Email")
        is_new_person = id_ is None and stream == "Account" and fields.get("LastName")
        for name in ("LastName",) if is_person or is_new_person else _REQUIRED[stream]:
            if (id_ is None or name in fields) and _clean(fields.get(name)) is None:
                raise RefusedError(f"REQUIRED_FIELD_MISSING {name}")
        holder = self._with_external_id(stream, fields.get(EXTERNAL_ID) or "")
        if holder not in {None, id_}:
            raise RefusedError(f"DUPLICATE_VALUE {EXTERNAL_ID}")

    # --- rows -----------------------------------------------------------------------------

    def _create(self, object_: str, fields: Mapping[str, Any]) -> str:
        id_ = salesforce_id(object_, len(self._rows) + 1)
        now = self._stamp()
        self._rows[id_] = (
            {"attributes": object_, "Id": id_}
            | dict.fromkeys(SALESFORCE_FIELDS[object_])
            | _SYSTEM_FIELDS[object_]
            | ({} if object_ == "Account" else {"Newsletter__c": False})
            | {name: _clean(value) for name, value in fields.items()}
            | {"CreatedDate": now, "SystemModstamp": now}
        )
        row = self._rows[id_]
        if object_ == "Account" and row["LastName"]:
            row["IsPersonAccount"] = True
            face = {"LastName": row["LastName"], "AccountId": id_, "IsPersonAccount": True}
            row["PersonContactId"] = self._create("Contact", face)
        self._save(id_)
        return id_

    def _change(self, id_: str, fields: Mapping[str, Any]) -> None:
        self._rows[id_] |= {name: _clean(value) for name, value in fields.items()}
        self._rows[id_]["SystemModstamp"] = self._stamp()
        self._save(id_)

    def _save(self, id_: str) -> None:
        row = self._rows[id_]
        for rule in self.rules:
            row |= rule(row)
        if face := row.get("PersonContactId"):
            row["Name"] = " ".join(filter(None, (row["FirstName"], row["LastName"])))
            # Both faces show the same values; only one of them may be written.
            self._rows[face] |= {name.removeprefix("Person"): row[name] for name in _FACE}

    def _stamp(self) -> str:
        # Salesforce keeps seconds: changes may share one.
        return self._clock.tick().strftime("%Y-%m-%dT%H:%M:%S.000000Z")


class PhoneIQ:
    """Contacts."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: dict[str, dict[str, Any]] = {}
        #: What the platform makes of a row's fields whenever someone saves it.
        self.rules: list[Callable[[dict[str, Any]], dict[str, Any]]] = []
        self.written: list[Written] = []
        self.refused: list[str] = []

    # --- what people do -------------------------------------------------------------------

    def create(self, **fields: Any) -> str:
        """Make a contact and return its id."""
        self._check_row(fields, None)
        return self._create(fields)

    def edit(self, id_: str, **fields: Any) -> None:
        self._check_row(fields, id_)
        self._change(id_, fields)

    def delete(self, id_: str) -> None:
        self._change(id_, {})
        self._rows[id_]["deleted_at"] = self._rows[id_]["updated_at"]

    def get(self, id_: str) -> dict[str, Any]:
        return self._rows[id_]

    def live(self) -> list[dict[str, Any]]:
        return [row for row in self._rows.values() if row["deleted_at"] is None]

    def everything(self) -> dict[str, dict[str, Any]]:
        """A copy of all rows, times and versions left out."""
        return {
            id_: {
                name: value for name, value in row.items() if name not in {"updated_at", "version"}
            }
            for id_, row in deepcopy(self._rows).items()
        }

    # --- its tap --------------------------------------------------------------------------

    def extract(self, state: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """As tap-phoneiq: the STATE that it was given first, `complete` in the closing one."""
        bookmarks = deepcopy(dict(state.get("bookmarks", {})))
        yield {"type": "STATE", "value": {"bookmarks": deepcopy(bookmarks)}}
        properties: dict[str, Any] = {
            name: {"type": ["string", "null"], "maxLength": length}
            for name, length in PHONEIQ_FIELDS.items()
        }
        for name in ("id", "created_at", "updated_at", "deleted_at"):
            properties[name] = {"type": ["string", "null"]}
        properties["version"] = {"type": "integer"}
        properties["custom_vip"] = {"type": ["boolean", "null"]}
        properties["custom_score"] = {"type": ["number", "null"]}
        yield {
            "type": "SCHEMA",
            "stream": "contacts",
            "schema": {"type": "object", "properties": properties},
            "key_properties": ["id"],
        }
        bookmark = bookmarks.setdefault("contacts", {})
        since = bookmark.get("replication_key_value", "")
        rows = [row for row in self._rows.values() if row["updated_at"] >= since]
        for row in sorted(rows, key=lambda row: row["updated_at"]):
            yield {"type": "RECORD", "stream": "contacts", "record": dict(row)}
            bookmark |= {
                "replication_key": "updated_at",
                "replication_key_value": row["updated_at"],
            }
            if row["version"] % 2:
                yield {"type": "STATE", "value": {"bookmarks": deepcopy(bookmarks)}}
        yield {"type": "STATE", "value": {"bookmarks": deepcopy(bookmarks), "complete": True}}

    # --- its loader -----------------------------------------------------------------------

    def load(self, stream: str, record: Mapping[str, Any]) -> None:
        """Write one record the way target-phoneiq does.

        Raises:
            RefusedError: PhoneIQ does not take the row.
        """
        fields = {
            name: value for name, value in record.items() if name not in {"id", "_sdc_deleted_at"}
        }
        id_ = record.get("id")
        if id_ is not None:
            row = self._rows.get(id_)
            if row is None or row["deleted_at"]:
                raise RefusedError(f"not_found {id_}")
        if record.get("_sdc_deleted_at"):
            self.delete(str(id_))
            self.written.append(Written(stream, "delete", str(id_), {}))
            return
        if id_ is None and fields.get("salesforce_id"):
            id_ = self._with_salesforce_id(fields["salesforce_id"])
        self._check_row(fields, id_)
        if id_ is None:
            id_ = self._create(fields)
            self.written.append(Written(stream, "create", id_, fields))
            return
        self._change(id_, fields)
        self.written.append(Written(stream, "update", id_, fields))

    def _with_salesforce_id(self, value: str) -> str | None:
        return next((row["id"] for row in self.live() if row["salesforce_id"] == value), None)

    def _check_row(self, fields: Mapping[str, Any], id_: str | None) -> None:
        for name, value in fields.items():
            if name not in PHONEIQ_FIELDS:
                raise RefusedError(f"unknown_field {name}")
            if isinstance(value, str) and len(value) > PHONEIQ_FIELDS[name]:
                raise RefusedError(f"value_too_long {name}")
        if not isinstance(fields.get("custom_vip"), bool | None):
            raise RefusedError("invalid_field custom_vip")
        if not isinstance(fields.get("custom_score"), int | float | None):
            raise RefusedError("invalid_field custom_score")
        email = _clean(fields.get("email"))
        if email and "@" not in email:
            raise RefusedError("invalid_field email")
        holder = self._with_salesforce_id(fields.get("salesforce_id") or "")
        if holder not in {None, id_}:
            raise RefusedError(f"salesforce_id_taken {fields['salesforce_id']}")

    # --- rows -----------------------------------------------------------------------------

    def _create(self, fields: Mapping[str, Any]) -> str:
        id_ = f"pc_{len(self._rows) + 1:012}"
        now = self._stamp()
        self._rows[id_] = (
            {"id": id_}
            | dict.fromkeys(PHONEIQ_FIELDS)
            | {name: _clean(value) for name, value in fields.items()}
            | {"created_at": now, "updated_at": now, "deleted_at": None, "version": 1}
        )
        self._save(self._rows[id_])
        return id_

    def _change(self, id_: str, fields: Mapping[str, Any]) -> None:
        row = self._rows[id_]
        row |= {name: _clean(value) for name, value in fields.items()}
        row |= {"updated_at": self._stamp(), "version": row["version"] + 1}
        self._save(row)

    def _save(self, row: dict[str, Any]) -> None:
        for rule in self.rules:
            row |= rule(row)

    def _stamp(self) -> str:
        return self._clock.tick().isoformat(timespec="microseconds").replace("+00:00", "Z")


def deliver(
    platform: Salesforce | PhoneIQ, messages: Iterable[Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Hand messages to a platform's loader; a row that is refused does not stop the others.

    Returns:
        The last STATE, which is what Meltano saves.
    """
    state: dict[str, Any] | None = None
    known: dict[str, set[str]] = {}
    for message in messages:
        if message["type"] == "STATE":
            state = deepcopy(message["value"])
        elif message["type"] == "SCHEMA":
            known[message["stream"]] = set(message["schema"]["properties"])
        else:
            unknown = set(message["record"]) - known[message["stream"]]
            assert not unknown, f"fields without a schema: {unknown}"
            try:
                platform.load(message["stream"], message["record"])
            except RefusedError as refused:
                platform.refused.append(str(refused))
    return state
