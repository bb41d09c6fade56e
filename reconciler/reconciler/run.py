"""One pipe's pass: store what the tap shows, then plan what the other side needs."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Final

import msgspec

from reconciler.applying import applied_settings, apply_settings
from reconciler.commands import command, job
from reconciler.errors import (
    LeaseHeldError,
    LedgerMismatchError,
    MissingStreamError,
    ReconcilerError,
)
from reconciler.fields.defaults import NEEDED, NEEDED_IF_THERE, stream_of
from reconciler.ledger import Ledger
from reconciler.ledger.lease import Work
from reconciler.ledger.observations import ShownRows
from reconciler.ledger.runs import new_token, now
from reconciler.model import PHONEIQ, SALESFORCE, SIDES, Side, Write, other
from reconciler.notifying import notify
from reconciler.observation import Observer
from reconciler.plan import Planner
from reconciler.preview import check_approved, prepare, previewed, without_values
from reconciler.progress import Progress
from reconciler.reverting import Revert, revert_writes
from reconciler.settings import HIDDEN, OBSERVING, SYNCED_OBJECTS, Settings
from reconciler.summary import Summary

logger = logging.getLogger(__name__)

#: Observations that are committed at once.
_BATCH: Final = 5_000
#: Seconds after which fewer are committed, so that a slow tap's STATE moves on.
_PATIENCE: Final = 10.0

#: The first pipe of the job.
_FIRST: Final = "observe-phoneiq"

#: Writes that a dry run names.
_LOGGED: Final = 1_000

#: Seconds between two looks at whether the operator has paused the sync.
_ATTENTION: Final = 0.5

#: Runs have numbers below this.
_RUNS: Final = 2**31

#: What the error of a run says whose bookmark was refused.
_REFUSED: Final = "Records before the bookmark would be missing"

#: What to do about a mapped field that was not extracted.
_EXTRACT_IT: Final = "Add it to the tap's select and run once: %s"


class Run:
    """A run, from taking the ledger's lease to recording how it ended.

    Args:
        settings: The checked settings.
        part: The shard that it is for, where others are for the rest of its pipe.

    Raises:
        LedgerError: On entering, where the ledger cannot be opened.
        LeaseHeldError: On entering, where another run works on the ledger.
    """

    #: What it does where it may not write.
    _instead = "stored only"

    def __init__(self, settings: Settings, part: str | None = None) -> None:
        self.settings = settings
        self.summary = Summary(settings.mode, part)
        #: What this run has to itself among those that work at the same time.
        self._wanted = [_stream_of(PHONEIQ, "contacts")] if settings.mode == _FIRST else []
        self._part = part
        self._observer = Observer(settings.reads, settings)
        self._buffer: list[tuple[str, msgspec.Raw]] = []
        self._streams: dict[str, frozenset[str]] = {}
        self._checked: set[str] = set()
        self._asked = 0.0
        self._paused = False
        self._started = self._committed = time.monotonic()
        self._batches = 0
        #: What an extract from the beginning has shown, where the ledger held records before it.
        self._shown: ShownRows | None = None
        self._stack = ExitStack()
        #: Whether there is nothing to do, since the sync was deleted.
        self.is_idle = False
        #: The settings that the ledger was last planned with.
        self._heeded: str | None = None

    def __enter__(self) -> Run:
        with self._stack:
            self._ledger = Ledger(self.settings.ledger_url)
            self._stack.callback(self._ledger.close)
            holder = (
                f"{self.name}, process {os.getpid()} on {socket.gethostname()}, "
                f"since {time.strftime('%Y-%m-%d %H:%M:%S')}"
            )
            self._lease = self._stack.enter_context(self._ledger.lease(holder))
            self._take_lease()
            self._token = new_token()
            self._run = self._ledger.runs.begin(self.settings.mode, self._part, self._token)
            if self.settings.dry_run:
                applied = applied_settings(self._ledger, self.settings)
                self._observer = Observer(self.settings.reads, applied)
            self._progress = Progress(self.name, self._ledger.note_progress)
            self._stack.callback(self._progress.close)
            self._stack = self._stack.pop_all()
        try:
            if self.is_idle:
                logger.warning(
                    "this sync was deleted: nothing is stored or written. Take the job out of "
                    "its schedule, or start anew: %s",
                    command("resume"),
                )
            elif self._is_unprepared():
                self._prepare()
                self._lease.take(self._works(), self._wanted)
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    @property
    def name(self) -> str:
        """Its pipe, with its part where several workers share the pipe's work."""
        return f"{self.settings.mode} {self._part}" if self._part else self.settings.mode

    def _works(self) -> Work:
        """What this run does, once the ledger is prepared; others may do the same beside it."""
        return "observe" if self.settings.mode in OBSERVING else "run"

    def _take_lease(self) -> None:
        """Take the lease; the ledger is this run's alone where it has to be prepared first."""

        def choose() -> Work:
            self._look()
            work = self._works()
            return "prepare" if work != "run" and self._is_unprepared() else work

        self._lease.take_in_turn(choose, self._wanted, self._wait)

    def _wait(self, error: LeaseHeldError) -> None:
        logger.info("%s waits while another worker prepares the ledger: %s", self.name, error)

    def _look(self) -> None:
        """See what the ledger is like: which settings it heeds, and whether the sync is deleted."""
        held = self._ledger.controls.read("fingerprint", "deleted_at")
        self._heeded = held["fingerprint"]
        self.is_idle = held["deleted_at"] is not None

    def _is_unprepared(self) -> bool:
        """Whether the ledger is to be planned with other settings than last.

        A dry run leaves them as they are, but for those of a new ledger.
        """
        if self.is_idle or (self.settings.dry_run and self._heeded is not None):
            return False
        return self._heeded != self.settings.fingerprint

    def _prepare(self) -> None:
        """Let the ledger heed the settings of now."""
        self._heed_changed_settings()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            self._count()
            if error is None:
                self._ledger.runs.finish(self._run, self.summary.as_dict())
            else:
                self._ledger.runs.finish(self._run, self.summary.as_dict(), _said(error))
            notify(self._ledger, self.settings.notify_url, self._run)
        logger.info("%s", self.summary.as_line())
        logger.info("%s", msgspec.json.encode({"run": self._run} | self.summary.as_dict()).decode())

    # --- the bookmark -----------------------------------------------------------------------

    @property
    def marker(self) -> dict[str, Any]:
        """What every STATE carries: which ledger, as of which commit, holds what it covers."""
        return {
            "ledger_id": self._ledger.id,
            "run": self._run,
            "token": self._token,
            "batches": self._batches,
        }

    def note_delivered(self, marker: Mapping[str, Any] | None) -> None:
        """Note that the target of an earlier run has done its work.

        Args:
            marker: What that run put into its last STATE, which the target passes on after it has
                handled all writes before it.
        """
        delivered = (marker or {}).get("delivered")
        if isinstance(delivered, int):
            self._ledger.runs.note_delivered(delivered)

    def check_marker(self, marker: Mapping[str, Any] | None, *, has_bookmark: bool) -> None:
        """Make sure that the ledger holds all that lies before the tap's bookmark.

        Where it does not, its side counts as not observed until an extract is accepted that is
        complete: workers that start from no bookmark write nothing either.

        Args:
            marker: What an earlier run put into the STATE that the tap started from, or None.
            has_bookmark: Whether the tap started from a bookmark.

        Raises:
            LedgerMismatchError: It does not; the message names `--full-refresh`.
        """
        if not has_bookmark and not self.is_idle:
            newest = self._ledger.observations.newest_row(self.settings.reads)
            self._shown = ShownRows(newest) if newest else None
        found = self._mismatch(marker) if marker is not None or has_bookmark else None
        if found is not None:
            self._ledger.runs.mark_incomplete(self.settings.reads)
            raise LedgerMismatchError(
                f"{found}. {_REFUSED}, so nothing was stored or written. Read everything again: "
                f"{job('--full-refresh')}"
            )

    def _mismatch(self, marker: Mapping[str, Any] | None) -> str | None:
        """Why the ledger does not hold what lies before a bookmark, or None where it does."""
        id_ = self._ledger.id[:8]
        if marker is None:
            return (
                f"the tap starts from a bookmark that was not written through this ledger ({id_})"
            )
        if marker.get("ledger_id") != self._ledger.id:
            found = str(marker.get("ledger_id"))[:8]
            return (
                f"the tap's bookmark belongs to another ledger ({found}) than this one ({id_}): "
                "it was lost, moved or swapped"
            )
        run, token, batches = marker.get("run"), marker.get("token"), marker.get("batches", 0)
        if not isinstance(run, int) or not 0 < run < _RUNS:
            run = "?"
        elif isinstance(batches, int):
            known = self._ledger.runs.identity(run)
            if known is not None and known.token == token and known.batches >= batches:
                # Bookmarks of an older version have no token: what tells its runs apart is less.
                is_refused = _REFUSED in (known.error or "")
                if token is not None or (known.pipe == self.settings.mode and not is_refused):
                    return None
        return (
            f"the tap's bookmark was written by run {run} of another copy of this ledger ({id_}): "
            "the ledger was restored from an older copy, or two copies were used"
        )

    # --- observing --------------------------------------------------------------------------

    def describe(self, stream: str, schema: Mapping[str, Any]) -> None:
        """Note that the extract has a stream, and check the settings against its fields.

        Raises:
            SettingsError: A mapping names a field that the stream does not have.
            ReconcilerError: The schema is not one of an object.
        """
        if stream not in NEEDED:
            if not stream:
                raise ReconcilerError("the input has a SCHEMA message that names no stream")
            return
        if self.settings.mode == "observe-salesforce" and stream not in self._streams:
            self._share(stream)
        fields = schema.get("properties")
        if not isinstance(fields, dict) or not all(
            isinstance(one, dict) for one in fields.values()
        ):
            raise ReconcilerError(
                f"the SCHEMA of stream '{stream}' cannot be read: its 'properties' have to be an "
                "object with an object for each field"
            )
        self._streams[stream] = frozenset(fields)
        reads = self.settings.reads
        names = self.settings.objects_in(stream) if reads == SALESFORCE else self.settings.objects
        for name in names:
            for hidden in self.settings.check_fields(reads, name, fields):
                logger.warning("%s", HIDDEN % f"{name}.{hidden}")
        if stream == "Account":
            self.settings.check_related_fields(fields)
        self._ledger.observations.store_schema(self.settings.reads, stream, schema)

    def observe(self, stream: str, record: msgspec.Raw) -> bool:
        """Take a record.

        Args:
            stream: The stream that it came with.
            record: Its JSON.

        Returns:
            Whether everything taken so far is committed.

        Raises:
            MissingStreamError: The record lacks a field without which syncing is not safe.
            ReconcilerError: The record cannot be read, or came before its stream's schema.
        """
        if stream not in NEEDED or self.is_idle:
            if not stream:
                raise ReconcilerError("the input has a RECORD message that names no stream")
            return False
        if stream not in self._checked:
            if stream not in self._streams:
                raise ReconcilerError(
                    f"a record of stream '{stream}' came before the SCHEMA of its stream"
                )
            self._check_record(stream, self._observer.decode(stream, record))
        self._buffer.append((stream, record))
        if len(self._buffer) < _BATCH and time.monotonic() - self._committed < _PATIENCE:
            return False
        self.commit()
        return True

    def commit(self) -> None:
        """Commit what was taken."""
        if self._buffer:
            held = self._ledger.observations
            came = self._observer.sight(self._buffer, self.summary.read)
            unread, known = held.unread(self.settings.reads, came, self._shown)
            looked_at = [
                self._observer.look(one, held.phones_of(known[one.id]) if one.id in known else None)
                for one in unread
            ]
            self.summary.changed += held.store(looked_at, self._run, known)
            if looked_at:
                # After them: a copy of the ledger that has this count has them, too.
                self._batches += 1
                self._ledger.runs.count_batches(self._run, self._batches)
        self.summary.read += len(self._buffer)
        self._buffer.clear()
        self._committed = time.monotonic()
        self._progress.show("records stored", self.summary.read)

    def _share(self, stream: str) -> None:
        """Have a stream to itself: other workers may bring the others."""
        self._wanted.append(_stream_of(SALESFORCE, stream))
        self._lease.take(self._works(), self._wanted)
        self._part = ", ".join(sorted({*self._streams, stream}))
        self.summary.part = self._part
        self._ledger.runs.narrow(self._run, self._part)

    def complete(self) -> None:
        """Record that the extract was complete.

        Raises:
            MissingStreamError: A stream that the settings need was not part of it.
        """
        needed = self.settings.needed_streams[self.settings.reads]
        if self.settings.mode == "observe-salesforce":
            # Other workers may bring the others.
            if not self._streams:
                raise MissingStreamError(
                    "the extract has no stream; add one of those that setting 'objects' asks for "
                    f"to the tap's select: {', '.join(needed)}"
                )
            needed = []
        for stream in needed:
            if stream not in self._streams:
                raise MissingStreamError(
                    f"the extract has no stream '{stream}', which setting 'objects' asks for; "
                    f"add '{stream}.*' to the tap's select, or take it out of 'objects'"
                )
        if self._names_missing():
            logger.warning(
                "a Contact's company is the name of its Account, and the extract has no stream "
                "'Account': companies are left as they are. Add Account.Id, Account.Name, "
                "Account.IsDeleted, Account.MasterRecordId, Account.CreatedDate and "
                "Account.SystemModstamp to the tap's select"
            )
        self._ledger.runs.mark_complete(self.settings.reads, self._streams, self._run)
        if self._shown is not None:
            self._mark_missing(self._shown)

    def _mark_missing(self, shown: ShownRows) -> None:
        """Take what a full refresh did not show out of the sync: absence is no deletion."""
        side = self.settings.reads
        objects = [
            name for name in SYNCED_OBJECTS if side == PHONEIQ or stream_of(name) in self._streams
        ]
        count = self._ledger.observations.mark_missing(side, objects, shown)
        if count:
            logger.warning(
                "%s records of %s that the ledger holds were not shown by this full refresh; they "
                "count as missing, not as deleted, and nothing is written to them: contact-sync "
                "skips --reason missing",
                f"{count:,}",
                side,
            )

    def _names_missing(self) -> bool:
        """Whether a mapping follows a relationship to Accounts that are not extracted."""
        return (
            self.settings.reads == SALESFORCE
            and "Account" not in self._streams
            and not (
                self.settings.mode == "observe-salesforce"
                and "Account" in self._ledger.observations.schemas(SALESFORCE)
            )
            and any(row.related for row in self.settings.mappings.get("Contact", ()))
        )

    def _check_record(self, stream: str, record: Mapping[str, Any]) -> None:
        needed = NEEDED[stream] | (NEEDED_IF_THERE & self._streams.get(stream, frozenset()))
        missing = sorted(needed.difference(record))
        if missing:
            raise MissingStreamError(
                f"records of stream '{stream}' come without {', '.join(missing)}; add "
                f"{', '.join(f'{stream}.{field}' for field in missing)} to the tap's select"
            )
        absent = sorted(self.settings.mapped_fields(stream).difference(record))
        if absent:
            logger.warning(
                "%s is mapped, but the tap does not deliver it: it is left as it is on both sides. "
                "%s",
                ", ".join(f"{stream}.{field}" for field in absent),
                _EXTRACT_IT % job("--full-refresh"),
            )
        self._checked.add(stream)

    # --- planning ---------------------------------------------------------------------------

    def plan(self) -> Iterator[list[Write]]:
        """The writes that the other side needs now, each chunk committed before it comes.

        Raises:
            GuardError: The plan would delete, clear or update too much.
            ApprovalError: The plan is not the one that the operator has approved.
        """
        controls = self._ledger.controls
        asked = controls.read("revert", "approved")
        if self.settings.mode == "observe-salesforce":
            return
        if self.settings.dry_run:
            self._preview()
            return
        if asked["revert"] is not None:
            yield from self._revert(asked["revert"])
            return
        side = self._writable()
        if side is None:
            return
        if asked["approved"] is not None:
            check_approved(self._ledger, self.settings, side, asked["approved"]["plan"])
        has_stale = bool(self._ledger.pairs.stale_references(side))
        if self._ledger.plans.is_at_rest() and not has_stale:
            self._close_plan(side)
            return
        planner = Planner(self._ledger, self.settings, side, self._run, self.summary)
        planner.pair()
        self._say_name_mismatches()
        if asked["approved"] is None:
            planner.check_guards()
        total = self._ledger.plans.count_open(side)
        for writes in planner.writes() if total or has_stale else ():
            yield writes
            self._progress.show("decided and sent", planner.decided, total)
            if self.is_paused():
                return
        self.summary.unconfirmed = self._ledger.plans.count_unconfirmed(side)
        self._close_plan(side)

    def _say_name_mismatches(self) -> None:
        """Say before the first write that people with different names have become pairs."""
        if self.summary.name_mismatches:
            logger.warning(
                "%s: %s pairs by phone that this run has made join people with different names: %s",
                self.name,
                f"{self.summary.name_mismatches:,}",
                command("pairs --name-mismatch"),
            )

    def _close_plan(self, side: Side) -> None:
        """Note that all that a side needed was handed out."""
        controls = self._ledger.controls
        held = controls.read("approved", "active_since", "planned")
        planned = held["planned"] or {}
        if planned.get(side) != self.settings.rules_fingerprint:
            controls.set({"planned": {**planned, side: self.settings.rules_fingerprint}})
        if held["approved"] is not None:
            self._use_up(held["approved"], side)
        if held["active_since"] is None and not self._ledger.overview.open_writes():
            controls.set({"active_since": now()})

    def _writable(self) -> Side | None:
        """The side that this pipe may write to now, or None; says why."""
        reason = self._why_not()
        if reason:
            logger.warning("%s: %s; %s", self.name, self._instead, reason)
        return self.settings.writes if reason is None else None

    def _why_not(self) -> str | None:
        """Why this pipe may not write now, blank where that is its nature; or None."""
        if self.settings.writes is None:
            return ""
        if self._ledger.controls.read("paused_at")["paused_at"]:
            return f"the sync is paused. To go on: {command('resume')}"
        complete = self._ledger.runs.complete()
        unseen = [side for side in SIDES if side not in complete]
        if unseen:
            return (
                f"{' and '.join(unseen)} has not been observed completely yet, so "
                "nothing is written"
            )
        return None

    def _preview(self) -> None:
        """Log what this pipe would write: ids, field names and reasons, but no values."""
        side = other(self.settings.reads)
        counts: Counter[str] = Counter()
        lines: list[str] = []
        if self.settings.mode == _FIRST or not self._ledger.runs.complete():
            logger.info("%s: dry run: stored only", self.settings.mode)
            return
        with self._ledger.copy() as copy:
            prepare(copy, self.settings)
            if len(copy.runs.complete()) < len(SIDES):
                logger.info("%s: dry run: stored only", self.settings.mode)
                return
            for writes in previewed(copy, self.settings, side):
                counts.update(write.action for write in writes)
                lines += map(without_values, writes[: _LOGGED - len(lines)])
        planned = ", ".join(f"{number:,} {action}" for action, number in counts.items())
        logger.info(
            "%s: dry run: nothing is written; a run would write to %s: %s",
            self.settings.mode,
            side,
            planned or "nothing",
        )
        for line in lines:
            logger.info("%s", line)
        if counts:
            left = counts.total() - len(lines)
            more = f"{left:,} more; " if left else ""
            logger.info("%swith all values: %s", more, command(f"plan --to {side}"))

    def _use_up(self, approved: Mapping[str, Any], side: Side) -> None:
        """Note that a side has got what was approved for it."""
        left = [one for one in approved["left"] if one != side]
        self._ledger.approvals.clear(side if left else None)
        self._ledger.controls.set({"approved": {**approved, "left": left} if left else None})

    def is_paused(self) -> bool:
        """Whether the operator has paused the sync, as of at most a second ago."""
        if time.monotonic() - self._asked > _ATTENTION:
            self._asked = time.monotonic()
            self._paused = self._ledger.controls.get("paused_at") is not None
        return self._paused

    def _revert(self, revert: Revert) -> Iterator[list[Write]]:
        """Send what is left of a revert; once PhoneIQ shows that nothing is, the sync is gone."""
        left = 0
        for writes in revert_writes(self._ledger, revert):
            left += len(writes)
            if self.settings.mode == "salesforce-to-phoneiq":
                self.summary.deleted += sum(write.action == "delete" for write in writes)
                self.summary.updated += sum(write.action == "update" for write in writes)
                yield writes
        if not left and self.settings.reads == PHONEIQ:
            try:
                # It takes the pairs away: nobody else may work on the ledger.
                self._lease.take("run")
            except LeaseHeldError as error:
                logger.info("the revert is complete, the next run notes it: %s", error)
                return
            self._ledger.removals.forget_pairs()
            self._ledger.controls.set(
                {"revert": None, "deleted_at": now(), "active_since": None, "paused_at": None}
            )
            logger.info("the revert is complete: the sync is deleted")

    def schema_of(self, side: Side, stream: str) -> dict[str, Any]:
        """The JSON Schema of a stream as its side's tap gave it."""
        return self._ledger.observations.schemas(side).get(stream, {"properties": {}})

    def _count(self) -> None:
        # Accounts that are there only to name their Contacts' company are not left out.
        named_only = () if self.settings.objects_in("Account") else ("Account", "PersonAccount")
        self.summary.skipped = self._ledger.plans.count_skips(self.settings.reads, named_only)
        self.summary.seconds = time.monotonic() - self._started

    def _heed_changed_settings(self) -> None:
        """Read every record again with the settings of now, and plan all of them again."""
        before = self._heeded
        if before is not None:
            logger.info("the settings have changed: every pair is planned again")
        apply_settings(self._ledger, self.settings, self._run)
        if before is not None:
            self._say_what_was_not_extracted()
        self._heeded = self.settings.fingerprint

    def _say_what_was_not_extracted(self) -> None:
        """Name the mapped fields that the ledger's records lack, and what to do about it."""
        mapped = self.settings.mapped_fields
        objects: list[tuple[Side, str, str]] = [(PHONEIQ, "Contact", "contacts")]
        objects += [(SALESFORCE, name, stream_of(name)) for name in SYNCED_OBJECTS]
        for side, name, stream in objects:
            if side == SALESFORCE and name not in self.settings.objects and name != "Account":
                continue
            wanted = mapped(stream, None if side == PHONEIQ else name)
            lacking = self._ledger.observations.extracted_without(side, name, wanted)
            for field, number in lacking.items():
                logger.warning(
                    "%s.%s is mapped, but was not extracted for %s of the stored records: there it "
                    "is left as it is on both sides. %s",
                    stream,
                    field,
                    f"{number:,}",
                    _EXTRACT_IT % job("--full-refresh"),
                )


def _stream_of(side: Side, stream: str) -> str:
    """What a worker claims that stores a stream."""
    return f"stream {stream} of {side}"


def _said(error: BaseException) -> str:
    """What the run history says of an error."""
    if isinstance(error, ReconcilerError):
        return str(error)
    if isinstance(error, SystemExit | KeyboardInterrupt):
        return "the run was stopped by a signal"
    if isinstance(error, BrokenPipeError):
        return "the target stopped reading"
    return f"unexpected {type(error).__name__}"
