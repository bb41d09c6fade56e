"""The session, against the sandbox over HTTP."""

from __future__ import annotations

import gzip
import http.server
import json
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from phoneiq_client import (
    ApiError,
    BadRequestError,
    BrokenAnswerError,
    ConflictError,
    Delete,
    ForbiddenError,
    NotFoundError,
    PhoneIQ,
    PreconditionFailedError,
    RateLimitedError,
    ServerError,
    TooLargeError,
    UnauthorizedError,
    UnexpectedAnswerError,
    UnprocessableError,
    UnreachableError,
    Update,
    Upsert,
)
from phoneiq_client import session as session_module

SALESFORCE_ID = "003000000000001AAA"


@pytest.fixture
def waits():
    """The seconds that the session wanted to wait, which it does not."""
    return []


@pytest.fixture
def api(box, waits):
    with PhoneIQ(box.phoneiq_url, box.phoneiq_key, sleep=waits.append) as session:
        yield session


@pytest.fixture
def serve():
    """Starts small HTTP servers that answer whatever a test wants."""
    servers = []

    def start(handler):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def answering(status, body, headers=()):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        connections = 0

        def setup(self):
            super().setup()
            type(self).connections += 1

        def do_GET(self):
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    return Handler


def methods(box):
    return [(entry["method"], entry["status"]) for entry in box.admin.requests(side="phoneiq")]


def test_the_account_and_its_limits(api):
    account = api.account()
    assert account.limits.batch_size == 200
    assert account.limits.page_size == 500


def test_fields_include_the_custom_ones(api):
    fields = {field.key: field for field in api.contact_fields()}
    assert fields["first_name"].max_length == 100
    assert fields["score"].custom
    assert fields["score"].type == "number"
    assert not fields["updated_at"].writable


def test_a_contact_from_creation_to_deletion(api):
    made = api.create_contact({"first_name": "Ada", "custom_fields": {"vip": True, "score": 1.5}})
    assert api.get_contact(made["id"]) == made

    changed = api.update_contact(
        made["id"], {"first_name": None, "last_name": "L.", "custom_fields": {"vip": None}}
    )
    assert changed["first_name"] is None
    assert changed["last_name"] == "L."
    assert changed["custom_fields"] == {"score": 1.5}
    assert changed["version"] > made["version"]

    api.delete_contact(made["id"])
    with pytest.raises(NotFoundError):
        api.get_contact(made["id"])
    with pytest.raises(NotFoundError):
        api.delete_contact(made["id"])


def test_a_change_meant_for_another_version(api):
    made = api.create_contact({"first_name": "Ada"})
    newer = api.update_contact(made["id"], {"first_name": "Bea"}, version=made["version"])
    with pytest.raises(PreconditionFailedError):
        api.update_contact(made["id"], {"first_name": "Cleo"}, version=made["version"])
    assert api.get_contact(made["id"]) == newer


def test_pages_hold_every_contact_once_in_order_of_change(box, api):
    made = [box.admin.phoneiq.create(first_name=f"N{n}") for n in range(7)]
    box.admin.phoneiq.edit(made[0]["id"], first_name="later")
    pages = list(api.contact_pages(limit=3))
    assert [len(page) for page in pages] == [3, 3, 1]
    ids = [contact["id"] for page in pages for contact in page]
    assert ids == [contact["id"] for contact in [*made[1:], made[0]]]


def test_pages_since_a_time_include_that_time_and_tombstones(box, api):
    first, second, third = (box.admin.phoneiq.create(first_name=f"N{n}") for n in range(3))
    box.admin.phoneiq.delete(first["id"])
    since = datetime.fromisoformat(second["updated_at"].replace("Z", "+00:00"))
    (page,) = api.contact_pages(updated_since=since, include_deleted=True)
    assert [contact["id"] for contact in page] == [second["id"], third["id"], first["id"]]
    assert page[-1]["deleted_at"] is not None
    (page,) = api.contact_pages(updated_since=second["updated_at"])
    assert [contact["id"] for contact in page] == [second["id"], third["id"]]


def test_a_batch_answers_each_operation_in_order(box, api):
    known = box.admin.phoneiq.create(first_name="Ada", salesforce_id=SALESFORCE_ID)
    results = api.batch(
        [
            Upsert({"salesforce_id": SALESFORCE_ID, "last_name": "L."}),
            Upsert({"first_name": "Bea"}),
            Update(known["id"], {"first_name": "x" * 101}),
            Update("pc_aaaaaaaaaaaa", {"first_name": "Cleo"}),
            Delete(known["id"]),
        ]
    )
    assert [result.status for result in results] == [200, 201, 422, 404, 204]
    assert results[0].id == known["id"]
    assert results[2].error.code == "value_too_long"
    assert results[2].error.field == "first_name"


def test_more_operations_than_a_batch_holds(api):
    with pytest.raises(TooLargeError) as caught:
        api.batch([Upsert({"first_name": "Ada"})] * 201)
    assert caught.value.code == "too_many_operations"


def test_a_refusal_says_what_where_and_in_which_request(box, api, waits):
    box.admin.phoneiq.create(salesforce_id=SALESFORCE_ID)
    with pytest.raises(ConflictError) as caught:
        api.create_contact({"salesforce_id": SALESFORCE_ID})
    error = caught.value
    assert (error.status, error.code, error.field) == (409, "salesforce_id_taken", "salesforce_id")
    assert error.request_id
    assert error.request_id in str(error)
    with pytest.raises(UnprocessableError) as caught:
        api.create_contact({"shoe_size": 40})
    assert caught.value.code == "unknown_field"
    assert waits == []


@pytest.mark.parametrize(
    ("status", "kind"), [(400, BadRequestError), (401, UnauthorizedError), (403, ForbiddenError)]
)
def test_other_4xx_are_not_repeated(box, api, waits, status, kind):
    box.admin.fault(side="phoneiq", kind="status", status=status)
    with pytest.raises(kind):
        api.account()
    assert waits == []
    assert methods(box) == [("GET", status)]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_5xx_are_repeated_with_growing_random_waits(box, api, waits, status):
    box.admin.fault(side="phoneiq", kind="status", status=status, times=3)
    api.account()
    assert methods(box) == [("GET", status)] * 3 + [("GET", 200)]
    assert all(0 <= wait <= longest for wait, longest in zip(waits, (0.5, 1, 2), strict=True))


def test_5xx_that_stay_end_after_six_attempts(box, api, waits):
    box.admin.fault(side="phoneiq", kind="status", status=503)
    with pytest.raises(ServerError, match="after 6 attempts") as caught:
        api.account()
    assert caught.value.status == 503
    assert len(waits) == 5
    assert len(methods(box)) == 6


def test_429_waits_as_long_as_phoneiq_says(box, api, waits):
    box.admin.fault(side="phoneiq", kind="status", status=429, retry_after=7, times=8)
    api.account()
    assert len(waits) == 8
    assert all(7 <= wait < 8 for wait in waits)


def test_429_that_stays_ends_after_ten_minutes_of_waiting(box, api, waits):
    box.admin.fault(side="phoneiq", kind="status", status=429, retry_after=100)
    with pytest.raises(RateLimitedError):
        api.account()
    assert sum(waits) <= 600


def test_429_for_a_day_ends_at_once(box, api, waits):
    box.admin.fault(side="phoneiq", kind="status", status=429, retry_after=86400)
    with pytest.raises(RateLimitedError) as caught:
        api.account()
    assert caught.value.retry_after == 86400
    assert waits == []


def test_a_creation_whose_answer_is_lost_happens_once(box, api, waits):
    box.admin.fault(side="phoneiq", kind="disconnect", method="POST", times=2)
    made = api.create_contact({"first_name": "Ada"})
    assert box.admin.phoneiq.list() == [made]
    assert len(waits) == 2


def test_a_batch_whose_answer_is_lost_happens_once(box, api):
    box.admin.fault(side="phoneiq", kind="disconnect", method="POST", times=1)
    results = api.batch([Upsert({"first_name": "Ada"}), Upsert({"first_name": "Bea"})])
    assert [result.id for result in results] == [each["id"] for each in box.admin.phoneiq.list()]


def test_two_equal_creations_are_two_contacts(box, api):
    api.create_contact({"first_name": "Ada"})
    api.create_contact({"first_name": "Ada"})
    assert len(box.admin.phoneiq.list()) == 2


def test_a_deletion_whose_answer_is_lost_is_done(box, api):
    made = box.admin.phoneiq.create(first_name="Ada")
    box.admin.fault(side="phoneiq", kind="disconnect", method="DELETE", times=1)
    api.delete_contact(made["id"])
    assert box.admin.phoneiq.list() == []


def test_nobody_listens(waits):
    api = PhoneIQ("http://127.0.0.1:9", "some-key", sleep=waits.append)
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9 .*6 attempts.*refused"):
        api.account()
    assert len(waits) == 5


def test_a_web_page_instead_of_the_api(serve):
    api = PhoneIQ(serve(answering(200, b"<html>Welcome</html>")), "some-key")
    with pytest.raises(UnexpectedAnswerError, match="check api_url"):
        api.account()


@pytest.mark.parametrize("kind", ["cut_body", "empty_body"])
def test_an_answer_that_is_cut_is_asked_for_again(box, api, waits, kind):
    made = box.admin.phoneiq.create(first_name="Ada")
    box.admin.fault(side="phoneiq", kind=kind, times=2)
    assert list(api.contact_pages()) == [[made]]
    assert len(waits) == 2


@pytest.mark.parametrize("kind", ["cut_body", "empty_body"])
def test_a_write_whose_answer_is_cut_happens_once(box, api, waits, kind):
    box.admin.fault(side="phoneiq", kind=kind, method="POST", times=1)
    results = api.batch([Upsert({"first_name": "Ada"}), Upsert({"first_name": "Bea"})])
    box.admin.fault(side="phoneiq", kind=kind, method="POST", times=1)
    made = api.create_contact({"first_name": "Cleo"})
    there = [each["id"] for each in box.admin.phoneiq.list()]
    assert [*(result.id for result in results), made["id"]] == there
    assert len(waits) == 2


def test_a_change_for_a_version_whose_answer_is_cut_is_not_sent_again(box, api, waits):
    made = box.admin.phoneiq.create(first_name="Ada")
    box.admin.fault(side="phoneiq", kind="cut_body", method="PATCH", times=1)
    with pytest.raises(BrokenAnswerError, match="PATCH /v1/contacts/pc_"):
        api.update_contact(made["id"], {"first_name": "Bea"}, version=made["version"])
    assert waits == []


def test_answers_that_stay_cut_end_with_what_came(serve, waits):
    api = PhoneIQ(serve(answering(200, b'{"data": [')), "some-key", sleep=waits.append)
    with pytest.raises(BrokenAnswerError) as caught:
        list(api.contact_pages())
    text = str(caught.value)
    assert "GET /v1/contacts from http://127.0.0.1" in text
    assert "(6 attempts): status 200 with a body that is not JSON (cut after 10 bytes)" in text
    assert "check api_url" not in text
    assert len(waits) == 5


def test_a_login_page_is_not_asked_for_again(box, api, waits):
    box.admin.fault(side="phoneiq", kind="html")
    with pytest.raises(UnexpectedAnswerError, match="web page of 56 bytes, as a proxy or a login"):
        api.account()
    assert waits == []


def test_a_body_of_megabytes_that_unpacks_to_gigabytes_is_not_unpacked(serve):
    bomb = gzip.compress(b" " * 200_000_000, compresslevel=1)
    api = PhoneIQ(serve(answering(200, bomb, [("Content-Encoding", "gzip")])), "some-key")
    tracemalloc.start()
    with pytest.raises(UnexpectedAnswerError, match=r"is larger than 67,108,864 bytes"):
        list(api.contact_pages())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 150_000_000


def test_an_answer_that_drips_has_a_total_limit(serve, monkeypatch):
    monkeypatch.setattr(session_module, "MAX_ANSWER_SECONDS", 0.2)
    closing = threading.Event()

    class Dripping(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            with suppress(OSError):
                while not closing.wait(0.05):
                    self.wfile.write(b" ")

        def log_message(self, *args):
            pass

    api = PhoneIQ(serve(Dripping), "some-key")
    with pytest.raises(UnexpectedAnswerError, match=r"GET /v1/account from .* took longer than"):
        api.account()
    closing.set()


def test_cursors_that_go_round_in_circles(serve):
    class Circle(answering(200, b"")):
        def do_GET(self):  # noqa: N802
            cursor = parse_qs(urlsplit(self.path).query).get("cursor", ["a"])[0]
            following = {"a": "b", "b": "c", "c": "a"}[cursor]
            body = f'{{"data": [], "next_cursor": "{following}"}}'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    api = PhoneIQ(serve(Circle), "some-key")
    with pytest.raises(UnexpectedAnswerError, match="next_cursor of page 4 has been there before"):
        list(api.contact_pages())


@pytest.mark.parametrize("key", ["sk-very-secret-key", "sk/very+secret"])
def test_a_key_that_is_echoed_is_shown_nowhere(serve, waits, key):
    quoted = quote(key, safe="")
    body = {"error": {"code": key, "message": f"key {key} or {quoted}", "field": key}}
    text = json.dumps(body).encode()
    for status in (401, 404, 422, 503):
        handler = answering(status, text, [("X-Request-Id", f"req-{key}")])
        api = PhoneIQ(serve(handler), key, sleep=waits.append)
        with pytest.raises(ApiError) as caught:
            api.account()
        error = caught.value
        shown = f"{error} {error.code} {error.detail} {error.field} {error.request_id}"
        assert key not in shown
        assert quoted not in shown


def test_a_redirect_is_not_followed(box, serve):
    moved = answering(301, b"", [("Location", f"{box.phoneiq_url}/v1/account")])
    api = PhoneIQ(serve(moved), box.phoneiq_key)
    with pytest.raises(UnexpectedAnswerError, match="301"):
        api.account()
    assert methods(box) == []


def test_a_gateway_that_answers_in_its_own_words(serve, waits):
    page = b"<html>Bad gateway</html>"
    api = PhoneIQ(serve(answering(502, page)), "some-key", sleep=waits.append)
    with pytest.raises(ServerError) as caught:
        api.account()
    assert caught.value.status == 502


def test_a_list_that_does_not_move_on(serve):
    page = b'{"data": [], "next_cursor": "same"}'
    api = PhoneIQ(serve(answering(200, page)), "some-key")
    with pytest.raises(UnexpectedAnswerError, match="does not move on"):
        list(api.contact_pages())


def test_requests_share_a_connection(serve):
    handler = answering(200, b'{"data": []}')
    with PhoneIQ(serve(handler), "some-key") as api:
        for _ in range(5):
            api.contact_fields()
    assert handler.connections == 1


def test_threads_share_a_session(box):
    with (
        PhoneIQ(box.phoneiq_url, box.phoneiq_key, connections=4) as api,
        ThreadPoolExecutor(4) as threads,
    ):
        made = list(threads.map(lambda n: api.create_contact({"first_name": str(n)}), range(40)))
    assert {contact["id"] for contact in made} == {each["id"] for each in box.admin.phoneiq.list()}


def test_the_key_is_shown_nowhere(box, waits):
    key = "sk-very-secret-key"
    api = PhoneIQ(box.phoneiq_url, key, sleep=waits.append)
    assert key not in repr(api)
    with pytest.raises(UnauthorizedError) as caught:
        api.account()
    assert key not in str(caught.value)

    api = PhoneIQ(box.phoneiq_url, box.phoneiq_key)
    box.admin.fault(side="phoneiq", kind="status", status=403, message=f"no: {box.phoneiq_key}")
    with pytest.raises(ForbiddenError, match=r"no: \*\*\*"):
        api.account()


def test_a_netrc_file_does_not_replace_the_key(box, api, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert api.account().id


@pytest.mark.parametrize(
    "url", ["", "api.phoneiq.example", "ftp://host", "http://", "http://[", "http://host:99999"]
)
def test_an_api_url_that_is_none(url):
    with pytest.raises(ValueError, match="api_url"):
        PhoneIQ(url, "some-key")


def test_an_api_url_with_a_password_is_not_shown():
    with pytest.raises(ValueError, match="no user, password") as caught:
        PhoneIQ("https://me:hunter2@host", "some-key")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "schlüssel"])
def test_an_api_key_that_is_none_is_not_shown(key):
    with pytest.raises(ValueError, match="api_key must be") as caught:
        PhoneIQ("http://127.0.0.1:9", key)
    assert not key or key not in str(caught.value)
