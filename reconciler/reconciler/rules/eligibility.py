"""Which Salesforce records take part, and the reason why one does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.fields.canonical import text
from reconciler.model import SkipReason

#: A record that is skipped for one of these cannot be one half of a pair either.
UNPAIRABLE: frozenset[SkipReason] = frozenset(
    {"object_not_synced", "converted_lead", "person_account_shadow"}
)


def salesforce_skip(
    name: str, fields: Mapping[str, Any], *, objects: tuple[str, ...], has_phone: bool
) -> SkipReason | None:
    """Why a Salesforce record that is not deleted takes no part, or None where it does.

    Args:
        name: Its object.
        fields: The record's fields as delivered.
        objects: The objects that are synced.
        has_phone: Whether a mapped phone field holds a valid number.
    """
    if name not in objects:
        return "object_not_synced"
    if fields.get("IsConverted"):
        return "converted_lead"
    if name == "Contact" and fields.get("IsPersonAccount"):
        return "person_account_shadow"
    if not has_phone:
        return "no_valid_phone"
    if name != "Account" and text(fields.get("FirstName")) is None:
        return "no_first_name"
    return None
