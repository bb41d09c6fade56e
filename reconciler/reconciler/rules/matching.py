"""Which records are one person: by what they name, and by phone number.

Where no pair and no reference says so, one call decides for one group of records: all those without
a pair that share numbers with each other, directly or through a third. Groups do not touch, so they
can be decided one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from reconciler.model import PHONEIQ, SALESFORCE, Side
from reconciler.settings import OnNameMismatch, SharedPhone

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
            on the other side after it may be its other half.
        is_released: Whether it was let go, so that only one of its own name is paired with it.
        has_full_name: Whether its name is a first and a last name.
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
    is_released: bool = False
    has_full_name: bool = False


class Pairing(NamedTuple):
    """What was decided for one group.

    Attributes:
        pairs: (Salesforce row, PhoneIQ row), best first.
        duplicates: Row of a record whose number is taken, to the row that holds the number.
    """

    pairs: list[tuple[int, int]]
    duplicates: dict[int, int]


class Reference(NamedTuple):
    """What one half of a pair says about the other.

    Attributes:
        ids: Its id, and another one that stands for it: that of a Person Account's shadow Contact.
        names: The id that it names on the other side, or None.
        since: The run that saw it name that first, or None where that is not known.
        is_deleted: Whether it is a tombstone.
    """

    ids: tuple[str | None, ...]
    names: str | None
    since: int | None
    is_deleted: bool


def held_together_since(run: int, one: Reference, two: Reference) -> int:
    """The newest run in which something said that two halves are one person.

    A record that names one of them later takes the other's place.

    Args:
        run: The run that made the pair.
        one: One half.
        two: The other half.

    Returns:
        0 where a half is deleted: then nothing holds the other.
    """
    if one.is_deleted or two.is_deleted:
        return 0
    statements = [
        half.since or 0 for half, other in ((one, two), (two, one)) if half.names in other.ids
    ]
    return max([run, *statements])


def pair_by_phone(
    group: Sequence[Candidate],
    holders: Mapping[tuple[Side, str], int],
    *,
    objects: Sequence[str],
    shared_phone: SharedPhone,
    on_name_mismatch: OnNameMismatch = "merge",
    created: Mapping[tuple[int, int], int] | None = None,
    separated: Collection[tuple[int, int]] = frozenset(),
) -> Pairing:
    """Pair the records of one group, and say whose number is taken.

    The order of preference: records that take part, one that was created from the other, more
    shared numbers, equal name, the order of `objects`, the oldest, the id.

    Args:
        group: Records without a pair that share numbers.
        holders: The rows that hold a number already, since they have a pair.
        objects: The Salesforce objects in order of preference.
        shared_phone: Whether one number may stand for several records of a side.
        on_name_mismatch: Whether records with different full names may be paired.
        created: By the rows of a record and of another that may have been created from it, how
            many of the values that the create sent the other one shows. Where it is not given,
            all that appeared after the create are alike.
        separated: (Salesforce row, PhoneIQ row) of records that are never one person.
    """
    decider = _Decider(holders, objects, shared_phone, on_name_mismatch, created, separated)
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
        on_name_mismatch: OnNameMismatch,
        created: Mapping[tuple[int, int], int] | None,
        separated: Collection[tuple[int, int]],
    ) -> None:
        self._separated = separated
        self._on_name_mismatch = on_name_mismatch
        self._created = created
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
        return (
            not (salesforce.takes_part and phoneiq.takes_part),
            -self._created_values(salesforce, phoneiq),
            -shared,
            not salesforce.name or salesforce.name != phoneiq.name,
            self.seniority(salesforce),
            self.seniority(phoneiq),
        )

    def is_paired(self, record: Candidate) -> bool:
        """Whether a record has been paired."""
        return record.row in self._paired

    def may_pair(self, salesforce: Candidate, phoneiq: Candidate) -> bool:
        """Whether both may be paired: neither has a pair, and no one else holds their numbers."""
        if self.is_paired(salesforce) or self.is_paired(phoneiq):
            return False
        if (salesforce.row, phoneiq.row) in self._separated:
            return False
        if self._created_values(salesforce, phoneiq):
            return True
        return self._may_be_one(salesforce, phoneiq) and not (
            self._is_held(salesforce) or self._is_held(phoneiq)
        )

    def _may_be_one(self, one: Candidate, two: Candidate) -> bool:
        """Whether the names of two records leave room for their being one person."""
        if one.name == two.name and one.name:
            return True
        if one.is_released or two.is_released:
            return False
        both_full = one.has_full_name and two.has_full_name
        return not (both_full and self._on_name_mismatch == "skip")

    def _created_values(self, one: Candidate, two: Candidate) -> int:
        """How many values show that one of two records was created from the other; 0 for no."""
        return max(
            0
            if not _appeared_after(source, record)
            # Without the values, what appeared last is the most likely.
            else record.row
            if self._created is None
            else self._created.get((source.row, record.row), 0)
            for source, record in ((one, two), (two, one))
        )

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


def _appeared_after(source: Candidate, record: Candidate) -> bool:
    """Whether a record appeared after a create from another was sent."""
    return source.creating is not None and record.run > source.creating


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
