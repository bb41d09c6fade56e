"""What a run would write, found out on a copy of the ledger, and whether that was approved."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from reconciler.applying import apply_settings, are_applied
from reconciler.commands import command
from reconciler.errors import ApprovalError, GuardError
from reconciler.fields.canonical import known
from reconciler.ledger import Ledger
from reconciler.ledger.approvals import ApprovedWrite
from reconciler.model import PHONEIQ, SALESFORCE, Side, Write, allows
from reconciler.plan import Planner
from reconciler.reverting import revert_writes
from reconciler.settings import Settings
from reconciler.summary import Summary

#: In the order in which a job writes to them.
_WRITTEN: tuple[Side, Side] = (PHONEIQ, SALESFORCE)
#: How the ledger names approved ends of pairs, which may come with either side.
_ENDS: Final = "pairs"
#: Writes that a message names.
_NAMED = 3


def prepare(copy: Ledger, settings: Settings) -> None:
    """Let a copy of the ledger be planned with the settings of now, as the next run does it.

    Args:
        copy: The copy.
        settings: The settings of the job.
    """
    if not copy.controls.get("deleted_at") and not are_applied(copy, settings):
        apply_settings(copy, settings, copy.runs.latest() + 1)


@dataclass
class Unguarded:
    """What a plan does beside its writes, where it is shown although a guard stops it.

    Attributes:
        stopped: What each guard that stops it says, by side.
        ended: Salesforce and PhoneIQ id of each pair that it ends.
        by_phone: Of the pairs by phone that it writes to first, how many are of people with
            different full names, and how many there are; None where it writes to no side.
    """

    stopped: dict[Side, str] = dataclasses.field(default_factory=dict)
    ended: dict[tuple[str, str], None] = dataclasses.field(default_factory=dict)
    by_phone: tuple[int, int] | None = None


def previewed(
    copy: Ledger, settings: Settings, side: Side, unguarded: Unguarded | None = None
) -> Iterator[list[Write]]:
    """The writes to one side, in chunks.

    Args:
        copy: A copy of the ledger; planning changes it.
        settings: The settings of the job.
        side: The side that is written to.
        unguarded: Takes what the guards say, where they do not stop the plan.

    Raises:
        GuardError: The plan would delete, clear or update too much.
    """
    revert = copy.controls.get("revert")
    if copy.controls.get("deleted_at"):
        return
    if revert is not None:
        if side == PHONEIQ:
            yield from revert_writes(copy, revert)
        return
    if allows(settings.sync_direction, side):
        summary = Summary("observe-phoneiq")
        planner = Planner(copy, settings, side, copy.runs.latest() + 1, summary)
        planner.pair()
        if unguarded is None:
            planner.check_guards()
        else:
            unguarded.ended |= dict.fromkeys(copy.pairs.ending())
            if unguarded.by_phone is None:
                # Once the first side is planned, they count as planned.
                unguarded.by_phone = copy.pairs.count_unplanned_by_phone()
            try:
                planner.check_guards()
            except GuardError as error:
                unguarded.stopped[side] = str(error)
        yield from planner.writes()


def pair(copy: Ledger, settings: Settings) -> None:
    """Pair the records of a copy as the next run does it."""
    for side in _WRITTEN:
        if allows(settings.sync_direction, side):
            summary = Summary("observe-phoneiq")
            Planner(copy, settings, side, copy.runs.latest() + 1, summary).pair()
            return


def plan_of(
    copy: Ledger, settings: Settings, unguarded: Unguarded, sides: Iterable[Side] = _WRITTEN
) -> Iterator[list[Write]]:
    """The writes to both sides, in the order in which a job makes them; see `previewed`."""
    for side in sides:
        yield from previewed(copy, settings, side, unguarded)


def as_json(write: Write) -> dict[str, Any]:
    """A write for programs."""
    return {
        "side": write.side,
        "object": write.object,
        "id": write.id,
        "action": write.action,
        "changes": {
            field: {"old": known(change.old), "new": known(change.new), "why": change.why}
            for field, change in write.changes.items()
        },
    }


def digest_of(write: Write) -> str:
    """The same for the same write."""
    return hashlib.sha256(json.dumps(as_json(write), sort_keys=True).encode()).hexdigest()[:32]


class PlanId:
    """Names a plan by all of its writes, in their order, and the pairs that it ends."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, writes: Iterable[Write]) -> None:
        """Take the next writes."""
        for write in writes:
            self._hash.update(digest_of(write).encode())

    def end(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Take the pairs that the plan ends."""
        for one in sorted(pairs):
            self._hash.update(_digest_of_end(one).encode())

    def __str__(self) -> str:
        return self._hash.hexdigest()[:12]


def without_values(write: Write) -> str:
    """A write for the log: ids, field names and reasons."""
    reasons: dict[str, list[str]] = {}
    for field, change in write.changes.items():
        reasons.setdefault(change.why, []).append(field)
    fields = "; ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items())
    name = write.object if write.side == SALESFORCE else "contact"
    return f"{write.action} {write.side} {name} {write.id or '(new)'}" + (
        f": {fields}" if fields else ""
    )


def check_approved(ledger: Ledger, settings: Settings, side: Side, plan: str) -> None:
    """Make sure that a side needs just what was approved for it.

    Raises:
        ApprovalError: It needs something else; says what.
    """
    came: list[str] = []
    unguarded = Unguarded()
    with ledger.copy() as copy:
        for writes in previewed(copy, settings, side, unguarded):
            unmatched = copy.approvals.take(side, [digest_of(write) for write in writes])
            came += [without_values(writes[position]) for position in unmatched]
        ended = list(unguarded.ended)
        unmatched = copy.approvals.take(_ENDS, [_digest_of_end(one) for one in ended])
        came += [_end_line(ended[position]) for position in unmatched]
        gone = copy.approvals.left(side)
    if came or gone:
        changed = [
            f"{len(lines):,} {what} ({' | '.join(lines[:_NAMED])}"
            f"{' | …' if len(lines) > _NAMED else ''})"
            for lines, what in ((came, "are new or differ"), (gone, "are not needed any more"))
            if lines
        ]
        raise ApprovalError(
            f"the approved plan {plan} is not what {side} needs now: {'; '.join(changed)}. "
            f"Nothing was written. See what is planned now: {command('plan')}. To let runs write "
            f"without approval again: {command('approve --withdraw')}"
        )


def approved_writes(writes: Iterable[Write]) -> list[ApprovedWrite]:
    """Writes as the ledger keeps them once they are approved."""
    return [ApprovedWrite(one.side, digest_of(one), without_values(one)) for one in writes]


def approved_ends(pairs: Iterable[tuple[str, str]]) -> list[ApprovedWrite]:
    """Pairs that a plan ends, likewise."""
    return [ApprovedWrite(_ENDS, _digest_of_end(one), _end_line(one)) for one in pairs]


def _digest_of_end(pair: tuple[str, str]) -> str:
    return hashlib.sha256(f"end {' '.join(pair)}".encode()).hexdigest()[:32]


def _end_line(pair: tuple[str, str]) -> str:
    return f"end the pair of salesforce {pair[0]} and phoneiq {pair[1]}"
