"""Carries out a batch of writes: which way, in which order, and what to try again."""

from __future__ import annotations

from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING

from target_salesforce.errors import LimitReachedError
from target_salesforce.session import pauses
from target_salesforce.writes import Operation, rounds

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from logging import Logger

    from target_salesforce.bulk import Bulk
    from target_salesforce.rejects import RejectFile
    from target_salesforce.sobject_collections import Collections, Result
    from target_salesforce.writes import Write


@dataclass(slots=True)
class Loader:
    """Writes the records of one stream.

    Attributes:
        stream: the stream's name, for the reject file.
        collections: the way for few records.
        bulk: the way for many.
        bulk_threshold: records of one kind from which on Bulk is used.
        allow_duplicates: save records although a duplicate rule warns.
        rejects: takes what is not written.
        counts: of the whole run: `created`, `updated`, `deleted`.
        logger: for retries.
    """

    stream: str
    collections: Collections
    bulk: Bulk
    bulk_threshold: int
    allow_duplicates: bool
    rejects: RejectFile
    counts: Counter[str]
    logger: Logger

    def load(self, writes: Sequence[Write]) -> None:
        """Carry out a batch: when this returns, every record is in Salesforce or a reject.

        Args:
            writes: in the order in which they came.

        Raises:
            RunStoppedError: nothing more can be written; some of the batch may be.
        """
        possible: list[Write] = []
        for position, write in enumerate(writes):
            write.position = position
            if write.refusal is None:
                possible.append(write)
            else:
                self.rejects.add(self.stream, write, write.refusal)
        for independent in rounds(possible):
            self._load_round(independent)
        self.rejects.sync()

    def _load_round(self, writes: Sequence[Write]) -> None:
        """Carry out writes that are for different records, as far as their keys tell.

        An upsert may turn out to be for a record that another write names by its id. Upserts go
        first since their answers tell the ids; one that came after such a write is repeated
        after it, so that the last word stays with the one that came last.
        """
        kinds: dict[Operation, list[Write]] = {operation: [] for operation in Operation}
        for write in writes:
            kinds[write.operation].append(write)
        upserted = {
            result.id[:15]: write
            for write, result in self._send(Operation.UPSERT, kinds[Operation.UPSERT])
            if result.id is not None
        }
        overtaken: list[Write] = []
        for operation in (Operation.UPDATE, Operation.DELETE):
            for write, _ in self._send(operation, kinds[operation]):
                upsert = upserted.get((write.id or "")[:15])
                if upsert is not None and write.position < upsert.position:
                    overtaken.append(upsert)
        self._send(Operation.CREATE, kinds[Operation.CREATE])
        self._send(Operation.UPSERT, overtaken, again=True)

    def _send(
        self, operation: Operation, writes: Sequence[Write], *, again: bool = False
    ) -> list[tuple[Write, Result]]:
        """Send writes of one kind until each has succeeded or failed for good.

        Args:
            operation: the kind of all of them.
            writes: for different records.
            again: they are counted already.

        Returns:
            Every write with its last result.
        """
        settled: list[tuple[Write, Result]] = []
        waits = pauses()
        # Children of one account lock it, so they are kept within the same request.
        pending = sorted(writes, key=lambda write: str(write.fields.get("AccountId") or ""))
        duplicates: list[Write] = []
        while pending:
            bulk = len(pending) >= self.bulk_threshold
            route = self.bulk if bulk else self.collections
            wait = next(waits, None)
            repeat: list[Write] = []
            for write, result in zip(pending, route.send(operation, pending), strict=True):
                failure = result.failure
                if failure is not None and failure.limit_reached:
                    raise LimitReachedError(failure)
                if failure is not None and failure.passes and wait is not None:
                    repeat.append(write)
                elif (
                    bulk
                    and self.allow_duplicates
                    and failure is not None
                    and failure.code == "DUPLICATES_DETECTED"
                ):
                    # Bulk does not know the header that allows it, Collections do.
                    duplicates.append(write)
                else:
                    settled.append((write, result))
                    self._settle(write, result, count=not again)
            if repeat and wait is not None:
                self.logger.warning(
                    "%d of %d %s records are locked, trying again in %.1f s",
                    len(repeat),
                    len(pending),
                    self.stream,
                    wait,
                )
                sleep(wait)
            pending = repeat
        for write, result in zip(
            duplicates, self.collections.send(operation, duplicates), strict=True
        ):
            settled.append((write, result))
            self._settle(write, result, count=not again)
        return settled

    def _settle(self, write: Write, result: Result, *, count: bool) -> None:
        if result.failure is not None:
            self.rejects.add(self.stream, write, result.failure)
        elif count:
            if write.operation is Operation.DELETE:
                self.counts["deleted"] += 1
            else:
                self.counts["created" if result.created else "updated"] += 1
