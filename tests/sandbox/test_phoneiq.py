"""The PhoneIQ side, over HTTP, situation by situation."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager

import pytest
import requests
import uvicorn
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.phoneiq import app as phoneiq_app
from sandbox.phoneiq.store import ContactStore

DAY = 24 * 60 * 60


def refused(answer):
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "field"}
    return answer.status_code, error["code"], error["field"]


# Access


def test_every_answer_names_the_request_and_the_limit(phoneiq):
    for answer in (
        phoneiq.call("GET", "/v1/account"),
        phoneiq.call("GET", "/nowhere"),
        phoneiq.call("GET", "/v1/contacts", headers={"Authorization": "Bearer wrong"}),
    ):
        assert answer.headers["X-Request-Id"]
        limit = int(answer.headers["X-RateLimit-Limit"])
        assert 0 <= int(answer.headers["X-RateLimit-Remaining"]) < limit


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer wrong", "Basic sandbox-phoneiq-key"])
def test_wrong_key(phoneiq, value):
    answer = phoneiq.call("GET", "/v1/account", headers={"Authorization": value})
    assert refused(answer) == (401, "unauthorized", None)


def test_read_only_key_may_read_and_not_write(phoneiq, box):
    contact = phoneiq.create(first_name="Ada")
    phoneiq.session.headers["Authorization"] = f"Bearer {phoneiq_app.READ_ONLY_KEY}"
    assert phoneiq.page()["data"] == [contact]
    for method, path in (
        ("POST", "/v1/contacts"),
        ("POST", "/v1/contacts/batch"),
        ("PATCH", f"/v1/contacts/{contact['id']}"),
        ("DELETE", f"/v1/contacts/{contact['id']}"),
    ):
        assert refused(phoneiq.call(method, path, {})) == (403, "forbidden", None)
    assert box.admin.phoneiq.list() == [contact]


def test_account_tells_its_limits(phoneiq):
    account = phoneiq.call("GET", "/v1/account").json()
    assert account["limits"]["batch_size"] == 200
    assert account["limits"]["page_size"] == 500
    assert account["key_label"] == "sandbox"


def test_unknown_path_and_method(phoneiq):
    assert refused(phoneiq.call("GET", "/v1/contact")) == (404, "not_found", None)
    assert refused(phoneiq.call("GET", "/v1/contacts/")) == (404, "not_found", None)
    answer = phoneiq.call("PUT", "/v1/contacts", {})
    assert refused(answer) == (405, "method_not_allowed", None)
    assert answer.headers["Allow"] == "GET, HEAD, POST"
    assert phoneiq.call("GET", "/v1/contacts/batch").status_code == 405


# One contact


def test_contact_has_every_field_and_keeps_what_it_was_given(phoneiq):
    given = {
        "first_name": "  Zoé ",
        "last_name": "王",
        "mobile_phone": "call the office",
        "notes": "two\nlines",
        "tags": ["a", "b"],
        "custom_fields": {"customer_number": "C-1", "vip": False, "score": 1.5},
        "salesforce_id": "003Sb0000000001IAA",
        "salesforce_object": "Contact",
    }
    contact = phoneiq.create(**given)
    assert contact.items() >= given.items()
    assert contact["email"] is None
    assert contact["version"] == 1
    assert contact["created_at"] == contact["updated_at"]
    assert phoneiq.call("GET", f"/v1/contacts/{contact['id']}").json() == contact
    listed = {field["key"] for field in phoneiq.call("GET", "/v1/contact_fields").json()["data"]}
    assert listed - {"customer_number", "vip", "score"} == contact.keys() - {"custom_fields"}


def test_blank_text_and_empty_lists_are_null(phoneiq):
    contact = phoneiq.create(
        first_name="", email=" \t", tags=[], custom_fields={"customer_number": " "}
    )
    assert (contact["first_name"], contact["email"], contact["tags"]) == (None, None, None)
    assert contact["custom_fields"] == {}


def test_patch_leaves_absent_fields_and_clears_null_ones(phoneiq):
    contact = phoneiq.create(
        first_name="Ada", last_name="Byron", custom_fields={"vip": True, "score": 2}
    )
    changed = phoneiq.call(
        "PATCH",
        f"/v1/contacts/{contact['id']}",
        {"last_name": None, "custom_fields": {"score": None, "customer_number": "7"}},
    ).json()
    assert changed["first_name"] == "Ada"
    assert changed["last_name"] is None
    assert changed["custom_fields"] == {"vip": True, "customer_number": "7"}
    assert changed["version"] == 2
    assert changed["updated_at"] > contact["updated_at"]
    assert changed["created_at"] == contact["created_at"]
    cleared = phoneiq.call("PATCH", f"/v1/contacts/{contact['id']}", {"custom_fields": None})
    assert cleared.json()["custom_fields"] == {}


def test_a_write_that_changes_nothing_is_no_change(phoneiq):
    contact = phoneiq.create(first_name="Ada", custom_fields={"vip": True})
    same = phoneiq.call(
        "PATCH",
        f"/v1/contacts/{contact['id']}",
        {"first_name": "Ada", "last_name": "", "custom_fields": {"vip": True}},
    )
    assert same.json() == contact


def test_conditional_change(phoneiq):
    path = f"/v1/contacts/{phoneiq.create(first_name='Ada')['id']}"
    stale = phoneiq.call("PATCH", path, {"first_name": "Eve"}, headers={"If-Match": "2"})
    assert refused(stale) == (412, "version_mismatch", None)
    assert phoneiq.call("GET", path).json()["first_name"] == "Ada"
    fresh = phoneiq.call("PATCH", path, {"first_name": "Eve"}, headers={"If-Match": "1"})
    assert fresh.json()["version"] == 2
    odd = phoneiq.call("PATCH", path, {"first_name": "Ada"}, headers={"If-Match": '"2"'})
    assert refused(odd) == (400, "invalid_header", "If-Match")


def test_deleted_contact_is_gone_but_for_its_tombstone(phoneiq):
    contact = phoneiq.create(first_name="Ada")
    path = f"/v1/contacts/{contact['id']}"
    deleted = phoneiq.call("DELETE", path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    for method in ("GET", "PATCH", "DELETE"):
        assert refused(phoneiq.call(method, path, {})) == (404, "not_found", None)
    assert phoneiq.page()["data"] == []
    (tombstone,) = phoneiq.page(include_deleted="true")["data"]
    assert tombstone["first_name"] == "Ada"
    assert tombstone["deleted_at"] == tombstone["updated_at"] > contact["updated_at"]
    assert tombstone["version"] == 2


@pytest.mark.parametrize(
    "id_",
    ["pc_aaaaaaaaaaaa", "pc_AAAAAAAAAAAA", "pc_1", "x", "pc_aaaaaaaaaaaaa", "pc_zzzzzzzzzzzz"],
)
def test_no_such_contact(phoneiq, id_):
    assert refused(phoneiq.call("GET", f"/v1/contacts/{id_}")) == (404, "not_found", None)


def test_salesforce_id_is_taken_until_its_contact_is_deleted(phoneiq):
    taken = {"salesforce_id": "003Sb0000000001IAA"}
    first = phoneiq.create(**taken)
    other = phoneiq.create()
    expected = (409, "salesforce_id_taken", "salesforce_id")
    assert refused(phoneiq.call("POST", "/v1/contacts", taken)) == expected
    assert refused(phoneiq.call("PATCH", f"/v1/contacts/{other['id']}", taken)) == expected
    assert phoneiq.call("PATCH", f"/v1/contacts/{first['id']}", taken).json() == first
    phoneiq.call("DELETE", f"/v1/contacts/{first['id']}")
    phoneiq.create(**taken)


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"nickname": "A"}, "unknown_field", "nickname"),
        ({"custom_fields": {"nickname": "A"}}, "unknown_field", "custom_fields.nickname"),
        ({"id": "pc_aaaaaaaaaaaa"}, "invalid_field", "id"),
        ({"version": 3}, "invalid_field", "version"),
        ({"deleted_at": None}, "invalid_field", "deleted_at"),
        ({"first_name": 1}, "invalid_field", "first_name"),
        ({"first_name": ["Ada"]}, "invalid_field", "first_name"),
        ({"first_name": "x" * 101}, "value_too_long", "first_name"),
        ({"notes": "x" * 32_001}, "value_too_long", "notes"),
        ({"email": "Ada"}, "invalid_field", "email"),
        ({"email": "ada@example.com\n"}, "invalid_field", "email"),
        ({"email": "a" * 250 + "@example.com"}, "value_too_long", "email"),
        ({"salesforce_id": "003"}, "invalid_field", "salesforce_id"),
        ({"salesforce_object": "Case"}, "invalid_field", "salesforce_object"),
        ({"salesforce_object": ""}, "invalid_field", "salesforce_object"),
        ({"tags": "a"}, "invalid_field", "tags"),
        ({"tags": [""]}, "invalid_field", "tags"),
        ({"tags": ["x"] * 51}, "invalid_field", "tags"),
        ({"tags": ["x" * 51]}, "value_too_long", "tags"),
        ({"custom_fields": []}, "invalid_field", "custom_fields"),
        ({"custom_fields": {"vip": 1}}, "invalid_field", "custom_fields.vip"),
        ({"custom_fields": {"score": True}}, "invalid_field", "custom_fields.score"),
        ({"custom_fields": {"score": "1"}}, "invalid_field", "custom_fields.score"),
        (
            {"custom_fields": {"customer_number": 1}},
            "invalid_field",
            "custom_fields.customer_number",
        ),
        (
            {"custom_fields": {"customer_number": "1" * 41}},
            "value_too_long",
            "custom_fields.customer_number",
        ),
    ],
)
def test_refused_field(phoneiq, fields, code, field):
    answer = phoneiq.call("POST", "/v1/contacts", {"last_name": "Byron", **fields})
    assert refused(answer) == (422, code, field)
    assert phoneiq.page()["data"] == []


def test_lengths_count_characters_not_bytes(phoneiq):
    assert phoneiq.create(first_name="王" * 100)["first_name"] == "王" * 100


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 100_000])
@pytest.mark.parametrize("path", ["/v1/contacts", "/v1/contacts/batch"])
def test_malformed_body(phoneiq, path, body):
    assert refused(phoneiq.call("POST", path, data=body)) == (400, "malformed_body", None)


def test_body_of_more_than_five_megabytes(phoneiq):
    answer = phoneiq.call("POST", "/v1/contacts", {"notes": "x" * 5_000_000})
    assert refused(answer) == (413, "payload_too_large", None)


# Pages


def test_pages_hold_each_contact_once_in_the_order_of_change(phoneiq):
    made = [phoneiq.create(last_name=str(number))["id"] for number in range(7)]
    phoneiq.call("PATCH", f"/v1/contacts/{made[2]}", {"last_name": "changed"})
    listed = phoneiq.every(limit=3)
    assert [contact["id"] for contact in listed] == [*made[:2], *made[3:], made[2]]
    times = [contact["updated_at"] for contact in listed]
    assert times == sorted(set(times))


def test_last_page_that_is_full_has_no_cursor(phoneiq):
    for _ in range(4):
        phoneiq.create()
    second = phoneiq.page(limit=2, cursor=phoneiq.page(limit=2)["next_cursor"])
    assert len(second["data"]) == 2
    assert second["next_cursor"] is None


def test_updated_since_is_inclusive(phoneiq):
    phoneiq.create()
    second, third = phoneiq.create(), phoneiq.create()
    assert phoneiq.page(updated_since=second["updated_at"])["data"] == [second, third]
    with_zone = second["updated_at"].replace("Z", "+00:00")
    assert phoneiq.page(updated_since=with_zone)["data"] == [second, third]


def test_cursor_keeps_the_list_that_it_came_from(phoneiq):
    contacts = [phoneiq.create() for _ in range(3)]
    phoneiq.call("DELETE", f"/v1/contacts/{contacts[0]['id']}")
    page = phoneiq.page(limit=1, include_deleted="true")
    page = phoneiq.page(limit=1, cursor=page["next_cursor"], updated_since="2100-01-01T00:00:00Z")
    assert page["data"] == [contacts[2]]
    (last,) = phoneiq.page(cursor=page["next_cursor"])["data"]
    assert last["deleted_at"] is not None


@pytest.mark.parametrize(
    ("query", "code", "field"),
    [
        ({"limit": "0"}, "invalid_parameter", "limit"),
        ({"limit": "501"}, "invalid_parameter", "limit"),
        ({"limit": "ten"}, "invalid_parameter", "limit"),
        ({"include_deleted": "yes"}, "invalid_parameter", "include_deleted"),
        ({"updated_since": "yesterday"}, "invalid_parameter", "updated_since"),
        ({"updated_since": "2024-01-01T00:00:00"}, "invalid_parameter", "updated_since"),
        ({"cursor": "abc"}, "invalid_cursor", "cursor"),
        ({"cursor": "MDow="}, "invalid_cursor", "cursor"),
        ({"cursor": ""}, "invalid_cursor", "cursor"),
    ],
)
def test_refused_query(phoneiq, query, code, field):
    assert refused(phoneiq.call("GET", "/v1/contacts", params=query)) == (400, code, field)


def test_no_contact_is_missed_while_others_change(phoneiq):
    contacts = [phoneiq.create(last_name=str(number)) for number in range(60)]
    untouched = {contact["id"] for contact in contacts[::2]}
    seen = set()
    page = phoneiq.page(limit=5)
    turns = 0
    while True:
        seen |= {contact["id"] for contact in page["data"]}
        for contact in contacts[1 + 2 * (turns % 30) :: 20]:
            turns += 1
            path = f"/v1/contacts/{contact['id']}"
            # Some change, some go: before, at and behind the place where the reader is.
            phoneiq.call("DELETE" if turns > 40 else "PATCH", path, {"notes": str(turns)})
        if page["next_cursor"] is None or turns > 200:
            break
        page = phoneiq.page(limit=5, cursor=page["next_cursor"])
    assert untouched <= seen


def test_no_contact_is_missed_while_a_writer_works_beside_the_reader(phoneiq, box):
    ids = [
        result["id"]
        for _ in range(5)
        for result in phoneiq.batch(*[{"op": "upsert", "contact": {}}] * 200)
    ]
    moving = ids[::4]
    stop = threading.Event()

    def keep_changing():
        turn = 0
        while not stop.is_set():
            box.admin.phoneiq.edit(moving[turn % len(moving)], notes=str(turn))
            turn += 1

    writer = threading.Thread(target=keep_changing)
    writer.start()
    try:
        seen = []
        page = phoneiq.page(limit=7)
        # The writer moves contacts to the end for ever: the reader stops when it has caught up
        # with what was there.
        while page["next_cursor"] and len(set(seen)) < len(ids):
            seen += [contact["id"] for contact in page["data"]]
            page = phoneiq.page(limit=7, cursor=page["next_cursor"])
        seen += [contact["id"] for contact in page["data"]]
    finally:
        stop.set()
        writer.join()
    assert set(ids) - set(moving) <= set(seen)


# Batches


def test_batch_answers_each_operation_in_order(phoneiq):
    kept, gone = phoneiq.create(first_name="Ada"), phoneiq.create()
    results = phoneiq.batch(
        {"op": "upsert", "contact": {"salesforce_id": "003Sb0000000001IAA", "last_name": "A"}},
        {"op": "upsert", "contact": {"salesforce_id": "003Sb0000000001IAA", "first_name": "B"}},
        {"op": "update", "id": kept["id"], "contact": {"last_name": "C"}},
        {"op": "update", "id": kept["id"], "contact": {"last_name": "x" * 101}},
        {"op": "update", "id": kept["id"], "contact": {"salesforce_id": "003Sb0000000001IAA"}},
        {"op": "delete", "id": gone["id"]},
        {"op": "delete", "id": gone["id"]},
        {"op": "update", "id": gone["id"], "contact": {}},
        {"op": "upsert", "contact": {}},
        {"op": "replace", "contact": {}},
        {"op": "delete"},
        {"op": "upsert", "contact": {}, "id": kept["id"]},
        None,
    )
    assert [result["status"] for result in results] == [
        *(201, 200, 200, 422, 409, 204, 404, 404, 201),
        *(422, 422, 422, 422),
    ]
    assert results[0]["id"] == results[1]["id"]
    assert results[3]["error"]["code"] == "value_too_long"
    assert results[3]["error"]["field"] == "last_name"
    assert {result["error"]["code"] for result in results[9:]} == {"invalid_operation"}
    merged = phoneiq.call("GET", f"/v1/contacts/{results[0]['id']}").json()
    assert (merged["first_name"], merged["last_name"], merged["version"]) == ("B", "A", 2)
    assert phoneiq.call("GET", f"/v1/contacts/{kept['id']}").json()["last_name"] == "C"


def test_upsert_of_a_deleted_contacts_salesforce_id_creates(phoneiq):
    old = phoneiq.create(salesforce_id="003Sb0000000001IAA")
    phoneiq.call("DELETE", f"/v1/contacts/{old['id']}")
    (result,) = phoneiq.batch({"op": "upsert", "contact": {"salesforce_id": "003Sb0000000001IAA"}})
    assert result["status"] == 201
    assert result["id"] != old["id"]


def test_batch_of_more_than_two_hundred(phoneiq):
    operations = [{"op": "upsert", "contact": {}}] * 201
    answer = phoneiq.call("POST", "/v1/contacts/batch", {"operations": operations})
    assert refused(answer) == (413, "too_many_operations", None)
    assert phoneiq.page()["data"] == []


@pytest.mark.parametrize("envelope", [{}, {"operations": []}, {"operations": {}}, {"ops": [{}]}])
def test_malformed_envelope(phoneiq, envelope):
    answer = phoneiq.call("POST", "/v1/contacts/batch", envelope)
    assert refused(answer) == (400, "malformed_body", None)


# Repeats


def test_same_idempotency_key_gets_the_first_answer_for_a_day(phoneiq, box):
    def post(last_name):
        return phoneiq.call(
            "POST", "/v1/contacts", {"last_name": last_name}, headers={"Idempotency-Key": "k1"}
        )

    first = post("A")
    repeat = post("A")
    assert (repeat.status_code, repeat.json()) == (201, first.json())
    assert post("another body").json() == first.json()
    box.admin.advance(DAY - 60)
    assert post("A").json() == first.json()
    box.admin.advance(120)
    assert post("A").json()["id"] != first.json()["id"]
    assert len(phoneiq.page()["data"]) == 2


def test_idempotency_key_counts_for_its_path_and_for_refusals(phoneiq):
    headers = {"Idempotency-Key": "k1"}
    refusal = phoneiq.call("POST", "/v1/contacts", {"nickname": "A"}, headers=headers)
    again = phoneiq.call("POST", "/v1/contacts", {"last_name": "A"}, headers=headers)
    assert (again.status_code, again.json()) == (422, refusal.json())
    batch = {"operations": [{"op": "upsert", "contact": {}}]}
    assert phoneiq.call("POST", "/v1/contacts/batch", batch, headers=headers).status_code == 200
    assert len(phoneiq.page()["data"]) == 1


def test_repeats_that_arrive_together_change_once(phoneiq, box):
    answers = []

    def post():
        answers.append(
            phoneiq.call("POST", "/v1/contacts", {}, headers={"Idempotency-Key": "k1"}).json()
        )

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [box.admin.phoneiq.list()[0]] * 8
    assert len(box.admin.phoneiq.list()) == 1


def test_idempotency_key_that_is_none(phoneiq):
    answer = phoneiq.call("POST", "/v1/contacts", {}, headers={"Idempotency-Key": "two words"})
    assert refused(answer) == (400, "invalid_header", "Idempotency-Key")


# Time


def test_changes_never_share_a_time_not_even_when_the_clock_goes_back(phoneiq, box):
    times = [phoneiq.create()["updated_at"]]
    box.admin.advance(-3600)
    results = phoneiq.batch(*[{"op": "upsert", "contact": {}}] * 50)
    times += [box.admin.phoneiq.get(result["id"])["updated_at"] for result in results]
    assert times == sorted(set(times))


# Limits


def test_requests_beyond_the_limit_of_a_minute(tmp_path):
    store = ContactStore(tmp_path / "phoneiq.db", Clock())
    app = phoneiq_app.build(store, Faults(), requests_per_minute=3)
    with served(app) as url:
        headers = {"Authorization": f"Bearer {phoneiq_app.API_KEY}"}
        answers = [requests.get(f"{url}/v1/account", headers=headers, timeout=10) for _ in range(8)]
    refusals = [answer for answer in answers if answer.status_code == 429]
    # A minute may end while this runs, which gives up to three requests more.
    assert 2 <= len(refusals) <= 5
    for answer in refusals:
        assert refused(answer) == (429, "rate_limited", None)
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert answers[0].headers["X-RateLimit-Limit"] == "3"
    assert answers[0].json()["limits"]["requests_per_minute"] == 3
    store.close()


@contextmanager
def served(app):
    """Serve an app on a free port of this process."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
