"""Who is who, where no pair and no reference says so: by phone number.

One call decides for one group of records: all those without a pair that share numbers with each
other, directly or through a third. Groups do not touch, so they can be decided one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.model import PHONEIQ, SALESFORCE, Side
from reconciler.settings import SharedPhone

#: Above this many combinations for one number, only those that can win are compared.
_MANY: Final = 2_500


class Candidate(NamedTuple):
    """A record without a pair.

    Attributes:
        row: Its row in the ledger.
        side: Where it lives.
        object: Its Salesforce object.
        id: Its id.
        name: Folded full name; empty where it has none.
        created_at: When it was created.
        takes_part: Whether it is not skipped for reasons of its own.
        numbers: Its valid numbers.
        run: The run that saw its last change.
        creating: The run that sent a create from it that is under way, or None: what appears
            across after it is its other half.
    """

    row: int
    side: Side
    object: str
    id: str
    name: str
    created_at: str
    takes_part: bool
    numbers: tuple[str, ...]
    run: int = 0
    creating: int | None = None


class Pairing(NamedTuple):
    """What was decided for one group.

    Attributes:
        pairs: (Salesforce row, PhoneIQ row), best first.
        duplicates: Row of a record whose number is taken, to the row that holds the number.
    """

    pairs: list[tuple[int, int]]
    duplicates: dict[int, int]


def pair_by_phone(
    group: Sequence[Candidate],
    holders: Mapping[tuple[Side, str], int],
    *,
    objects: Sequence[str],
    shared_phone: SharedPhone,
) -> Pairing:
    """Pair the records of one group, and say whose number is taken.

    A record that is being created across is paired first, with the newest that shares a number.
    Then the order of preference: records that take part, more shared numbers, equal name, the order
    of `objects`, the oldest, the id.

    Args:
        group: Records without a pair that share numbers.
        holders: The rows that hold a number already, since they have a pair.
        objects: The Salesforce objects in order of preference.
        shared_phone: Whether one number may stand for several records of a side.
    """
    decider = _Decider(holders, objects, shared_phone)
    ordered = sorted(group, key=decider.seniority)
    pairs: list[tuple[int, int]] = []
    before = -1
    # Where a number has very many holders, a round compares only those that can win in it.
    while before < len(pairs):
        before = len(pairs)
        found = _combinations(record for record in ordered if not decider.is_paired(record))
        for salesforce, phoneiq in sorted(found, key=decider.preference):
            if decider.may_pair(salesforce, phoneiq):
                pairs.append((salesforce.row, phoneiq.row))
                decider.pair(salesforce, phoneiq)
    return Pairing(pairs, decider.leave(ordered))


class _Decider:
    """Knows the order of preference, and whose number is taken."""

    def __init__(
        self,
        holders: Mapping[tuple[Side, str], int],
        objects: Sequence[str],
        shared_phone: SharedPhone,
    ) -> None:
        self._taken = dict(holders)
        self._rank = {name: position for position, name in enumerate(objects)}
        self._shared_phone = shared_phone
        self._paired: set[int] = set()

    def seniority(self, record: Candidate) -> tuple[bool, int, str, str]:
        """Sorts the record first that would be chosen on its own."""
        return (
            not record.takes_part,
            self._rank.get(record.object, len(self._rank)),
            record.created_at,
            record.id,
        )

    def preference(self, combination: tuple[Candidate, Candidate]) -> tuple[Any, ...]:
        """Sorts the better combination of a Salesforce record and a contact first."""
        salesforce, phoneiq = combination
        shared = len(set(salesforce.numbers).intersection(phoneiq.numbers))
        newest = max(record.row for record in combination)
        return (
            -newest if _is_created(*combination) else 0,
            not (salesforce.takes_part and phoneiq.takes_part),
            -shared,
            not salesforce.name or salesforce.name != phoneiq.name,
            self.seniority(salesforce),
            self.seniority(phoneiq),
        )

    def is_paired(self, record: Candidate) -> bool:
        """Whether a record has been paired."""
        return record.row in self._paired

    def may_pair(self, one: Candidate, two: Candidate) -> bool:
        """Whether both may be paired: neither has a pair, and no one else holds their numbers."""
        if self.is_paired(one) or self.is_paired(two):
            return False
        return _is_created(one, two) or not (self._is_held(one) or self._is_held(two))

    def pair(self, *records: Candidate) -> None:
        """Note that records are paired, and hold their numbers."""
        for record in records:
            self._paired.add(record.row)
            self._take(record)

    def leave(self, ordered: Iterable[Candidate]) -> dict[int, int]:
        """Among those without a pair, the first holds the number; who is behind, and whom."""
        behind: dict[int, int] = {}
        for record in ordered:
            if record.row in self._paired or not record.takes_part:
                continue
            holder = self._holder(record)
            if holder is not None:
                behind[record.row] = holder
            else:
                self._take(record)
        return behind

    def _is_held(self, record: Candidate) -> bool:
        return self._holder(record) is not None

    def _holder(self, record: Candidate) -> int | None:
        if self._shared_phone == "allow":
            return None
        keys = ((record.side, number) for number in record.numbers)
        return next((self._taken[key] for key in keys if key in self._taken), None)

    def _take(self, record: Candidate) -> None:
        for number in record.numbers:
            self._taken.setdefault((record.side, number), record.row)


def _is_created(one: Candidate, two: Candidate) -> bool:
    """Whether one of two records appeared after a create from the other was sent."""
    return any(
        source.creating is not None and record.run > source.creating
        for source, record in ((one, two), (two, one))
    )


def _combinations(group: Iterable[Candidate]) -> set[tuple[Candidate, Candidate]]:
    """The Salesforce and PhoneIQ records that share a number.

    A number that very many share (a switchboard) would make their product: there, each record
    is compared with those of its name and with the one at its own place in the order.
    """
    by_number: dict[str, dict[Side, list[Candidate]]] = defaultdict(
        lambda: {SALESFORCE: [], PHONEIQ: []}
    )
    for record in group:
        for number in record.numbers:
            by_number[number][record.side].append(record)
    return {
        combination
        for sides in by_number.values()
        for combination in _of_number(sides[SALESFORCE], sides[PHONEIQ])
    }


def _of_number(
    salesforce: list[Candidate], phoneiq: list[Candidate]
) -> Iterator[tuple[Candidate, Candidate]]:
    if len(salesforce) * len(phoneiq) <= _MANY:
        for one in salesforce:
            for two in phoneiq:
                yield one, two
        return
    named: dict[str, list[Candidate]] = defaultdict(list)
    for record in phoneiq:
        named[record.name].append(record)
    for one in salesforce:
        if one.name:
            # The first few of a name: those behind them cannot win in this round.
            yield from ((one, two) for two in named.get(one.name, ())[:50])
    yield from zip(salesforce, phoneiq, strict=False)
