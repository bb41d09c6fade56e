"""Who is who, where no pair and no reference says so: by phone number.

One call decides for one group of records: all those without a pair that share numbers with each
other, directly or through a third. Groups do not touch, so they can be decided one by one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

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
    """

    row: int
    side: Side
    object: str
    id: str
    name: str
    created_at: str
    takes_part: bool
    numbers: tuple[str, ...]


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

    The order of preference: records that take part, more shared numbers, equal name, the order
    of `objects`, the oldest, the id.

    Args:
        group: Records without a pair that share numbers.
        holders: The rows that hold a number already, since they have a pair.
        objects: The Salesforce objects in order of preference.
        shared_phone: Whether one number may stand for several records of a side.
    """
    rank = {name: position for position, name in enumerate(objects)}

    def seniority(record: Candidate) -> tuple[bool, int, str, str]:
        return (
            not record.takes_part,
            rank.get(record.object, len(rank)),
            record.created_at,
            record.id,
        )

    group = sorted(group, key=seniority)
    taken = dict(holders)
    duplicates: dict[int, int] = {}
    pairs: list[tuple[int, int]] = []
    paired: set[int] = set()

    def holder_of(record: Candidate) -> int | None:
        if shared_phone == "allow":
            return None
        return next(
            (
                taken[record.side, number]
                for number in record.numbers
                if (record.side, number) in taken
            ),
            None,
        )

    def is_free(record: Candidate) -> bool:
        return record.row not in paired and holder_of(record) is None

    def take(record: Candidate) -> None:
        for number in record.numbers:
            taken.setdefault((record.side, number), record.row)

    while found := _combinations([record for record in group if is_free(record)]):
        for _, salesforce, phoneiq in sorted(
            (_preference(one, two, seniority(one), seniority(two)), one, two) for one, two in found
        ):
            if is_free(salesforce) and is_free(phoneiq):
                pairs.append((salesforce.row, phoneiq.row))
                for record in (salesforce, phoneiq):
                    paired.add(record.row)
                    take(record)
    for record in group:
        if record.row in paired:
            continue
        holder = holder_of(record)
        if holder is not None:
            duplicates[record.row] = holder
        elif record.takes_part:
            take(record)
    return Pairing(pairs, duplicates)


def _preference(
    salesforce: Candidate,
    phoneiq: Candidate,
    salesforce_seniority: tuple[bool, int, str, str],
    phoneiq_seniority: tuple[bool, int, str, str],
) -> tuple[bool, int, bool, tuple[int, str, str], tuple[int, str, str]]:
    """Sorts the better combination first."""
    shared = len(set(salesforce.numbers).intersection(phoneiq.numbers))
    return (
        not (salesforce.takes_part and phoneiq.takes_part),
        -shared,
        not _same_name(salesforce, phoneiq),
        salesforce_seniority[1:],
        phoneiq_seniority[1:],
    )


def _same_name(one: Candidate, two: Candidate) -> bool:
    return bool(one.name) and one.name == two.name


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
