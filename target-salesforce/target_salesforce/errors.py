"""What can go wrong, and what each of Salesforce's error codes asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Failure:
    """Why Salesforce (or the target, before asking Salesforce) refuses a record.

    Attributes:
        code: Salesforce's status code, such as `REQUIRED_FIELD_MISSING`, or `OUTCOME_UNKNOWN`.
        message: Salesforce's text. It can hold values of the record, so it goes to the reject
            file and never to the log.
        fields: names of the fields that it is about, possibly none.
    """

    code: str
    message: str
    fields: tuple[str, ...] = ()

    @property
    def concurrency(self) -> bool:
        """Too many requests at once: one code covers this and the daily limit."""
        return self.code == "REQUEST_LIMIT_EXCEEDED" and "Concurrent" in self.message

    @property
    def passes(self) -> bool:
        """The same write can succeed a little later."""
        return self.code in {"UNABLE_TO_LOCK_ROW", "SERVER_UNAVAILABLE"} or self.concurrency

    @property
    def limit_reached(self) -> bool:
        """The organisation's limit of the day is used up, nothing more can be written."""
        return self.code in {"REQUEST_LIMIT_EXCEEDED", "ExceededQuota"} and not self.concurrency


OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
"""Our own code: an insert was sent and no answer came, so it may or may not be in Salesforce."""


class RunStoppedError(Exception):
    """The run can't go on; the message tells a person why and what to do."""


class LimitReachedError(RunStoppedError):
    """The daily limit of the organisation is used up."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(
            f"Salesforce's limit of requests for the day is used up "
            f"({failure.code}: {failure.message}). The run stops here; records without STATE are "
            f"read again by the next run. See Setup > Company Information for the limit."
        )


class RefusedError(Exception):
    """Salesforce answered a request with an error that repeating does not mend.

    Attributes:
        status: the HTTP status.
        failure: code, text and fields of the first error in the answer.
    """

    def __init__(self, status: int, failure: Failure) -> None:
        super().__init__(f"{status} {failure.code}")
        self.status = status
        self.failure = failure


class OutcomeUnknownError(Exception):
    """A request that must not be repeated was sent, and whether it was carried out is unknown."""


def failure_from(errors: list[dict[str, Any]]) -> Failure:
    """Read Salesforce's list of errors for one request or one record.

    Args:
        errors: `[{"message", "errorCode" or "statusCode", "fields"}, ...]`, at least one.

    Returns:
        The first error's code, all messages, and all fields.
    """
    first = errors[0]
    fields = {name: None for error in errors for name in error.get("fields") or ()}
    return Failure(
        code=first.get("errorCode") or first.get("statusCode") or "UNKNOWN_EXCEPTION",
        message="; ".join(error.get("message") or "" for error in errors),
        fields=tuple(fields),
    )
