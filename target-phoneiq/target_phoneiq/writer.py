"""Sends writes in batches, several at once, and says when STATE may pass.

Batches leave in the order of their records, and are settled in that order too: a batch is settled
when it and every batch before it was answered, and its rejects are in the reject file. A STATE
belongs to the batch that it arrived with and passes when that batch is settled, so it never covers
a record that is neither in PhoneIQ nor in the reject file, whatever happens to later ones.

Two writes for one contact never overtake each other. PhoneIQ carries a batch out in order; across
batches, one that names a contact of an unsettled batch waits until that one is settled.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from operator import attrgetter
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

import msgspec
from phoneiq_client import ErrorDetail, PhoneIQ, PhoneIQError, Result, TooLargeError, Upsert

from target_phoneiq.errors import StopError
from target_phoneiq.writes import STREAM, PlainWrite, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoneiq_client import Operation

    from target_phoneiq.rejects import RejectFile
    from target_phoneiq.writes import Upserts, Write

MAX_BATCH_BYTES = 4_500_000
MAX_BATCH_AGE = 60.0
"""Seconds after which a batch leaves with the next message, full or not."""

QUEUED_PER_REQUEST = 1
"""How many batches wait for a free thread, so that it need not wait, per request in flight."""

UNSETTLED_PER_REQUEST = 4
"""How far other requests may run ahead of one that is slow, in batches per request in flight."""

STOPPED = "stopped before everything was sent"
_DONE = {201: "created", 204: "deleted"}
_status = attrgetter("status")
_NO_STATE: Any = object()


class _Batch:
    def __init__(self) -> None:
        # A record that is sent as it is stands for its write.
        self.writes: list[Write | msgspec.Raw] = []
        self.operations: list[Operation | msgspec.Raw] = []
        self.keys: set[str] = set()
        self.bytes = 0
        self.opened = time.monotonic()
        self.state: Any = _NO_STATE
        self.overlapped = False
        self.answer: Future[list[Result]] = Future()

    def add(self, write: Write, operation: Operation | msgspec.Raw) -> None:
        self.writes.append(write)
        self.operations.append(operation)
        self.keys.update(write.keys)
        self.bytes += write.size

    def extend(self, lines: list[msgspec.Raw], keys: list[str], size: int) -> None:
        self.writes += lines
        self.operations += map(Upsert, lines)
        self.keys.update(filter(None, keys))
        self.bytes += size

    def write(self, index: int) -> Write:
        write = self.writes[index]
        return PlainWrite(STREAM, write) if isinstance(write, msgspec.Raw) else write


class Writer:
    """Takes writes and STATEs in the order of their arrival. One thread may use it."""

    def __init__(
        self,
        connect: Callable[[Callable[[float], None]], PhoneIQ],
        rejects: RejectFile,
        emit_state: Callable[[Any], None],
        *,
        batch_size: int,
        max_in_flight: int,
    ) -> None:
        """Start the threads; nothing is sent yet.

        Args:
            connect: Makes the session, given how it waits between attempts.
            rejects: Where refused writes go.
            emit_state: Called with each STATE that may pass.
            batch_size: Writes a request.
            max_in_flight: Requests at a time.
        """
        self._stopped: StopError | None = None
        # Wakes whoever waits. A lock could be held by the very code that a signal interrupts.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._api = connect(self._wait)
        self._rejects = rejects
        self._emit_state = emit_state
        self._batch_size = batch_size
        self._max_in_flight = max_in_flight
        self._threads = ThreadPoolExecutor(max_in_flight, thread_name_prefix="phoneiq")
        self._filling = _Batch()
        self._unsettled: deque[_Batch] = deque()
        self._unsettled_keys: set[str] = set()
        self.counts: Counter[str] = Counter()

    def add(self, write: Write) -> None:
        """Take a write; it is sent when its batch is full.

        Raises:
            StopError: If an earlier write could not be sent.
        """
        try:
            operation = write.operation()
        except RefusedError as error:
            self._rejects.add(write, error.detail)
            return
        batch = self._filling
        if batch.bytes + write.size > MAX_BATCH_BYTES:
            self._dispatch()
            batch = self._filling
        batch.add(write, operation)
        self._dispatch_if_due()

    def add_upserts(self, upserts: Upserts) -> None:
        """Take writes that need nothing done to them; each is sent when its batch is full.

        Raises:
            StopError: If an earlier write could not be sent.
        """
        done = 0
        while done < len(upserts.lines):
            batch = self._filling
            until = done + self._batch_size - len(batch.writes)
            lines = upserts.lines[done:until]
            size = sum(map(len, lines))
            if batch.bytes + size > MAX_BATCH_BYTES:
                self.add(PlainWrite(STREAM, lines[0]))
                done += 1
                continue
            batch.extend(lines, upserts.keys[done:until], size)
            done += len(lines)
            self._dispatch_if_due()

    def state(self, value: Any) -> None:
        """Take a STATE; it passes when every write before it is settled.

        Raises:
            StopError: If an earlier write could not be sent.
        """
        self._settle()
        if self._filling.writes:
            self._filling.state = value
        elif self._unsettled:
            self._unsettled[-1].state = value
        else:
            self._emit_state(value)

    def finish(self) -> None:
        """Send what is left, and wait until everything is settled.

        Raises:
            StopError: If a write could not be sent.
        """
        self._dispatch()
        while self._unsettled:
            wait([self._unsettled[0].answer])
            self._settle()
        self._threads.shutdown()
        self._api.close()

    def stop(self, why: StopError) -> None:
        """Send nothing more: waits between attempts end, requests in flight run out.

        A signal may call this in the middle of anything.

        Args:
            why: What writes that are not sent end with.
        """
        self._stopped = why
        self._wake.put(None)

    def _dispatch_if_due(self) -> None:
        batch = self._filling
        if len(batch.writes) >= self._batch_size or time.monotonic() - batch.opened > MAX_BATCH_AGE:
            self._dispatch()

    def _dispatch(self) -> None:
        batch = self._filling
        if not batch.writes:
            return
        self._filling = _Batch()
        self._settle()
        while not self._may_leave(batch):
            running = [other.answer for other in self._unsettled if not other.answer.done()]
            wait(running, return_when=FIRST_COMPLETED)
            self._settle()
        batch.overlapped = bool(self._unsettled)
        batch.answer = self._threads.submit(self._send, batch.operations)
        self._unsettled.append(batch)
        self._unsettled_keys |= batch.keys

    def _may_leave(self, batch: _Batch) -> bool:
        unanswered = sum(not other.answer.done() for other in self._unsettled)
        return (
            unanswered < self._max_in_flight * (1 + QUEUED_PER_REQUEST)
            and len(self._unsettled) < self._max_in_flight * UNSETTLED_PER_REQUEST
            and self._unsettled_keys.isdisjoint(batch.keys)
        )

    def _send(self, operations: list[Operation | msgspec.Raw]) -> list[Result]:
        if self._stopped is not None:
            raise self._stopped
        try:
            return self._api.batch(operations)
        except TooLargeError as error:
            if len(operations) == 1:
                detail = ErrorDetail(code=error.code, message=error.detail, field=error.field)
                return [Result(status=error.status, error=detail)]
            # PhoneIQ's limit is lower than ours: halves, one after the other, keep the order.
            half = len(operations) // 2
            return self._send(operations[:half]) + self._send(operations[half:])

    def _settle(self) -> None:
        while self._unsettled and self._unsettled[0].answer.done():
            batch = self._unsettled[0]
            try:
                results = batch.answer.result()
                if batch.overlapped:
                    results = self._again(batch, results)
                self._count(batch, results)
            except PhoneIQError as error:
                self.stop(StopError(STOPPED))
                raise StopError(str(error)) from error
            except BaseException:
                self.stop(StopError(STOPPED))
                raise
            self._unsettled.popleft()
            # No other one that has left shares a key with it.
            self._unsettled_keys -= batch.keys
            if batch.state is not _NO_STATE:
                self._emit_state(batch.state)

    def _again(self, batch: _Batch, results: list[Result]) -> list[Result]:
        """Repeat writes whose `salesforce_id` an earlier batch may have set free meanwhile."""
        if 409 not in map(_status, results):
            return results
        taken: list[int] = []
        later: set[str] = set()
        for index in reversed(range(len(results))):
            keys = batch.write(index).keys
            if results[index].status == 409 and later.isdisjoint(keys):
                taken.insert(0, index)
            later.update(keys)
        if not taken:
            return results
        repeated = self._send([batch.operations[index] for index in taken])
        for index, result in zip(taken, repeated, strict=True):
            results[index] = result
        return results

    def _count(self, batch: _Batch, results: list[Result]) -> None:
        statuses = Counter(map(_status, results))
        for status, count in statuses.items():
            if status < 400:
                self.counts[_DONE.get(status, "updated")] += count
        if max(statuses) >= 400:
            for index, result in enumerate(results):
                if result.status >= 400:
                    self._refused(batch.write(index), result)

    def _refused(self, write: Write, result: Result) -> None:
        if result.status == 404 and write.action == "delete":
            self.counts["already gone"] += 1
            return
        error = result.error or ErrorDetail(code=str(result.status), message="no details")
        self._rejects.add(write, error)

    def _wait(self, seconds: float) -> None:
        with suppress(Empty):
            self._wake.get(timeout=seconds)
            # The others are to wake up, too.
            self._wake.put(None)
        if self._stopped is not None:
            raise self._stopped
