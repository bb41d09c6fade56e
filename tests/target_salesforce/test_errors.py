"""What each of Salesforce's errors asks for."""

from __future__ import annotations

import pytest
from target_salesforce.errors import Failure, failure_from


@pytest.mark.parametrize(
    ("code", "message", "passes", "stops"),
    [
        ("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access", True, False),
        ("SERVER_UNAVAILABLE", "busy", True, False),
        ("REQUEST_LIMIT_EXCEEDED", "ConcurrentPerOrgLongTxn Limit exceeded.", True, False),
        (
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            True,
            False,
        ),
        ("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", False, True),
        ("ExceededQuota", "too many batches", False, True),
        ("REQUIRED_FIELD_MISSING", "Required fields are missing: [LastName]", False, False),
        ("DUPLICATES_DETECTED", "Use one of these records?", False, False),
        ("ENTITY_IS_DELETED", "entity is deleted", False, False),
    ],
)
def test_codes(code, message, passes, stops):
    failure = Failure(code, message)
    assert (failure.passes, failure.limit_reached) == (passes, stops)


def test_several_errors_of_a_record_become_one_failure():
    assert failure_from(
        [
            {"statusCode": "REQUIRED_FIELD_MISSING", "message": "missing", "fields": ["LastName"]},
            {"statusCode": "STRING_TOO_LONG", "message": "long", "fields": ["Phone", "LastName"]},
        ]
    ) == Failure("REQUIRED_FIELD_MISSING", "missing; long", ("LastName", "Phone"))


def test_request_errors_name_their_code_differently():
    assert failure_from([{"errorCode": "NOT_FOUND", "message": "no"}]) == Failure("NOT_FOUND", "no")
