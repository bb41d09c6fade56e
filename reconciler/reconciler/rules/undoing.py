"""What becomes of a field whose write an operator takes back.

The record gets its old value, and the other side keeps its own: nobody has typed the old value
there. From then on the sides differ, until somebody edits one of them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from reconciler.model import UNSET, Undo, Unset, Value

#: `open`: the record still shows the value that is taken back; `done`: it shows the old one;
#: `waits`: the write that is taken back has not been seen yet; `over`: somebody has edited a side.
State: TypeAlias = Literal["open", "done", "waits", "over"]


class Standing(NamedTuple):
    """Where a field stands.

    Attributes:
        state: How far it is; an open or a done one is left out of the merge.
        baseline: For one that is over, what to merge the field with, so that only the side counts
            as changed that was edited; `UNSET` where both were, or agree.
    """

    state: State
    baseline: Value | Unset = UNSET


def standing(
    undo: Undo, written: Value, across: Value, *, is_under_way: bool, opposite: Undo | None = None
) -> Standing:
    """Where a field stands whose write is taken back; all values in canonical form.

    Args:
        undo: What is taken back.
        written: The value that the written record shows.
        across: The value that the other record shows.
        is_under_way: Whether its side has not shown the write yet.
        opposite: What is taken back of a write to the same field of the other record, or None.
    """
    is_edited = written not in (undo.given, undo.old)
    kept = [undo.across] if opposite is None else [undo.across, opposite.given, opposite.old]
    if is_under_way and written != undo.given:
        return Standing("waits")
    if not is_edited and across in kept:
        return Standing("done" if written == undo.old else "open")
    if written == across or (is_edited and across not in kept):
        return Standing("over")
    return Standing("over", across if is_edited else written)
