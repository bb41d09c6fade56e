"""Salesforce ids: 15 characters that tell case apart, or 18 that need not."""

from __future__ import annotations

from typing import Final

#: Says for each of five characters whether it is upper case.
_CASES: Final = {code: "1" if chr(code).isupper() else "0" for code in range(128)}
#: The character of the checksum that stands for five of those.
_CHECKSUM: Final = {
    f"{bits:05b}"[::-1]: char for bits, char in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345")
}

#: Key prefixes of standard objects (Salesforce: "Standard Field Record ID Prefix Decoder").
_PREFIXES: Final = {"001": "Account", "003": "Contact", "00Q": "Lead"}


def salesforce_id(value: str) -> str:
    """The 18-character form of a Salesforce id.

    Args:
        value: An id of 15 or 18 characters; anything else comes back as it is.
    """
    value = value.replace("\0", "").strip()
    if len(value) not in {15, 18} or not value.isascii():
        return value
    value = value[:15]
    cases = value.translate(_CASES)
    return value + _CHECKSUM[cases[:5]] + _CHECKSUM[cases[5:10]] + _CHECKSUM[cases[10:]]


def object_of(identifier: str) -> str | None:
    """The standard object that an id belongs to, by its prefix, or None."""
    return _PREFIXES.get(identifier[:3])
