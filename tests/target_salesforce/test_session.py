"""Answers that the sandbox never gives, from a server that says what it is told to."""

from __future__ import annotations

import gzip
import logging
import socket
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest
import requests
import trustme
from requests.adapters import HTTPAdapter
from target_salesforce import session as session_module
from target_salesforce.bulk import Bulk
from target_salesforce.errors import (
    LimitReachedError,
    OutcomeUnknownError,
    RefusedError,
    RunStoppedError,
)
from target_salesforce.login import LoginUnavailableError, RefreshTokenLogin, Token
from target_salesforce.session import SalesforceSession
from target_salesforce.sobject_collections import Collections
from target_salesforce.writes import Operation, Write

# Salesforce's result lines for the record "A".
TOO_LONG = b'"sf__Id","sf__Error","LastName"\r\n"","STRING_TOO_LONG:long:LastName --","A"\r\n'

LOGGER = logging.getLogger("target-salesforce.test")


@dataclass
class Answer:
    """What to say to one request; `hold` lets the client wait until the server is closed."""

    status: int = 200
    body: object = b""
    headers: dict[str, str] = field(default_factory=dict)
    hold: bool = False


class Scripted:
    """An https server that gives its answers in turn and keeps what it was asked."""

    def __init__(self, context):
        self.answers: list[Answer] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.closing = threading.Event()
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                script.requests.append((self.command, self.path, dict(self.headers), body))
                answer = script.answers.pop(0)
                if answer.hold:
                    script.closing.wait()
                    self.close_connection = True
                    return
                content = answer.body
                if not isinstance(content, bytes):
                    content = msgspec.json.encode(content)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True).start()

    def close(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


class Logins:
    """Gives another token with every login."""

    def __init__(self, host):
        self.host = host
        self.number = 0

    def token(self, _http):
        self.number += 1
        return Token(f"token-{self.number}", self.host)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return authority, path


@pytest.fixture
def server(authority, monkeypatch):
    ca, path = authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    scripted = Scripted(context)
    yield scripted
    scripted.close()


@pytest.fixture
def waits(monkeypatch):
    """The seconds that would have been waited."""
    seconds: list[float] = []
    for module in ("session", "bulk"):
        monkeypatch.setattr(f"target_salesforce.{module}.sleep", seconds.append)
    return seconds


@pytest.fixture
def session(server, waits):
    session = SalesforceSession(Logins(server.host), LOGGER)
    yield session
    session.close()


decode = msgspec.json.Decoder(dict).decode


def error(code, message="no"):
    return [{"message": message, "errorCode": code}]


def insert(name):
    return Write(Operation.CREATE, None, None, {"LastName": name}, {"LastName": name})


def collections(session, *, allow_duplicates=False):
    return Collections(
        session, "Contact", external_id_field=None, allow_duplicates=allow_duplicates
    )


def test_a_renewed_session_sends_the_same_request_with_its_headers(server, session):
    server.answers = [
        Answer(401, error("INVALID_SESSION_ID")),
        Answer(201, [{"id": "003000000000001AAA", "success": True, "errors": []}]),
    ]
    (result,) = collections(session, allow_duplicates=True).send(Operation.CREATE, [insert("N")])
    assert result.created
    first, second = server.requests
    assert first[3] == second[3]
    for request, token in ((first, "token-1"), (second, "token-2")):
        assert request[2]["Sforce-Duplicate-Rule-Header"] == "allowSave=true"
        assert request[2]["Authorization"] == f"Bearer {token}"


def test_duplicates_are_not_allowed_unless_asked_for(server, session):
    server.answers = [Answer(200, [{"id": "003000000000001AAA", "success": True, "errors": []}])]
    collections(session).send(Operation.CREATE, [insert("N")])
    assert "Sforce-Duplicate-Rule-Header" not in server.requests[0][2]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503, b"<html>Down for maintenance</html>", {"Content-Type": "text/html"}),
        Answer(500, error("UNKNOWN_EXCEPTION")),
        Answer(429, error("TOO_MANY")),
        Answer(403, error("REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests Limit exceeded.")),
    ],
)
def test_what_passes_is_tried_again(server, session, waits, answer):
    server.answers = [answer, Answer(200, {})]
    assert session.request("GET", "limits", decode) == {}
    assert len(waits) == 1


def test_salesforce_may_say_how_long_to_wait(server, session, waits):
    server.answers = [Answer(503, headers={"Retry-After": "30"}), Answer(200, {})]
    session.request("GET", "limits", decode)
    assert waits == [30]


def test_a_wait_grows_and_ends(server, session, waits):
    server.answers = [Answer(503) for _ in range(7)]
    with pytest.raises(RunStoppedError, match="given up after 7 tries"):
        session.request("GET", "limits", decode)
    assert len(server.requests) == 7
    assert all(0.5 * 2**n <= seconds <= 2**n for n, seconds in enumerate(waits))


def test_after_a_time_out_only_what_is_repeatable_is_repeated(server, session, monkeypatch):
    monkeypatch.setattr(session_module, "TIMEOUT", (5, 0.2))
    server.answers = [Answer(hold=True), Answer(200, {}), Answer(hold=True)]
    assert session.request("GET", "limits", decode) == {}
    with pytest.raises(OutcomeUnknownError, match="ReadTimeout"):
        session.request("POST", "composite/sobjects", decode, body=b"{}", repeatable=False)
    assert len(server.requests) == 3


def test_what_never_left_is_tried_again_whatever_it_is(waits):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
        session = SalesforceSession(Logins(nobody), LOGGER)
        with pytest.raises(RunStoppedError, match="no usable answer"):
            session.request("POST", "composite/sobjects", decode, body=b"{}", repeatable=False)
    assert len(waits) == 6


@pytest.mark.parametrize("status", [301, 400, 404, 405])
def test_other_errors_are_not_tried_again(server, session, status):
    server.answers = [Answer(status, error("SOME_CODE"), {"Location": "https://example.com/"})]
    with pytest.raises(RefusedError, match=f"{status} SOME_CODE"):
        session.request("GET", "limits", decode)
    assert len(server.requests) == 1


def test_a_result_too_few_stops_the_run(server, session):
    server.answers = [Answer(200, [{"id": "003000000000001AAA", "success": True, "errors": []}])]
    with pytest.raises(RunStoppedError, match="1 results for 2 records"):
        collections(session).send(Operation.CREATE, [insert("A"), insert("B")])


def test_a_refusal_of_all_writing_stops_the_run(server, session):
    server.answers = [Answer(403, error("API_DISABLED_FOR_ORG", "not enabled"))]
    with pytest.raises(RunStoppedError, match="API_DISABLED_FOR_ORG"):
        collections(session).send(Operation.CREATE, [insert("A"), insert("B")])


def bulk(session):
    return Bulk(session, "Contact", external_id_field=None, logger=LOGGER)


def job(state, **more):
    """Answers of a job until its state is final."""
    return [
        Answer(200, {"id": "750x"}),
        Answer(201),
        Answer(200, {"id": "750x", "state": "UploadComplete"}),
        Answer(200, {"id": "750x", "state": "InProgress"}),
        Answer(200, {"id": "750x", "state": state, **more}),
    ]


def test_a_job_without_failures_needs_no_results(server, session, waits):
    server.answers = job("JobComplete", numberRecordsFailed=0)
    results = bulk(session).send(Operation.CREATE, [insert("A"), insert("B")])
    assert [(result.created, result.failure) for result in results] == [(True, None)] * 2
    assert server.answers == []
    # Waits between polls grow.
    assert waits == sorted(set(waits))


def test_a_job_that_fails_tells_what_became_of_every_record(server, session):
    server.answers = [
        *job("Failed", errorMessage="InvalidBatch : something", numberRecordsFailed=1),
        Answer(200, TOO_LONG),
        Answer(200, b'"sf__Id","sf__Created","LastName"\r\n"003000000000001AAA","true","B"\r\n'),
        Answer(200, b'"LastName"\r\n"C"\r\n'),
    ]
    writes = [insert(name) for name in ("A", "B", "C", "D")]
    results = bulk(session).send(Operation.CREATE, writes)
    codes = [result.failure and result.failure.code for result in results]
    assert codes == ["STRING_TOO_LONG", None, "InvalidBatch", "OUTCOME_UNKNOWN"]
    assert results[1].id == "003000000000001AAA"


def test_a_job_stopped_by_somebody_leaves_rejects(server, session):
    server.answers = [*job("Aborted"), Answer(), Answer(), Answer(200, b"LastName\r\nA\r\n")]
    (result,) = bulk(session).send(Operation.CREATE, [insert("A")])
    assert result.failure.code == "UNPROCESSED"
    assert "Aborted" in result.failure.message


def test_a_job_over_the_days_limit_stops_the_run(server, session):
    server.answers = [*job("Failed", errorMessage="ExceededQuota : batches"), Answer(), Answer()]
    with pytest.raises(LimitReachedError, match="ExceededQuota"):
        bulk(session).send(Operation.CREATE, [insert("A")])


def test_inserts_that_salesforce_repeats_in_another_form_are_still_rejected(server, session):
    server.answers = [
        *job("JobComplete", numberRecordsFailed=1),
        Answer(200, TOO_LONG),
        Answer(200, b'"sf__Id","sf__Created","LastName"\r\n"003000000000001AAA","true","B"\r\n'),
    ]
    results = bulk(session).send(Operation.CREATE, [insert(" A "), insert("B")])
    codes = [result.failure and result.failure.code for result in results]
    assert codes == ["STRING_TOO_LONG", None]


def test_a_refused_job_names_the_setting_that_avoids_bulk(server, session):
    server.answers = [Answer(400, error("INVALIDENTITY", "not supported by Bulk"))]
    with pytest.raises(RunStoppedError, match=r"INVALIDENTITY.*bulk_threshold"):
        bulk(session).send(Operation.CREATE, [insert("A")])


@pytest.fixture
def login_host(server):
    """An HTTP session whose login.salesforce.com is the server."""

    class ToServer(HTTPAdapter):
        def send(self, request, *args, **kwargs):
            request.url = request.url.replace("login.salesforce.com", server.host)
            return super().send(request, *args, **kwargs)

    with requests.Session() as http:
        http.mount("https://login.salesforce.com/", ToServer())
        yield http


def test_a_rotated_refresh_token_is_used_for_the_next_login(server, login_host):
    answer = {"access_token": "t", "instance_url": "https://acme.my.salesforce.com"}
    server.answers = [
        Answer(200, {**answer, "refresh_token": "second"}),
        Answer(200, answer),
        Answer(200, answer),
    ]
    login = RefreshTokenLogin("id", "secret", "first", "login")
    assert login.token(login_host) == Token("t", "acme.my.salesforce.com")
    login.token(login_host)
    login.token(login_host)
    sent = [body.decode().rpartition("refresh_token=")[2] for *_, body in server.requests]
    assert sent == ["first", "second", "second"]


@pytest.mark.parametrize("answer", [Answer(503, b"<html>"), Answer(200, b"<html>"), Answer(500)])
def test_a_login_that_salesforce_fails_is_worth_another_try(server, login_host, answer):
    server.answers = [answer]
    with pytest.raises(LoginUnavailableError):
        RefreshTokenLogin("id", "secret", "token", "login").token(login_host)


# Answers that are cut, too large, too slow, or repeat a secret


@pytest.mark.parametrize("body", [b"", b'{"cut', b"<html>Please log in</html>", b"[" * 5000])
def test_an_answer_that_is_cut_is_asked_for_again(server, session, waits, body):
    server.answers = [Answer(200, body), Answer(200, body), Answer(200, {})]
    assert session.request("GET", "limits", decode) == {}
    assert len(waits) == 2


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "GET limits: HTTP 200 with an empty body"),
        (b'{"cut', "HTTP 200 with a body that is not complete (cut after 5 bytes)"),
        (b"<html>Please log in</html>", "HTTP 200 with a web page"),
        (b"[]", "HTTP 200 with a body that is not what was expected"),
    ],
)
def test_answers_that_stay_cut_end_with_what_came(server, session, waits, body, said):
    server.answers = [Answer(200, body) for _ in range(7)]
    with pytest.raises(RunStoppedError) as caught:
        session.request("GET", "limits", decode)
    assert said in str(caught.value)
    assert len(waits) == 6


@pytest.mark.parametrize("body", [b"", b'[{"success": tr', b"<html></html>", b"{}"])
def test_an_insert_whose_answer_is_cut_is_not_repeated_but_told(server, session, body):
    server.answers = [Answer(200, body)]
    (result,) = collections(session).send(Operation.CREATE, [insert("A")])
    assert result.failure.code == "OUTCOME_UNKNOWN"
    assert "HTTP 200 with" in result.failure.message
    assert len(server.requests) == 1


def test_an_update_whose_answer_is_cut_is_repeated(server, session, waits):
    write = Write(Operation.UPDATE, "003000000000001AAA", None, {"LastName": "A"}, {})
    done = [{"id": "003000000000001AAA", "success": True, "errors": []}]
    server.answers = [Answer(200, b'[{"id": "00'), Answer(200, done)]
    (result,) = collections(session).send(Operation.UPDATE, [write])
    assert result.failure is None
    assert len(waits) == 1


def test_no_step_of_a_bulk_job_is_lost_where_its_answer_is_cut(server, session, waits):
    cut = Answer(200, b"")
    complete = {"state": "JobComplete", "numberRecordsProcessed": 1, "numberRecordsFailed": 1}
    server.answers = [
        *(cut, Answer(200, {"id": "750A", "state": "Open"})),
        Answer(201),
        Answer(200, b'{"id'),
        *(cut, Answer(200, complete)),
        *(Answer(200, TOO_LONG[:-5]), Answer(200, b""), Answer(200, TOO_LONG)),
        Answer(200, b""),
    ]
    bulk = Bulk(session, "Contact", external_id_field=None, logger=LOGGER)
    (result,) = bulk.send(Operation.CREATE, [insert("A")])
    assert result.failure.code == "STRING_TOO_LONG"


def test_an_answer_of_megabytes_that_unpacks_to_gigabytes_is_not_unpacked(
    server, session, monkeypatch
):
    monkeypatch.setattr(session_module, "MAX_ANSWER_BYTES", 1_000_000)
    bomb = gzip.compress(b" " * 50_000_000)
    server.answers = [Answer(200, bomb, {"Content-Encoding": "gzip"})] * 2
    with pytest.raises(
        RunStoppedError, match="GET limits was not read to its end: an answer of mo"
    ):
        session.request("GET", "limits", decode)
    (result,) = collections(session).send(Operation.CREATE, [insert("A")])
    assert result.failure.code == "OUTCOME_UNKNOWN"


def test_an_answer_that_drips_has_a_total_limit(server, session, monkeypatch):
    monkeypatch.setattr(session_module, "MAX_ANSWER_SECONDS", -1.0)
    server.answers = [Answer(200, {})]
    with pytest.raises(RunStoppedError, match="an answer that took over"):
        session.request("GET", "limits", decode)


def test_a_secret_that_salesforce_repeats_is_shown_nowhere(server, waits, caplog):
    session = SalesforceSession(Logins(server.host), LOGGER, ["the-client-secret"])
    told = "no: token-1 of the-client-secret"
    server.answers = [Answer(403, error("token-1", told)), Answer(401, error("token-1", told))]
    server.answers += [Answer(401, error("token-2", told))]
    caplog.set_level(logging.DEBUG, logger=LOGGER.name)
    for _ in range(2):
        with pytest.raises(RefusedError) as caught:
            session.request("GET", "limits", decode)
        shown = f"{caught.value} {caught.value.failure} {caplog.text}"
        assert "token-1" not in shown
        assert "token-2" not in shown
        assert "the-client-secret" not in shown
    session.close()
