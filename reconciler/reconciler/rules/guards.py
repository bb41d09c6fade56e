"""Guards: what a plan must not do without approval, however it came about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from reconciler.commands import command

#: A plan that clears a field in this many pairs or fewer passes, whatever their share.
CLEARS_ALLOWED: Final = 20
#: A plan that updates this many pairs or fewer passes, whatever their share.
UPDATES_ALLOWED: Final = 100


class Limits(NamedTuple):
    """What the settings allow, in percent of the pairs.

    Attributes:
        ended: `max_delete_percent`.
        cleared: `max_clear_percent`.
        updated: `max_update_percent`, or None where updates are not limited now.
    """

    ended: float
    cleared: float
    updated: float | None


def _way_out(undo: str) -> str:
    return (
        f"Nothing was written. If it is a mistake, {undo}, then run the job again. If it is meant, "
        f"look at it with {command('plan')} and allow it with {command('approve PLAN')}"
    )


def need_counting(open_pairs: int, pairs: int, limits: Limits) -> bool:
    """Whether so many pairs are open that the updates among them could be too many.

    Args:
        open_pairs: Pairs that may need a write.
        pairs: All pairs.
        limits: What is allowed.
    """
    return _exceeds(open_pairs, pairs, limits.cleared, CLEARS_ALLOWED) or (
        limits.updated is not None and _exceeds(open_pairs, pairs, limits.updated, UPDATES_ALLOWED)
    )


def deletions_message(ended: int, pairs: int, limits: Limits) -> str | None:
    """What to say of a plan that deletes or ends too many pairs, or None.

    Args:
        ended: Pairs that the plan ends, with the other record deleted or kept.
        pairs: All pairs.
        limits: What is allowed.
    """
    if not _exceeds(ended, pairs, limits.ended, 0):
        return None
    way_out = _way_out(
        undo="restore the records where they were deleted (for example from the recycle bin)"
    )
    return (
        f"the plan ends {ended:,} of {pairs:,} pairs, since one record of each was deleted; that "
        f"is more than max_delete_percent allows ({limits.ended:g}%). {way_out}"
    )


def updates_message(
    updated: int, cleared: Mapping[str, int], pairs: int, limits: Limits
) -> str | None:
    """What to say of a plan that updates or clears too much, or None.

    Args:
        updated: Pairs that the plan updates.
        cleared: Pairs in which it clears a field that had a value, by PhoneIQ field.
        pairs: All pairs.
        limits: What is allowed.
    """
    way_out = _way_out(undo="undo the import or mass edit where it was made")
    for field, number in sorted(cleared.items()):
        if _exceeds(number, pairs, limits.cleared, CLEARS_ALLOWED):
            return (
                f"the plan clears '{field}' in {number:,} of {pairs:,} pairs, more than "
                f"max_clear_percent allows ({limits.cleared:g}%). {way_out}"
            )
    if limits.updated is not None and _exceeds(updated, pairs, limits.updated, UPDATES_ALLOWED):
        return (
            f"the plan updates {updated:,} of {pairs:,} pairs, more than max_update_percent allows "
            f"({limits.updated:g}%). {way_out}"
        )
    return None


def _exceeds(number: int, pairs: int, percent: float, allowed: int) -> bool:
    return number > allowed and number * 100 > pairs * percent
