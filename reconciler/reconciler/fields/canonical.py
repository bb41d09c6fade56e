"""Canonical values: two values are the same where only their form differs."""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from reconciler.fields.defaults import Kind
from reconciler.model import INVALID, SkipReason, Value

#: What Salesforce takes for an e-mail address, roughly; it answers INVALID_EMAIL_ADDRESS
#: to anything else.
_EMAIL: Final = re.compile(r"[^@\s,;<>()\[\]]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

#: What spreadsheets export where there is no value, and what null is called in Salesforce's
#: Bulk API 2.0: no such text can be written there.
NO_VALUE: Final = "#N/A"

#: Characters that are not shown: Default_Ignorable_Code_Point of Unicode's
#: DerivedCoreProperties.txt.
_IGNORABLE: Final = (
    "\u00ad\u034f\u061c\u115f-\u1160\u17b4-\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_IGNORABLES: Final = re.compile(f"[{_IGNORABLE}]+")
_SHOWN: Final = re.compile(f"[^\\s\0{_IGNORABLE}]")


def without_ignorables(value: str) -> str:
    """A text without the characters that are not shown."""
    return value if value.isascii() else _IGNORABLES.sub("", value)


def is_blank(value: str) -> bool:
    """Whether a text shows nothing."""
    return _SHOWN.search(value) is None


def text(value: Any) -> Value:
    """A value as it is sent: Unicode NFC, trimmed, line ends as LF, no NUL, blank as None.

    `#N/A` is blank.

    Numbers, booleans and lists stay as they are.
    """
    if not isinstance(value, str):
        return value  # type: ignore[no-any-return]
    if not value.isascii():
        if is_blank(value):
            return None
        value = unicodedata.normalize("NFC", value)
    if "\0" in value:
        # Neither Salesforce nor PostgreSQL can hold it.
        value = value.replace("\0", "")
    value = value.strip()
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return None if value == NO_VALUE else value or None


def canonical(kind: Kind, value: Value) -> Value:
    """The form in which values are compared, from the form in which they are sent."""
    if kind == "email" and isinstance(value, str):
        return value.casefold()
    return value


def known(value: Any) -> Any:
    """A canonical value as people know it: without the mark of one that cannot travel."""
    return value.removeprefix(INVALID) if isinstance(value, str) else value


def unholdable(kind: Kind, value: Value, max_length: int | None) -> SkipReason | None:
    """Why the other side cannot hold a value, or None where it can.

    Args:
        kind: How the value is compared.
        value: The value in the form in which it would be sent.
        max_length: Longest text that the field takes, in characters; None where not known.
    """
    if not isinstance(value, str):
        return None
    if kind == "phone" and value.startswith(INVALID):
        return "invalid_phone"
    if kind == "table" and value.startswith(INVALID):
        return "value_not_mapped"
    if kind == "email" and not _EMAIL.fullmatch(value):
        return "invalid_email"
    if max_length is not None and len(value) > max_length:
        return "value_too_long"
    return None


def table_key(value: Value) -> str:
    """A value as a table of values names it: `true`, and 2 where a side shows 2.0."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def fold_name(*parts: Any) -> str:
    """A full name for comparison: NFKC, without case and surplus white space; may be empty."""
    name = " ".join([part for part in parts if isinstance(part, str)])
    if not name.isascii():
        name = unicodedata.normalize("NFKC", without_ignorables(name))
    return " ".join(name.replace("\0", "").casefold().split())
