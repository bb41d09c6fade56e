"""What Salesforce says about an object: its fields and what may be done with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import requests

from target_salesforce.errors import RefusedError, RunStoppedError

if TYPE_CHECKING:
    from target_salesforce.session import SalesforceSession


class Field(msgspec.Struct, frozen=True, rename="camel"):
    """A field, under the names of Salesforce's describe call."""

    name: str
    type: str
    createable: bool = False
    updateable: bool = False
    external_id: bool = False
    id_lookup: bool = False


class _Describe(msgspec.Struct, rename="camel"):
    name: str
    fields: list[Field]
    createable: bool = False
    updateable: bool = False
    deletable: bool = False


_decode = msgspec.json.Decoder(_Describe).decode


@dataclass(frozen=True, slots=True)
class Description:
    """An object.

    Attributes:
        name: as Salesforce spells it, such as `Contact`.
        fields: by lower-case name, since Salesforce does not tell upper from lower case.
        createable: whether this user may create records of it.
        updateable: whether this user may change them.
        deletable: whether this user may delete them.
    """

    name: str
    fields: dict[str, Field]
    createable: bool = True
    updateable: bool = True
    deletable: bool = True

    @classmethod
    def read(cls, session: SalesforceSession, name: str) -> Description:
        """Ask Salesforce.

        Raises:
            RunStoppedError: there is no such object, or this user may not see it.
        """
        try:
            described = session.request("GET", f"sobjects/{quote(name, safe='')}/describe", _decode)
        except RefusedError as error:
            if error.status != requests.codes.not_found:
                raise RunStoppedError(
                    f"Salesforce does not describe {name!r} ({error.failure.code}: "
                    f"{error.failure.message})"
                ) from None
            raise RunStoppedError(
                f"Salesforce has no object {name!r} that this user can see. A stream must be "
                f"named after an object, such as 'Contact'; rename it with stream_maps."
            ) from None
        return cls(
            described.name,
            {field.name.lower(): field for field in described.fields},
            described.createable,
            described.updateable,
            described.deletable,
        )

    def permissions(self) -> dict[str, Any]:
        """What this user may do, as JSON: with the records, and with each field of them."""
        return {
            "create": self.createable,
            "update": self.updateable,
            "delete": self.deletable,
            "fields": {
                field.name: {"create": field.createable, "update": field.updateable}
                for field in self.fields.values()
            },
        }

    def external_id_field(self, name: str) -> Field:
        """Find the field that upserts match on.

        Args:
            name: the setting's value.

        Raises:
            RunStoppedError: the object has no such field, or it identifies no record.
        """
        field = self.fields.get(name.lower())
        if field is not None and field.name != "Id" and (field.external_id or field.id_lookup):
            return field
        allowed = [
            field.name
            for field in self.fields.values()
            if field.name != "Id" and (field.external_id or field.id_lookup)
        ]
        found = f"{self.name} has no such field" if field is None else "it is no external id"
        raise RunStoppedError(
            f"external_id_field: found {name!r}, but {found}; allowed for {self.name}: "
            f"{', '.join(sorted(allowed)) or 'none, it has no external id field'}"
        )
