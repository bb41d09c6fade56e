"""What can go wrong between this client and PhoneIQ, named after what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phoneiq_client.model import ErrorDetail


class PhoneIQError(Exception):
    """Root of every error of this package."""


class UnreachableError(PhoneIQError):
    """No answer came, in any attempt: refused, broken off or timed out.

    A write may or may not have been made.
    """


class UnexpectedAnswerError(PhoneIQError):
    """An answer came that the API description does not know: it is hardly PhoneIQ's."""


class BrokenAnswerError(PhoneIQError):
    """A success came without a whole body, in every attempt. A write has been made."""


class ApiError(PhoneIQError):
    """PhoneIQ answered with an error.

    Attributes:
        status: HTTP status.
        code: PhoneIQ's name for the error, such as `value_too_long`.
        detail: PhoneIQ's sentence about it.
        field: The field, parameter or header that is refused, where there is one.
        request_id: The request's name in PhoneIQ's own logs, where it was sent.
        attempts: How often the request was sent.
        retry_after: Seconds that PhoneIQ asks to wait, where it says so.
    """

    def __init__(
        self,
        status: int,
        error: ErrorDetail,
        *,
        request_id: str | None = None,
        attempts: int = 1,
        retry_after: float | None = None,
    ) -> None:
        self.status = status
        self.code = error.code
        self.detail = error.message
        self.field = error.field
        self.request_id = request_id
        self.attempts = attempts
        self.retry_after = retry_after
        about = [f"field {error.field}"] if error.field else []
        about += [f"request {request_id}"] if request_id else []
        about += [f"after {attempts} attempts"] if attempts > 1 else []
        suffix = f" ({', '.join(about)})" if about else ""
        super().__init__(f"PhoneIQ answered {status} {error.code}: {error.message}{suffix}")


class BadRequestError(ApiError):
    """400: the request is malformed."""


class UnauthorizedError(ApiError):
    """401: the key is not valid."""


class ForbiddenError(ApiError):
    """403: the key may not do this."""


class NotFoundError(ApiError):
    """404: there is no such contact, or it is deleted."""


class ConflictError(ApiError):
    """409: another contact has this `salesforce_id`."""


class PreconditionFailedError(ApiError):
    """412: the contact has another version."""


class TooLargeError(ApiError):
    """413: too many operations, or too many bytes."""


class UnprocessableError(ApiError):
    """422: a field is refused."""


class RateLimitedError(ApiError):
    """429: the account's limit is reached, and waiting did not help."""


class ServerError(ApiError):
    """5xx in every attempt. A write may or may not have been made."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    412: PreconditionFailedError,
    413: TooLargeError,
    422: UnprocessableError,
    429: RateLimitedError,
}


def error_class(status: int) -> type[ApiError]:
    """Return the class of errors of an HTTP status."""
    return ServerError if status >= 500 else _BY_STATUS.get(status, ApiError)
