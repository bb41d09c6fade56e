"""Where a PhoneIQ contact belongs in Salesforce."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.fields.ids import object_of
from reconciler.model import SkipReason


class Route(NamedTuple):
    """Where a contact without a pair goes.

    Attributes:
        object: The Salesforce object to create.
        skip: Why it is not created, or None where it is.
    """

    object: str
    skip: SkipReason | None


def route(
    *,
    named_object: str | None,
    reference: str | None,
    has_phone: bool,
    objects: tuple[str, ...],
    default_object: str,
    has_external_id: bool,
) -> Route:
    """Choose the object for a PhoneIQ contact without a pair.

    Args:
        named_object: The object that the contact names (`salesforce_object`).
        reference: The Salesforce id that it names.
        has_phone: Whether it has a valid number that can pair it.
        objects: The objects that are synced.
        default_object: What a contact becomes that names none.
        has_external_id: Whether the created record will carry the contact's id.
    """
    name = named_object or (object_of(reference) if reference else None) or default_object
    if name not in objects:
        return Route(name, "object_not_synced")
    if not has_phone and not has_external_id:
        # Nothing would pair the created record with the contact: each run would create another.
        return Route(name, "no_valid_phone")
    return Route(name, None)
