"""What Salesforce says when it refuses: a code, a message, the fields at fault."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

# Codes whose HTTP status is not 400 when one of them is the answer to a request.
_STATUS = {
    "INVALID_SESSION_ID": 401,
    "REQUEST_LIMIT_EXCEEDED": 403,
    "API_DISABLED_FOR_ORG": 403,
    "INSUFFICIENT_ACCESS_OR_READONLY": 403,
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": 403,
    "NOT_FOUND": 404,
    "ENTITY_IS_DELETED": 404,
    "METHOD_NOT_ALLOWED": 405,
    "SERVER_UNAVAILABLE": 503,
}


class SalesforceError(Exception):
    """A refusal in Salesforce's terms.

    Attributes:
        code: Salesforce's error code, for example ``STRING_TOO_LONG``.
        message: The sentence that Salesforce would give.
        fields: API names of the fields at fault; often empty.
        status: The HTTP status when the refusal answers a whole request.
    """

    def __init__(self, code: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fields = fields
        self.status = _STATUS.get(code, 400)

    def as_answer(self) -> dict[str, Any]:
        """Return the entry of an error answer's list: message, errorCode, fields if any."""
        answer: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields:
            answer["fields"] = list(self.fields)
        return answer

    def as_row_error(self) -> dict[str, Any]:
        """Return the entry of a Collections result's ``errors``: statusCode, message, fields."""
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}

    def as_bulk_error(self) -> str:
        """Return the text of ``sf__Error`` in a Bulk result: ``CODE:message:Field1 Field2 --``."""
        return f"{self.code}:{self.message}:{' '.join(self.fields)} --"


def not_writable(names: Iterable[str]) -> SalesforceError:
    """Return the refusal of a write to read-only fields."""
    refused = tuple(sorted(names))
    return SalesforceError(
        "INVALID_FIELD_FOR_INSERT_UPDATE",
        f"Unable to create/update fields: {', '.join(refused)}. Please check the security settings "
        "of this field and verify that it is read/write for your profile or permission set.",
        refused,
    )
