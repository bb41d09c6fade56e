"""What a pair still needs so that both records agree, field by field.

The classic three-way merge: two sides and the baseline on which they last agreed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from reconciler.model import PHONEIQ, SALESFORCE, UNSET, Side, Unset, Value, Winner

Why: TypeAlias = Literal[
    "only_salesforce_changed", "only_phoneiq_changed", "filled", "keep_salesforce", "keep_phoneiq"
]


class Verdict(NamedTuple):
    """Who has the value that stands.

    Attributes:
        winner: The side whose value stands.
        why: The rule that says so.
    """

    winner: Side
    why: Why


def decide(
    salesforce: Value, phoneiq: Value, baseline: Value | Unset, on_conflict: Winner
) -> Verdict | None:
    """Whose value stands, for one field of one pair; all values in canonical form.

    Returns:
        None where both sides have the same value: they agree, and the baseline moves there.
    """
    kept: Side = SALESFORCE if on_conflict == "keep_salesforce" else PHONEIQ
    if salesforce == phoneiq:
        return None
    if isinstance(baseline, Unset):
        if phoneiq is None:
            return Verdict(SALESFORCE, "filled")
        if salesforce is None:
            return Verdict(PHONEIQ, "filled")
        return Verdict(kept, on_conflict)
    if phoneiq == baseline:
        return Verdict(SALESFORCE, "only_salesforce_changed")
    if salesforce == baseline:
        return Verdict(PHONEIQ, "only_phoneiq_changed")
    return Verdict(kept, on_conflict)


class Rule(NamedTuple):
    """How one mapped field may travel.

    Attributes:
        key: Names the mapping in the baseline.
        to_salesforce: Whether the directions let its value travel to Salesforce.
        to_phoneiq: Whether they let it travel to PhoneIQ.
    """

    key: str
    to_salesforce: bool
    to_phoneiq: bool

    def leads(self, to: Side) -> bool:
        """Whether its value may travel to a side."""
        return self.to_phoneiq if to == PHONEIQ else self.to_salesforce


class Decision(NamedTuple):
    """What was decided for one field on which the sides differ.

    Attributes:
        position: The field's place in the rules.
        to: The side that lacks the value that stands.
        why: The rule that decided.
        travels: Whether the directions let that side have it.
    """

    position: int
    to: Side
    why: Why
    travels: bool


class Merge(NamedTuple):
    """A merged pair.

    Attributes:
        decisions: One for each field on which the sides differ, in the order of the rules.
        baseline: Canonical values on which the sides last agreed, in the order of the rules;
            `UNSET` where they never did.
    """

    decisions: list[Decision]
    baseline: list[Any]


def merge(
    rules: Sequence[Rule],
    salesforce: Sequence[Any],
    phoneiq: Sequence[Any],
    baseline: Sequence[Any],
    on_conflict: Winner,
) -> Merge:
    """Merge one pair.

    Args:
        rules: The mapped fields.
        salesforce: Salesforce's canonical values, in the order of the rules; `UNSET` for a field
            that was not extracted, which is left alone.
        phoneiq: PhoneIQ's, likewise.
        baseline: What they last agreed on, likewise; `UNSET` where they never did.
        on_conflict: Whose value stands where both changed.
    """
    decisions: list[Decision] = []
    agreed = list(baseline)
    for position, (one, two) in enumerate(zip(salesforce, phoneiq, strict=True)):
        if one == two:
            if one is not UNSET:
                agreed[position] = one
            continue
        if one is UNSET or two is UNSET:
            continue
        verdict = decide(one, two, baseline[position], on_conflict)
        if verdict is None:
            continue
        to_phoneiq = verdict.winner == SALESFORCE
        rule = rules[position]
        decisions.append(
            Decision(
                position,
                PHONEIQ if to_phoneiq else SALESFORCE,
                verdict.why,
                rule.to_phoneiq if to_phoneiq else rule.to_salesforce,
            )
        )
    return Merge(decisions, agreed)


def is_as_agreed(values: Sequence[Any], baseline: Sequence[Any]) -> bool:
    """Whether a record shows nothing but what the sides agreed on, in canonical form."""
    return all(
        value == agreed or value is UNSET or (agreed is UNSET and value is None)
        for value, agreed in zip(values, baseline, strict=True)
    )
