"""Several requests in flight: what may overtake what, and when STATE passes."""

from __future__ import annotations

import itertools
import json
import select
import subprocess

import pytest


def bodies(box):
    """The batches that were sent, in the order of their answers, with their status."""
    return [
        (request["status"], json.loads(request["body"])["operations"])
        for request in box.admin.requests(side="phoneiq", method="POST")
    ]


def names(operations):
    return [operation["contact"]["first_name"] for operation in operations]


def test_a_slow_batch_does_not_hold_up_other_contacts(box, target, say):
    box.admin.fault(side="phoneiq", kind="status", status=503, retry_after=1, times=1)
    records = [say.record(first_name=str(n)) for n in range(4)]
    target(say.schema(), *records, batch_size=1)
    sent = [(status, *names(operations)) for status, operations in bodies(box)]
    delayed = next(name for status, name in sent if status == 503)
    assert sent[-1] == (200, delayed)
    assert len(sent) == 5


@pytest.mark.parametrize("key", ["id", "salesforce_id"])
def test_writes_for_one_contact_never_overtake_each_other(box, target, say, key):
    made = box.admin.phoneiq.create(salesforce_id="003000000000001AAA")
    box.admin.clear_requests()
    box.admin.fault(side="phoneiq", kind="status", status=503, retry_after=1, times=1)
    records = [say.record(**{key: made[key]}, first_name=str(n)) for n in range(4)]
    target(say.schema(), *records, batch_size=1)
    done = [names(operations) for status, operations in bodies(box) if status == 200]
    assert done == [["0"], ["1"], ["2"], ["3"]]
    assert box.admin.phoneiq.get(made["id"])["first_name"] == "3"


def test_the_short_and_the_long_form_of_a_salesforce_id_are_one_contact(box, target, say):
    box.admin.fault(side="phoneiq", kind="status", status=503, retry_after=1, times=1)
    target(
        say.schema(),
        say.record(salesforce_id="003000000000001", first_name="short"),
        say.record(salesforce_id="003000000000001AAA", first_name="long"),
        batch_size=1,
    )
    done = [names(operations) for status, operations in bodies(box) if status == 200]
    assert done == [["short"], ["long"]]


def test_a_write_by_id_and_one_by_the_salesforce_id_that_it_carries(box, target, say):
    made = box.admin.phoneiq.create(first_name="before")
    box.admin.clear_requests()
    box.admin.fault(side="phoneiq", kind="status", status=503, retry_after=1, times=1)
    load = target(
        say.schema(),
        say.record(id=made["id"], salesforce_id="003000000000001AAA", first_name="first"),
        say.record(salesforce_id="003000000000001AAA", first_name="second"),
        batch_size=1,
    )
    assert "2 updated" in load.closing
    (now,) = box.admin.phoneiq.list()
    assert now["first_name"] == "second"


def test_a_salesforce_id_that_an_earlier_batch_sets_free_is_no_reject(box, target, say):
    made = box.admin.phoneiq.create(first_name="old", salesforce_id="003000000000001AAA")
    other = box.admin.phoneiq.create(first_name="new")
    box.admin.fault(side="phoneiq", kind="status", status=503, retry_after=1, times=1)
    load = target(
        say.schema(),
        say.record(id=made["id"], salesforce_id=None),
        say.record(id=other["id"], salesforce_id="003000000000001AAA"),
        batch_size=1,
    )
    assert load.rejects == []
    assert box.admin.phoneiq.get(other["id"])["salesforce_id"] == "003000000000001AAA"


def test_a_salesforce_id_that_stays_taken_is_rejected(box, target, say):
    box.admin.phoneiq.create(salesforce_id="003000000000001AAA")
    other = box.admin.phoneiq.create(first_name="new")
    load = target(
        say.schema(),
        say.record(first_name="unrelated"),
        say.record(id=other["id"], salesforce_id="003000000000001AAA"),
        batch_size=1,
    )
    (line,) = load.rejects
    assert line["error"]["code"] == "salesforce_id_taken"
    assert line["error"]["fields"] == ["salesforce_id"]


def test_states_pass_in_order_however_long_a_batch_takes(box, target, say):
    box.admin.fault(side="phoneiq", kind="status", status=503, retry_after=1, times=1)
    messages = [
        message for n in range(6) for message in (say.record(first_name=str(n)), say.state(n))
    ]
    load = target(say.schema(), say.state("start"), *messages, batch_size=2)
    # The STATE that arrives while a batch fills waits for the whole batch.
    assert load.states == [{"at": at} for at in ("start", 1, 3, 5)]


def test_no_state_passes_that_covers_a_batch_that_failed(box, target, say):
    box.admin.fault(side="phoneiq", kind="status", status=403, after=2, times=1)
    messages = [
        message for n in range(8) for message in (say.record(first_name=str(n)), say.state(n))
    ]
    load = target(say.schema(), *messages, batch_size=1, max_in_flight=1)
    assert load.code == 1
    (line,) = load.errors
    assert "403" in line
    assert load.states == [{"at": 0}, {"at": 1}]


def test_no_state_passes_that_covers_a_batch_that_failed_among_others_in_flight(box, target, say):
    box.admin.fault(side="phoneiq", kind="status", status=403, after=3, times=1)
    messages = [
        message for n in range(12) for message in (say.record(first_name=str(n)), say.state(n))
    ]
    load = target(say.schema(), *messages, batch_size=1, max_in_flight=4)
    assert load.code == 1
    arrived = {each["first_name"] for each in box.admin.phoneiq.list()}
    covered = load.states[-1]["at"] if load.states else -1
    assert {str(n) for n in range(covered + 1)} <= arrived
    assert covered < 11


def test_a_killed_target_has_let_no_state_pass_too_early(box, command, say):
    with subprocess.Popen(
        command(batch_size=2), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def send(*messages):
            process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
            process.stdin.flush()

        send(say.schema())
        for n in range(3):
            send(say.record(first_name=str(n)), say.state(n))
        # Two records are a batch. Its STATE passes with the next message after its answer.
        later = itertools.count(3)
        while not select.select([process.stdout], [], [], 0.05)[0]:
            send(say.state(next(later)))
        first = json.loads(process.stdout.readline())
        process.kill()
        rest = process.stdout.read()
    assert first == {"at": 1}
    assert rest == ""
    assert {each["first_name"] for each in box.admin.phoneiq.list()} == {"0", "1"}


def test_a_terminated_target_ends_non_zero_and_sends_nothing_more(box, command, say):
    with subprocess.Popen(
        command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        messages = [say.schema(), say.state("start"), say.record(first_name="Ada"), say.state(1)]
        process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        process.stdin.flush()
        assert json.loads(process.stdout.readline()) == {"at": "start"}
        process.terminate()
        states, log = process.communicate()
    assert process.returncode == 143
    assert states == ""
    assert "stopped by signal 15" in log
    assert "Traceback" not in log
    assert box.admin.phoneiq.list() == []


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_that_comes_while_a_state_is_written_leaves_it_whole(
    command, say, monkeypatch, unbuffered
):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with subprocess.Popen(
        command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        # More than a pipe holds: it is being written until somebody reads it.
        start = "x" * 1_000_000
        messages = [say.schema(), say.state(start)]
        process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        process.stdin.flush()
        select.select([process.stdout], [], [])
        process.terminate()
        states, log = process.communicate()
    assert process.returncode == 143
    assert json.loads(states) == {"at": start}
    assert "stopped by signal 15" in log
    assert "Traceback" not in log


def test_a_signal_ends_the_wait_for_phoneiq(box, command, say):
    box.admin.fault(side="phoneiq", kind="status", method="POST", status=503, retry_after=60)
    with subprocess.Popen(
        command(batch_size=1, max_in_flight=1),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        messages = [say.schema(), *(say.record(first_name=str(n)) for n in range(9))]
        process.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        process.stdin.flush()
        while not box.admin.requests(side="phoneiq", method="POST"):
            assert process.poll() is None
        process.terminate()
        process.wait()
        log = process.stderr.read()
    assert process.returncode == 143, log
    assert "stopped by signal 15" in log
    assert "Traceback" not in log
    assert box.admin.phoneiq.list() == []


def test_a_batch_whose_answer_is_lost_is_written_once(box, target, say):
    box.admin.fault(side="phoneiq", kind="disconnect", method="POST", times=2)
    records = [say.record(first_name=str(n)) for n in range(10)]
    load = target(say.schema(), *records, say.state(1), batch_size=5)
    assert load.code == 0
    assert len(box.admin.phoneiq.list()) == 10
    assert "10 created" in load.closing


def test_a_rate_limit_is_waited_for(box, target, say):
    box.admin.fault(side="phoneiq", kind="status", status=429, retry_after=1, times=3)
    records = [say.record(first_name=str(n)) for n in range(6)]
    load = target(say.schema(), *records, batch_size=1)
    assert load.code == 0
    assert "6 created" in load.closing
