"""Several workers that write to one side: each plans and emits a shard of the writes.

The first one of a round has the ledger to itself while it finds out who is who. Then all shards of
the round work at the same time: what each one plans depends on nothing that another one decides.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.errors import LeaseHeldError, SettingsError
from reconciler.ledger.lease import Work
from reconciler.ledger.rounds import Round
from reconciler.model import Side, Write, other
from reconciler.plan import Planner
from reconciler.preview import check_approved
from reconciler.reverting import Revert
from reconciler.run import Run
from reconciler.settings import Settings

logger = logging.getLogger(__name__)


class Shard(NamedTuple):
    """One of some disjoint parts of the writes to a side.

    Attributes:
        position: Which one, from 0 on.
        of: How many there are.
    """

    position: int
    of: int

    def __str__(self) -> str:
        return f"{self.position + 1}/{self.of}"

    @classmethod
    def from_text(cls, text: Any) -> Shard:
        """Read setting `shard`.

        Raises:
            SettingsError: It is not k/N with k from 1 to N.
        """
        found = re.fullmatch(r"\s*(\d{1,4})\s*/\s*(\d{1,4})\s*", str(text))
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise SettingsError(
                f"setting 'shard' is '{text}'; it has to be k/N, the kth of N shards, from 1/1 on: "
                "1/4 to 4/4 for four workers"
            )
        return cls(int(found[1]) - 1, int(found[2]))


class ShardRun(Run):
    """A run that writes one shard, from what the ledger holds.

    Args:
        settings: The checked settings; the mode says which side is written to.
        shard: The shard.

    Raises:
        LedgerError: On entering, where the ledger cannot be opened.
        LeaseHeldError: On entering, where others work on the ledger with whom this shard does not
            go together.
        GuardError: On entering, where it pairs, and a guard stops the plan.
        ApprovalError: Likewise, where the plan is not the one that the operator has approved.
    """

    _instead = "nothing is written"

    def __init__(self, settings: Settings, shard: Shard) -> None:
        super().__init__(settings, part=str(shard))
        self._shard = shard
        self._side: Side = other(settings.reads)
        self._wanted = [f"shard {shard} of the writes to {self._side}"]

    def _works(self) -> Work:
        return "write"

    def _take_lease(self) -> None:
        if self._ledger.controls.get("revert") is not None and not self._shard.position:
            self._wanted.append("the revert")
        try:
            super()._take_lease()
        except LeaseHeldError as error:
            reason = self._why_alone()
            if reason is None:
                raise
            said = f"shard {self._shard} has to begin a new round, {reason}; {error}"
            raise LeaseHeldError(said) from None

    def _is_unprepared(self) -> bool:
        return self._why_alone() is not None

    def _why_alone(self) -> str | None:
        """Why this shard cannot join a round but has to begin one, or None."""
        if self.is_idle or self.settings.dry_run or self._why_not() is not None:
            return None
        if self._ledger.controls.get("revert") is not None:
            return None
        current = self._ledger.rounds.current()
        if current is None or current.side != self._side:
            return f"since there is none that writes to {self._side}"
        if current.shards != self._shard.of:
            return f"since the last one has {current.shards} shards"
        if super()._is_unprepared() or current.fingerprint != self.settings.fingerprint:
            return "since the settings have changed"
        if self._ledger.runs.has_observed_since(current.run):
            return "since a side was read again after the last one had begun"
        if len(current.finished) == current.shards:
            return "since all shards of the last one have ended"
        return None

    def _prepare(self) -> None:
        """Find out who is who, for all shards of the round that begins."""
        if super()._is_unprepared():
            super()._prepare()
        approved = self._ledger.controls.get("approved")
        if approved is not None:
            check_approved(self._ledger, self.settings, self._side, approved["plan"])
        planner = self._planner()
        planner.pair()
        self._say_name_mismatches()
        if approved is None:
            planner.check_guards()
        self._ledger.rounds.begin(
            Round(self._run, self._side, self._shard.of, self.settings.fingerprint)
        )
        logger.info("%s: everyone is paired, the shards can begin", self.name)

    def note_delivered(self, marker: Mapping[str, Any] | None) -> None:
        """Note that the target of an earlier shard has done its work; see `Run.note_delivered`.

        A marker of another ledger, or of another copy of this one, says nothing: nothing else hangs
        on a shard's STATE.
        """
        if marker is not None and self._mismatch(marker) is None:
            super().note_delivered(marker)

    def _planner(self) -> Planner:
        return Planner(
            self._ledger, self.settings, self._side, self._run, self.summary, self._shard
        )

    def plan(self) -> Iterator[list[Write]]:
        """The writes, each chunk committed before it comes."""
        if self.is_idle:
            return
        revert = self._ledger.controls.get("revert")
        if self.settings.dry_run or revert is not None:
            yield from self._first_alone(revert)
        elif self._writable() is not None:
            yield from self._my_writes()

    def _first_alone(self, revert: Revert | None) -> Iterator[list[Write]]:
        """What is not shared out: a dry run, a revert."""
        if self._shard.position:
            logger.info("%s: nothing to do, shard 1 does all of it", self.name)
        elif self.settings.dry_run:
            self._preview()
        elif revert is not None and self.settings.mode == "salesforce-to-phoneiq":
            yield from self._revert(revert)

    def _my_writes(self) -> Iterator[list[Write]]:
        """What falls into this shard, planned and committed chunk by chunk."""
        reason = self._why_alone()
        if reason is not None:
            # It was paused when it began, or the operator has changed what the round stands on.
            logger.warning(
                "%s: nothing is written; run it again: a new round has to begin, %s",
                self.name,
                reason,
            )
            return
        current = self._ledger.rounds.current()
        planner = self._planner()
        total = -(-self._ledger.plans.count_open(self._side) // self._shard.of)
        for writes in planner.writes():
            yield writes
            self._progress.show("decided and sent", planner.decided, total)
            if self.is_paused():
                return
        self.summary.unconfirmed = self._ledger.plans.count_unconfirmed(self._side)
        if current is not None and self._ledger.rounds.finish(current.run, self._shard.position):
            self._close_plan(self._side)
