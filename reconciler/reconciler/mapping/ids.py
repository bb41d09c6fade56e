"""Salesforce ids: 15 characters that tell case apart, or 18 that need not."""

from __future__ import annotations

from typing import Final

_CHECKSUM: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"

#: Key prefixes of standard objects (Salesforce: "Standard Field Record ID Prefix Decoder").
_PREFIXES: Final = {"001": "Account", "003": "Contact", "00Q": "Lead"}


def salesforce_id(value: str) -> str:
    """The 18-character form of a Salesforce id.

    Args:
        value: An id of 15 or 18 characters; anything else comes back as it is.
    """
    value = value.strip()
    if len(value) == 18:
        value = value[:15]
    if len(value) != 15:
        return value
    suffix = "".join(
        _CHECKSUM[sum(char.isupper() << bit for bit, char in enumerate(value[start : start + 5]))]
        for start in (0, 5, 10)
    )
    return value + suffix


def object_of(identifier: str) -> str | None:
    """The standard object that an id belongs to, by its prefix, or None."""
    return _PREFIXES.get(identifier[:3])
