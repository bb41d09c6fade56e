"""What goes wrong: records are refused, Salesforce fails, the run has to stop."""

from __future__ import annotations

import json
import select
import signal

import pytest

EXTERNAL = "PhoneIQ_Contact_ID__c"
DELETED = "2026-01-01T00:00:00Z"


def names(box, object="Contact"):  # noqa: A002
    return sorted(row["LastName"] for row in box.admin.salesforce.list(object))


def logins(box):
    return [e for e in box.admin.requests(side="salesforce") if e["path"].endswith("/token")]


# Records that are refused


def test_a_refused_record_goes_to_the_reject_file_and_the_others_arrive(box, target, way, singer):
    known = box.admin.salesforce.create("Contact", LastName="Known")
    run = target(
        singer.schema(),
        singer.record(LastName="Good"),
        singer.record(LastName="x" * 81, Phone="+14155550100"),
        singer.record(Id=known["Id"], Email="nonsense"),
        singer.record(FirstName="Nameless", **{EXTERNAL: "pc_1"}),
        singer.state({"done": True}),
        **way,
    )
    assert (run.code, run.states) == (0, [{"done": True}])
    assert names(box) == ["Good", "Known"]
    assert run.summary.startswith("written=1 created=1 updated=0 deleted=0 rejected=3 (")
    by_action = {reject["action"]: reject for reject in run.rejects}
    assert len(run.rejects) == 3
    assert by_action["create"]["error"]["code"] == "STRING_TOO_LONG"
    assert by_action["create"]["error"]["fields"] == ["LastName"]
    assert by_action["create"]["record"] == {"LastName": "x" * 81, "Phone": "+14155550100"}
    assert by_action["update"]["error"]["code"] == "INVALID_EMAIL_ADDRESS"
    assert by_action["update"]["id"] == known["Id"]
    assert by_action["upsert"]["error"]["code"] == "REQUIRED_FIELD_MISSING"
    assert by_action["upsert"]["error"]["fields"] == ["LastName"]
    assert by_action["upsert"]["external_id"] == "pc_1"
    for reject in run.rejects:
        assert (reject["target"], reject["stream"]) == ("target-salesforce", "Contact")
        assert reject["time"].endswith("Z")
    assert "+14155550100" not in run.log
    assert "nonsense" not in run.log


def test_the_reject_file_is_its_owners_alone_and_is_appended_to(box, target, singer):
    path = target.folder / "rejects-target-salesforce.jsonl"
    path.write_text('{"earlier": 1}\n')
    path.chmod(0o644)
    run = target(singer.schema(), singer.record(FirstName="Nameless"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert [reject.get("earlier") for reject in run.rejects] == [1, None]


def test_a_reject_file_whose_last_line_was_cut_goes_on_with_a_fresh_line(target, singer):
    path = target.folder / "rejects-target-salesforce.jsonl"
    path.write_text('{"time": "2026-01-01T00:00:00Z", "tar')
    assert target(singer.schema(), singer.record(FirstName="Nameless")).code == 0
    first, second = path.read_text().split("\n")[:2]
    assert first.endswith('"tar')
    assert json.loads(second)["record"] == {"FirstName": "Nameless"}


def test_without_rejects_there_is_no_reject_file(box, target, singer):
    run = target(singer.schema(), singer.record(LastName="Good"))
    assert run.code == 0
    assert not (target.folder / "rejects-target-salesforce.jsonl").exists()


def test_rejects_path_says_where_rejects_go(box, target, singer):
    path = target.folder / "elsewhere.jsonl"
    run = target(singer.schema(), singer.record(FirstName="N"), rejects_path=str(path))
    assert run.code == 0
    assert json.loads(path.read_text())["error"]["code"] == "REQUIRED_FIELD_MISSING"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({}, 0),
        ({"max_rejects": 2}, 0),
        ({"max_rejects": 1}, 1),
        ({"max_rejects": 0}, 1),
        ({"allow_failures": False}, 1),
        ({"allow_failures": True}, 0),
    ],
)
def test_more_rejects_than_allowed_fail_the_run_at_its_end(box, target, singer, config, code):
    run = target(
        singer.schema(),
        singer.record(FirstName="Nameless"),
        singer.record(FirstName="Nameless too"),
        singer.record(LastName="Good"),
        singer.state({"done": True}),
        **config,
    )
    assert run.code == code
    # At its end: everything is written, and what is not is in the file.
    assert (names(box), len(run.rejects), run.states) == (["Good"], 2, [{"done": True}])
    assert ("2 records were rejected" in run.log) is (code == 1)
    assert "Traceback" not in run.log


def test_an_unknown_field_is_told_and_its_record_rejected(box, target, way, singer):
    run = target(
        singer.schema(),
        singer.record(LastName="Typo", Emial="a@example.com"),
        singer.record(LastName="Good"),
        **way,
    )
    assert (run.code, names(box)) == (0, ["Good"])
    (reject,) = run.rejects
    assert (reject["error"]["code"], reject["error"]["fields"]) == ("INVALID_FIELD", ["Emial"])
    assert "Email" in reject["error"]["message"]
    assert "Contact has no field Emial" in run.log


def test_a_read_only_field_is_told_and_its_record_rejected(box, target, way, singer):
    known = box.admin.salesforce.create("Contact", LastName="Known")
    run = target(singer.schema(), singer.record(Id=known["Id"], Name="Mr Known"), **way)
    (reject,) = run.rejects
    assert reject["error"]["code"] == "INVALID_FIELD_FOR_INSERT_UPDATE"
    assert reject["error"]["fields"] == ["Name"]


def test_a_value_that_spoils_a_whole_request_costs_only_its_own_record(box, target, singer):
    box.admin.fault(
        side="salesforce",
        kind="status",
        method="POST",
        path="composite/sobjects",
        status=400,
        code="JSON_PARSER_ERROR",
        message="Cannot deserialize",
        times=2,
    )
    # The request of four fails, so does its first half, and everything is there in the end.
    run = target(singer.schema(), *[singer.record(LastName=f"N{n}") for n in range(4)])
    assert (run.code, run.rejects) == (0, [])
    assert names(box) == ["N0", "N1", "N2", "N3"]


def test_a_request_that_is_refused_for_one_record_rejects_it(box, target, singer):
    box.admin.fault(
        side="salesforce",
        kind="status",
        method="POST",
        path="composite/sobjects",
        status=400,
        code="JSON_PARSER_ERROR",
        times=1,
    )
    run = target(singer.schema(), singer.record(LastName="Bad"))
    assert [reject["error"]["code"] for reject in run.rejects] == ["JSON_PARSER_ERROR"]
    assert names(box) == []


@pytest.mark.parametrize("allowed", [False, True])
def test_bulk_refuses_duplicates_that_collections_may_save(box, target, writes, singer, allowed):
    box.admin.fault(
        side="salesforce", kind="row_error", object="Contact", code="DUPLICATES_DETECTED", times=1
    )
    run = target(
        singer.schema(),
        singer.record(LastName="N0"),
        singer.record(LastName="N1"),
        bulk_threshold=2,
        allow_duplicates=allowed,
    )
    assert run.code == 0
    assert [reject["error"]["code"] for reject in run.rejects] == (
        [] if allowed else ["DUPLICATES_DETECTED"]
    )
    assert len(names(box)) == (2 if allowed else 1)
    assert (("POST", "composite/sobjects") in writes()) is allowed


# Failures that pass


def test_a_locked_record_is_tried_again(box, target, way, singer):
    known = box.admin.salesforce.create("Contact", LastName="Known")
    box.admin.fault(
        side="salesforce", kind="row_error", object="Contact", code="UNABLE_TO_LOCK_ROW", times=1
    )
    run = target(
        singer.schema(),
        singer.record(Id=known["Id"], LastName="One"),
        singer.record(Id=known["Id"], LastName="Two"),
        **way,
    )
    assert (run.code, run.rejects) == (0, [])
    assert names(box) == ["Two"]
    assert "locked" in run.log


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("composite/sobjects", "POST"),
        ("composite/sobjects", "PATCH"),
        ("/describe", "GET"),
        ("oauth2/token", "POST"),
    ],
)
def test_an_unavailable_salesforce_is_tried_again(box, target, singer, path, method):
    known = box.admin.salesforce.create("Contact", LastName="Known")
    box.admin.fault(side="salesforce", kind="status", method=method, path=path, status=503, times=1)
    run = target(
        singer.schema(),
        singer.record(Id=known["Id"], LastName="Changed"),
        singer.record(LastName="New"),
    )
    assert (run.code, run.rejects) == (0, [])
    assert names(box) == ["Changed", "New"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "GET"])
@pytest.mark.parametrize("fault", [{"kind": "disconnect"}, {"kind": "status", "status": 500}])
def test_no_step_of_a_bulk_job_writes_twice_when_it_fails(box, target, singer, method, fault):
    box.admin.fault(side="salesforce", method=method, path="jobs/ingest", times=1, **fault)
    run = target(
        singer.schema(), *[singer.record(LastName=f"N{n}") for n in range(3)], bulk_threshold=1
    )
    assert (run.code, run.rejects) == (0, [])
    assert names(box) == ["N0", "N1", "N2"]


def test_the_concurrency_limit_is_waited_for(box, target, way, singer):
    box.admin.fault(
        side="salesforce",
        kind="status",
        method="POST",
        path="composite/sobjects|jobs/ingest",
        status=403,
        code="REQUEST_LIMIT_EXCEEDED",
        message="ConcurrentPerOrgLongTxn Limit exceeded.",
        times=1,
    )
    run = target(singer.schema(), singer.record(LastName="New"), **way)
    assert (run.code, names(box)) == (0, ["New"])


@pytest.mark.parametrize(
    ("path", "method"),
    [("composite/sobjects", "POST"), ("jobs/ingest", "PUT"), ("jobs/ingest", "GET")],
)
def test_a_session_that_ends_in_the_middle_is_renewed_once(box, target, singer, path, method):
    box.admin.fault(side="salesforce", kind="status", method=method, path=path, status=401, times=1)
    run = target(
        singer.schema(),
        singer.record(LastName="New"),
        bulk_threshold=1 if "jobs" in path else 2000,
        allow_duplicates=True,
    )
    assert (run.code, names(box)) == (0, ["New"])
    assert len(logins(box)) == 2


def test_a_session_that_never_holds_stops_the_run(box, target, singer):
    box.admin.fault(
        side="salesforce", kind="status", path="composite/sobjects", status=401, times=None
    )
    run = target(singer.schema(), singer.record(LastName="New"), singer.state({"bookmark": 1}))
    assert (run.code, run.states, len(logins(box))) == (1, [], 2)
    assert "INVALID_SESSION_ID" in run.log
    assert "Traceback" not in run.log


# An answer that never comes


def test_an_insert_without_an_answer_is_not_repeated_but_told(box, target, singer):
    box.admin.fault(
        side="salesforce", kind="disconnect", method="POST", path="composite/sobjects", times=1
    )
    run = target(singer.schema(), singer.record(LastName="New"), singer.state({"bookmark": 1}))
    assert (run.code, run.states) == (0, [{"bookmark": 1}])
    (reject,) = run.rejects
    assert (reject["action"], reject["error"]["code"]) == ("create", "OUTCOME_UNKNOWN")
    assert names(box) == ["New"]


@pytest.mark.parametrize("status", [500, 502, 504])
def test_an_insert_that_fails_on_salesforces_side_is_not_repeated(box, target, singer, status):
    box.admin.fault(
        side="salesforce",
        kind="status",
        method="POST",
        path="composite/sobjects",
        status=status,
        times=1,
    )
    run = target(singer.schema(), singer.record(LastName="New"))
    assert [reject["error"]["code"] for reject in run.rejects] == ["OUTCOME_UNKNOWN"]
    assert names(box) == []


def test_what_may_be_repeated_is_repeated_when_no_answer_came(box, target, singer):
    known = box.admin.salesforce.create("Contact", LastName="Known")
    gone = box.admin.salesforce.create("Contact", LastName="Gone")
    for method in ("PATCH", "PATCH", "DELETE"):
        box.admin.fault(
            side="salesforce",
            kind="disconnect",
            method=method,
            path="composite/sobjects",
            times=1,
        )
    run = target(
        singer.schema(),
        singer.record(LastName="New", **{EXTERNAL: "pc_1"}),
        singer.record(Id=known["Id"], LastName="Changed"),
        singer.record(Id=gone["Id"], _sdc_deleted_at=DELETED),
    )
    assert (run.code, run.rejects) == (0, [])
    assert names(box) == ["Changed", "New"]


# The run stops


@pytest.mark.parametrize("kind", ["status", "row_error"])
def test_the_days_limit_stops_the_run_and_loses_nothing(box, target, singer, kind):
    limit = {
        "status": {"status": 403, "method": "POST", "path": "composite/sobjects"},
        "row_error": {"object": "Contact"},
    }[kind]
    box.admin.fault(
        side="salesforce",
        kind=kind,
        code="REQUEST_LIMIT_EXCEEDED",
        message="TotalRequests Limit exceeded.",
        after=1 if kind == "status" else 2,
        **limit,
    )
    run = target(
        singer.schema(),
        *[singer.record(LastName=f"N{n}") for n in range(2)],
        singer.state({"bookmark": 2}),
        *[singer.record(LastName=f"N{n}") for n in range(2, 4)],
        singer.state({"bookmark": 4}),
        batch_size_rows=2,
    )
    assert run.code == 1
    assert names(box) == ["N0", "N1"]
    assert {"bookmark": 4} not in run.states
    assert "limit of requests for the day is used up" in run.log
    assert "Traceback" not in run.log


def test_state_comes_after_its_batch_and_not_with_the_last_one_only(box, target, singer):
    run = target(
        singer.schema(),
        singer.record(LastName="N0"),
        singer.state({"bookmark": 1}),
        singer.record(LastName="N1"),
        singer.state({"bookmark": 2}),
        singer.record(LastName="N2"),
        singer.state({"bookmark": 3}),
        batch_size_rows=2,
    )
    assert run.code == 0
    assert run.states == [{"bookmark": 1}, {"bookmark": 3}]


def test_a_state_without_records_passes_and_no_login_is_needed(box, target, singer):
    run = target(singer.state({"bookmark": 1.5}))
    assert (run.code, run.states) == (0, [{"bookmark": 1.5}])
    assert box.admin.requests(side="salesforce") == []


def test_credentials_that_are_refused_stop_the_run_in_one_line(box, target, singer):
    run = target(
        singer.schema(),
        singer.record(LastName="New"),
        singer.state({"bookmark": 1}),
        refresh_token="not-the-refresh-token",
    )
    assert (run.code, run.states) == (1, [])
    assert "refused the login (invalid_grant" in run.log
    assert "refresh_token and domain" in run.log
    assert "not-the-refresh-token" not in run.log
    assert "Traceback" not in run.log


def test_a_stream_without_an_object_stops_the_run_in_one_line(box, target, singer):
    run = target(singer.schema("People"), singer.record("People", LastName="New"))
    assert run.code == 1
    assert "no object 'People'" in run.log
    assert "Traceback" not in run.log


@pytest.mark.parametrize(
    ("field", "why"), [("Nothing__c", "no such field"), ("Phone", "no external id")]
)
def test_an_external_id_field_that_is_none_is_told_with_those_that_are(
    box, target, singer, field, why
):
    run = target(singer.schema(), singer.record(LastName="New"), external_id_field=field)
    assert (run.code, names(box)) == (1, [])
    assert why in run.log
    assert EXTERNAL in run.log
    assert "Traceback" not in run.log


@pytest.mark.parametrize(
    "line", ["no json: +14155550100", '["+14155550100"]', '{"type": "RECORD", "+14155550100": 1}']
)
def test_input_that_is_no_singer_message_is_told_without_quoting_it(target, line):
    run = target.finish(target.start(), line + "\n")
    assert run.code == 1
    assert "+14155550100" not in run.log
    assert "Traceback" not in run.log


def test_a_reject_file_that_can_not_be_written_stops_the_run(box, target, singer):
    run = target(
        singer.schema(),
        singer.record(FirstName="Nameless"),
        singer.state({"bookmark": 1}),
        rejects_path=str(target.folder),
    )
    assert (run.code, run.states) == (1, [])
    assert "rejects_path" in run.log
    assert "Traceback" not in run.log


def test_ended_by_a_signal_it_leaves_only_states_that_are_true(box, target, singer):
    process = target.start(batch_size_rows=2)
    messages = [
        singer.schema(),
        singer.record(LastName="N0"),
        singer.record(LastName="N1"),
        singer.state({"bookmark": 2}),
        singer.record(LastName="N2"),
        singer.record(LastName="N3"),
        singer.record(LastName="N4"),
        singer.state({"bookmark": 5}),
    ]
    process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert first == {"bookmark": 2}
    process.send_signal(signal.SIGTERM)
    run = target.finish(process)
    assert run.code == 128 + signal.SIGTERM
    # How far it had read is open; what it says it has done, it has done.
    reached = max(each["bookmark"] for each in [first, *run.states])
    assert len(names(box)) >= reached
    assert "Traceback" not in run.log


def test_a_batch_on_its_way_is_finished_when_a_signal_comes(box, target, singer):
    box.admin.fault(
        side="salesforce", kind="row_error", object="Contact", code="UNABLE_TO_LOCK_ROW", times=1
    )
    process = target.start(batch_size_rows=1)
    messages = [singer.schema(), singer.state({"bookmark": 0}), singer.record(LastName="New")]
    process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
    process.stdin.flush()
    while "locked" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    run = target.finish(process)
    assert (run.code, run.states) == (128 + signal.SIGTERM, [{"bookmark": 0}])
    assert names(box) == ["New"]
    assert run.summary == "written=1 created=1 updated=0 deleted=0 rejected=0"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_comes_while_a_state_is_written_leaves_it_whole(
    box, target, singer, monkeypatch, number, unbuffered
):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    process = target.start(batch_size_rows=1)
    # More than a pipe holds: it is being written until somebody reads it.
    state = {"bookmark": 1, "more": "x" * 1_000_000}
    messages = [singer.schema(), singer.state(state), singer.record(LastName="N0")]
    process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
    process.stdin.flush()
    select.select([process.stdout], [], [])
    process.send_signal(number)
    run = target.finish(process)
    assert run.code == 128 + number
    assert run.states
    assert all(each == state for each in run.states)
    assert names(box) == ["N0"]
    assert "Traceback" not in run.log


def test_a_signal_ends_the_wait_for_messages(box, target, singer):
    process = target.start()
    process.stdin.write(json.dumps(singer.schema()) + "\n" + '{"type": "REC')
    process.stdin.flush()
    while not any("Contact" in e["path"] for e in box.admin.requests(side="salesforce")):
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 128 + signal.SIGTERM
    run = target.finish(process)
    assert (run.states, run.summary.partition(" ")[0]) == ([], "written=0")
    assert "Traceback" not in run.log
