"""Small batches: sObject Collections, up to 200 records a request, answered at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import requests

from target_salesforce.errors import (
    OUTCOME_UNKNOWN,
    Failure,
    OutcomeUnknownError,
    RefusedError,
    RunStoppedError,
    failure_from,
)
from target_salesforce.writes import Operation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_salesforce.session import SalesforceSession
    from target_salesforce.writes import Write

RECORDS_PER_REQUEST = 200

_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder(list[dict[str, Any]]).decode


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one write.

    Attributes:
        id: the record's Salesforce id, where Salesforce told it.
        created: whether the record is new.
        failure: None where the write was carried out.
    """

    id: str | None = None
    created: bool = False
    failure: Failure | None = None


class Collections:
    """Writes to one object."""

    def __init__(
        self,
        session: SalesforceSession,
        object_name: str,
        *,
        external_id_field: str | None,
        allow_duplicates: bool,
    ) -> None:
        self._session = session
        self._object = object_name
        self._external_id_field = external_id_field
        self._headers = (
            {"Sforce-Duplicate-Rule-Header": "allowSave=true"} if allow_duplicates else {}
        )

    def send(self, operation: Operation, writes: Sequence[Write]) -> list[Result]:
        """Carry out writes of one kind, each record at most once among them.

        Args:
            operation: the kind of all of them.
            writes: any number.

        Returns:
            A result for each write, in their order.

        Raises:
            RunStoppedError: nothing more can be written.
        """
        results: list[Result] = []
        for start in range(0, len(writes), RECORDS_PER_REQUEST):
            results += self._request(operation, writes[start : start + RECORDS_PER_REQUEST])
        return results

    def _request(self, operation: Operation, writes: Sequence[Write]) -> list[Result]:
        try:
            rows = self._answer(operation, writes)
        except OutcomeUnknownError as error:
            failure = Failure(
                OUTCOME_UNKNOWN,
                f"Salesforce got the insert and did not answer ({error}), so the record may be "
                f"there or not. It was not sent again since that could make it twice; an "
                f"external_id_field makes inserts repeatable.",
            )
            return [Result(failure=failure) for _ in writes]
        except RefusedError as error:
            if error.status not in {
                requests.codes.bad_request,
                requests.codes.request_entity_too_large,
            }:
                raise RunStoppedError(
                    f"Salesforce refuses to {operation.value} {self._object} records "
                    f"({error.failure.code}: {error.failure.message})"
                ) from None
            if len(writes) == 1:
                return [Result(failure=error.failure)]
            # One record spoils the whole request and nothing was written: find it by halves.
            half = len(writes) // 2
            return self._request(operation, writes[:half]) + self._request(operation, writes[half:])
        if len(rows) != len(writes):
            raise RunStoppedError(
                f"Salesforce answered {len(rows)} results for {len(writes)} records"
            )
        return [_result(operation, row) for row in rows]

    def _answer(self, operation: Operation, writes: Sequence[Write]) -> list[dict[str, Any]]:
        path, method, params, body = "composite/sobjects", "PATCH", None, None
        if operation is Operation.DELETE:
            method = "DELETE"
            params = {"ids": ",".join(str(write.id) for write in writes), "allOrNone": "false"}
        else:
            if operation is Operation.CREATE:
                method = "POST"
            elif operation is Operation.UPSERT:
                path += f"/{quote(self._object)}/{quote(str(self._external_id_field))}"
            body = _encode({"allOrNone": False, "records": [self._row(write) for write in writes]})
        return self._session.request(
            method,
            path,
            _decode,
            body=body,
            params=params,
            headers=self._headers,
            repeatable=operation is not Operation.CREATE,
        )

    def _row(self, write: Write) -> dict[str, Any]:
        row = {"attributes": {"type": self._object}, **write.fields}
        if write.operation is Operation.UPDATE:
            row["Id"] = write.id
        return row


def _result(operation: Operation, row: dict[str, Any]) -> Result:
    if row.get("success"):
        created = row.get("created", operation is Operation.CREATE)
        return Result(id=row.get("id"), created=created)
    failure = failure_from(row.get("errors") or [{}])
    # What was to be deleted is deleted, perhaps by the try whose answer never came.
    if operation is Operation.DELETE and failure.code == "ENTITY_IS_DELETED":
        return Result(id=row.get("id"))
    return Result(failure=failure)
