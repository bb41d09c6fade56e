"""Faults on order, and the log of requests."""

from __future__ import annotations

import pytest
import requests
from sandbox.client import SandboxError


def test_status_fault_answers_without_doing_the_work(phoneiq, box):
    box.admin.fault(
        side="phoneiq",
        kind="status",
        status=429,
        retry_after=7,
        method="POST",
        path="/v1/contacts$",
    )
    answer = phoneiq.call("POST", "/v1/contacts", {"last_name": "A"})
    assert answer.status_code == 429
    assert answer.json()["error"]["code"] == "rate_limited"
    assert answer.headers["Retry-After"] == "7"
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-RateLimit-Limit"]
    assert phoneiq.page()["data"] == []
    assert phoneiq.batch({"op": "upsert", "contact": {}})[0]["status"] == 201
    box.admin.clear_faults()
    assert phoneiq.call("POST", "/v1/contacts", {}).status_code == 201


def test_fault_lets_requests_through_first_and_ends_after_its_times(phoneiq, box):
    box.admin.fault(side="phoneiq", kind="status", status=503, after=2, times=2)
    statuses = [phoneiq.call("GET", "/v1/account").status_code for _ in range(6)]
    assert statuses == [200, 200, 503, 503, 200, 200]


def test_fault_of_one_side_leaves_the_other_alone(phoneiq, box):
    box.admin.fault(side="salesforce", kind="status", status=500)
    assert phoneiq.call("GET", "/v1/account").status_code == 200
    answer = requests.get(f"{box.salesforce_url}/services/data", timeout=10)
    assert answer.status_code == 500
    assert answer.json()[0]["errorCode"] == "UNKNOWN_EXCEPTION"


def test_token_fault_has_the_shape_of_a_token_error(box):
    box.admin.fault(
        side="salesforce", kind="status", status=400, code="invalid_grant", message="expired"
    )
    answer = requests.post(f"{box.salesforce_url}/services/oauth2/token", timeout=10)
    assert answer.status_code == 400
    assert answer.json() == {"error": "invalid_grant", "error_description": "expired"}


def test_answers_of_500_are_not_kept_for_a_repeat(phoneiq, box):
    box.admin.fault(side="phoneiq", kind="status", status=500, times=1)
    headers = {"Idempotency-Key": "k"}
    assert phoneiq.call("POST", "/v1/contacts", {}, headers=headers).status_code == 500
    assert phoneiq.call("POST", "/v1/contacts", {}, headers=headers).status_code == 201


def test_disconnect_does_the_work_and_breaks_the_answer(phoneiq, box):
    box.admin.fault(side="phoneiq", kind="disconnect", times=1)
    headers = {"Idempotency-Key": "k"}
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        phoneiq.call("POST", "/v1/contacts", {"last_name": "A"}, headers=headers)
    (made,) = box.admin.phoneiq.list()
    assert phoneiq.call("POST", "/v1/contacts", {}, headers=headers).json() == made
    assert box.admin.phoneiq.list() == [made]


def test_disconnect_in_an_answer_without_a_body(phoneiq, box):
    contact = phoneiq.create()
    box.admin.fault(side="phoneiq", kind="disconnect", method="DELETE")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        phoneiq.call("DELETE", f"/v1/contacts/{contact['id']}")
    assert box.admin.phoneiq.list() == []


def test_row_error_refuses_rows_not_requests(phoneiq, box):
    box.admin.fault(
        side="phoneiq", kind="row_error", after=1, times=2, code="invalid_field", message="no"
    )
    results = phoneiq.batch(*[{"op": "upsert", "contact": {}}] * 4)
    assert [result["status"] for result in results] == [201, 422, 422, 201]
    assert results[1]["error"] == {"code": "invalid_field", "message": "no", "field": None}
    assert len(box.admin.phoneiq.list()) == 2


def test_row_error_of_one_salesforce_object(box):
    box.admin.fault(side="salesforce", kind="row_error", object="Lead")
    box.admin.fault(side="phoneiq", kind="row_error", object="Contact")
    # The admin is a person, not a client: faults do not stop it.
    assert box.admin.salesforce.create("Lead", LastName="A", Company="B")["LastName"] == "A"
    assert box.admin.phoneiq.create(last_name="A")["version"] == 1


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"side": "hubspot", "kind": "status"}, "side"),
        ({"side": "phoneiq", "kind": "explosion"}, "kind"),
        ({"side": "phoneiq"}, "kind"),
        ({"side": "phoneiq", "kind": "status", "colour": "red"}, "colour"),
        ({"side": "phoneiq", "kind": "status", "times": "often"}, "times"),
        ({"side": "phoneiq", "kind": "status", "after": -1}, "after"),
        ({"side": "phoneiq", "kind": "status", "path": "("}, "path"),
        ({"side": "phoneiq", "kind": "status", "code": 7}, "code"),
    ],
)
def test_fault_that_makes_no_sense(box, order, said):
    with pytest.raises(SandboxError, match=f"400 .*{said}"):
        box.admin.fault(**order)


def test_requests_are_logged_with_their_bodies_in_order(phoneiq, box):
    phoneiq.page(limit=5)
    phoneiq.create(last_name="Ångström")
    phoneiq.call("GET", "/v1/contacts/pc_aaaaaaaaaaaa")
    log = box.admin.requests()
    assert [(entry["method"], entry["path"], entry["status"]) for entry in log] == [
        ("GET", "/v1/contacts", 200),
        ("POST", "/v1/contacts", 201),
        ("GET", "/v1/contacts/pc_aaaaaaaaaaaa", 404),
    ]
    assert log[0]["query"] == "limit=5"
    assert "\\u00c5ngstr\\u00f6m" in log[1]["body"]
    assert {entry["side"] for entry in log} == {"phoneiq"}
    assert [entry["seq"] for entry in log] == sorted({entry["seq"] for entry in log})


def test_request_log_is_filtered_and_cleared(phoneiq, box):
    phoneiq.page()
    phoneiq.create()
    requests.get(f"{box.salesforce_url}/services/data", timeout=10)
    assert [entry["method"] for entry in box.admin.requests(method="POST")] == ["POST"]
    assert [entry["path"] for entry in box.admin.requests(side="salesforce")] == ["/services/data"]
    last = box.admin.requests()[-1]["seq"]
    assert box.admin.requests(since=last) == []
    box.admin.clear_requests()
    assert box.admin.requests() == []
    phoneiq.page()
    (after,) = box.admin.requests(since=last)
    assert after["seq"] > last


def test_failing_requests_are_logged_too(phoneiq, box):
    box.admin.fault(side="phoneiq", kind="status", status=503, times=1)
    phoneiq.call("POST", "/v1/contacts", {"last_name": "A"})
    phoneiq.call("GET", "/v1/account", headers={"Authorization": "Bearer wrong"})
    log = box.admin.requests()
    assert [entry["status"] for entry in log] == [503, 401]
    assert log[0]["body"] == '{"last_name": "A"}'
