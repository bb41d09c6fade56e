"""Record ids: 15 case-sensitive characters, or 18 with a checksum that survives any case.

An id is the object's prefix (3), the org's part (3, always the same here) and the number of the
record in base 62 (9). The store keeps the number; ids are made and read at its edges.
"""

from __future__ import annotations

from functools import lru_cache

PREFIXES = {
    "Account": "001",
    "Contact": "003",
    "User": "005",
    "Opportunity": "006",
    "RecordType": "012",
    "Lead": "00Q",
    "Job": "750",
    "Batch": "751",
    "Result": "752",
}

_ORG = "Sb0"
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_CHECK = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def checksum(id15: str) -> str:
    """Return the three characters that make a 15-character id an 18-character one."""
    return "".join(_check(id15[at : at + 5]) for at in (0, 5, 10))


def make(name: str, number: int) -> str:
    """Return the 18-character id of record ``number`` (1 or more) of an object."""
    high, low = divmod(number, 62**5)
    head, check = _head(name, high)
    tail = _encode(low, 5)
    return f"{head}{tail}{check}{_check(tail)}"


def canonical(text: str) -> str | None:
    """Return the 18-character form of a 15- or 18-character id, None if it is no id.

    The checksum of an 18-character id repairs the case of its first 15 characters, which is what
    it is for; one that cannot belong to these letters makes the id invalid.
    """
    if len(text) not in (15, 18) or not text.isascii() or not text.isalnum():
        return None
    if len(text) == 15:
        return text + checksum(text)
    id15, check = text[:15], text[15:].upper()
    if checksum(id15) == check:
        return id15 + check
    repaired = []
    for at, char in enumerate(id15):
        value = _CHECK.find(check[at // 5])
        if value < 0:
            return None
        repaired.append(char.upper() if value >> (at % 5) & 1 else char.lower())
    body = "".join(repaired)
    return body + check if checksum(body) == check else None


def parse(name: str, text: str) -> int | None:
    """Return the number of an object's record from its id.

    Returns:
        The number; 0 for an id of the right shape that this org never gave; None where the text
        is not an id of this object at all.
    """
    full = canonical(text)
    if full is None or not full.startswith(PREFIXES[name]):
        return None
    if full[3:6] != _ORG:
        return 0
    number = 0
    for char in full[6:15]:
        number = number * 62 + _VALUES[char]
    return number


@lru_cache(maxsize=1024)
def _head(name: str, high: int) -> tuple[str, str]:
    head = PREFIXES[name] + _ORG + _encode(high, 4)
    return head, _check(head[:5]) + _check(head[5:])


def _check(block: str) -> str:
    value = 0
    for bit, char in enumerate(block):
        if "A" <= char <= "Z":
            value |= 1 << bit
    return _CHECK[value]


def _encode(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, value = divmod(number, 62)
        digits = _DIGITS[value] + digits
    return digits
