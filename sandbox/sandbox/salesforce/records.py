"""Records at the edges: what clients send read into stored form, stored rows shown as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sandbox.salesforce.errors import SalesforceError, not_writable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sandbox.salesforce.rows import Values
    from sandbox.salesforce.schema import Field, SObject


def record_number(sobject: SObject, record_id: str) -> int:
    """Return the number of a record from its id.

    Raises:
        SalesforceError: MALFORMED_ID where it is no id of this object.
    """
    return sobject["Id"].reference(record_id)


def parse_json(sobject: SObject, fields: Mapping[str, Any]) -> Values:
    """Return the stored form of a record that a client sent as JSON.

    Raises:
        SalesforceError: INVALID_FIELD, JSON_PARSER_ERROR: the request makes no sense. Others: this
            record is refused.
    """
    known: dict[str, tuple[Field, Any]] = {}
    for name, value in fields.items():
        if name == "attributes":
            continue
        field = sobject.find(name)
        if field is None:
            raise SalesforceError(
                "INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}"
            )
        known[field.name] = (field, value)
    check_writable(field for field, _ in known.values())
    return {name: field.from_json(value) for name, (field, value) in known.items()}


def check_writable(fields: Iterable[Field]) -> None:
    """Check that no field is read-only.

    Raises:
        SalesforceError: INVALID_FIELD_FOR_INSERT_UPDATE.
    """
    read_only = [field.name for field in fields if field.read_only]
    if read_only:
        raise not_writable(read_only)


def render(sobject: SObject, row: Sequence[Any]) -> dict[str, Any]:
    """Return a record, given by its columns, as the REST API shows all of its fields."""
    stored = {
        field.name: field.to_json(value)
        for field, value in zip(sobject.columns, row, strict=True)
    }  # fmt: skip
    return {
        field.name: address(field, stored) if field.compound else stored[field.name]
        for field in sobject.fields
    }


def address(field: Field, stored: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a compound address made of its parts, None where all of them are null."""
    parts = {key: stored[name] for key, name in field.parts}
    if not any(parts.values()):
        return None
    return {
        "city": parts["city"],
        "country": parts["country"],
        "geocodeAccuracy": None,
        "latitude": None,
        "longitude": None,
        "postalCode": parts["postalCode"],
        "state": parts["state"],
        "street": parts["street"],
    }
