"""The rules that keep a run safe, in the order of the page."""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import signal
import sqlite3
import stat
import subprocess
import sys
import termios
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from reconciler.ledger import Ledger

from tests.reconciler.job import (
    OBSERVE,
    OBSERVE_SALESFORCE,
    PIPES,
    TO_PHONEIQ,
    TO_SALESFORCE,
    history,
    lost_from,
)

# Rule 1: both sides have been observed completely once.


def test_a_side_is_not_written_to_before_phoneiq_was_observed_completely(job):
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    passed = job.pipe(TO_PHONEIQ)
    assert passed.code == 0
    assert passed.records == []
    assert "phoneiq has not been observed completely yet" in passed.text


def test_a_side_is_not_written_to_before_salesforce_was_observed_completely(job):
    job.phoneiq.create(first_name="Ada", mobile_phone="+14155550132")
    passed = job.pipe(TO_SALESFORCE)
    assert passed.code == 0
    assert passed.records == []
    assert "salesforce has not been observed completely yet" in passed.text


def test_an_incomplete_observation_does_not_count_as_the_first_one(job):
    job.phoneiq.create(first_name="Bob", mobile_phone="+14155550143")
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    job.pipe(OBSERVE, tap=lost_from(-1))
    assert job.pipe(TO_PHONEIQ).records == []


def test_once_both_were_observed_the_writes_that_gathered_go_out(job):
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    job.pipe(TO_PHONEIQ)
    job.pipe(OBSERVE)
    assert [record["first_name"] for record in job.pipe(TO_PHONEIQ).records] == ["Ada"]


# Rule 2: end of input is no proof of a complete extract.


def crowd(job):
    for digit in range(3):
        job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"+1415555013{digit}")
        job.salesforce.create("Lead", FirstName="Lee", MobilePhone=f"+1415555017{digit}")
        job.phoneiq.create(first_name="Bob", mobile_phone=f"+1415555014{digit}")


@pytest.mark.parametrize("pipe", PIPES)
def test_a_tap_that_crashes_at_any_message_fails_the_run_and_nothing_is_written(start, pipe):
    job = start()
    crowd(job)
    job.pipe(OBSERVE)
    job.pipe(TO_PHONEIQ, target=lost_from(0))
    job.pipe(TO_SALESFORCE, target=lost_from(0))
    job.states.clear()
    reads = job.salesforce if pipe == TO_PHONEIQ else job.phoneiq
    extract = list(reads.extract({}))
    for position in range(len(extract)):
        passed = job.reconcile(pipe, extract[:position])
        assert passed.code == 1, position
        assert passed.records == [], position
        assert "the input ended before the tap said that its extract is complete" in passed.text
    assert job.reconcile(pipe, extract).code == 0


def test_what_a_crashed_tap_delivered_is_stored(job):
    crowd(job)
    job.pipe(OBSERVE)
    assert job.pipe(TO_PHONEIQ, tap=lost_from(-1)).code == 1
    # The bookmark has moved on, so the next extract begins behind most records.
    passed = job.pipe(TO_PHONEIQ)
    assert passed.summary["read"] < 6
    assert len(passed.records) == 6


def test_a_failed_run_is_recorded_as_failed_with_its_reason(job):
    job.pipe(OBSERVE, tap=lost_from(-1))
    job.pipe(OBSERVE)
    good, bad = job.history()
    assert (good["outcome"], good["error"]) == ("succeeded", None)
    assert bad["outcome"] == "failed"
    assert "the input ended before" in bad["error"]


def test_a_stream_that_the_objects_setting_asks_for_is_missing(job):
    job.pipe(OBSERVE)
    job.salesforce.objects = ["Contact"]
    passed = job.pipe(TO_PHONEIQ)
    assert passed.code == 1
    assert "the extract has no stream 'Lead'" in passed.text


def test_a_record_comes_without_a_field_that_safety_needs(job):
    job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")

    def unselected(messages):
        for message in messages:
            if message["type"] == "RECORD":
                del message["record"]["IsDeleted"]
        return messages

    passed = job.pipe(TO_PHONEIQ, tap=unselected)
    assert passed.code == 1
    assert "without IsDeleted; add Contact.IsDeleted to the tap's select" in passed.text


# Rule 3: observations are committed before their STATE is passed on, ahead of the writes.


def test_the_closing_state_goes_out_ahead_of_the_writes(job):
    crowd(job)
    job.pipe(OBSERVE)
    messages = job.pipe(TO_PHONEIQ).messages
    kinds = [message["type"] for message in messages]
    # The one at the end says that all writes went before it.
    assert kinds == ["STATE", "SCHEMA", *["RECORD"] * 6, "STATE"]
    assert messages[0]["value"]["bookmarks"]["Lead"]["SystemModstamp"]


def test_a_target_that_fails_costs_no_new_extract(job):
    crowd(job)
    job.pipe(OBSERVE)
    job.pipe(TO_PHONEIQ, target=lost_from(1))
    assert job.phoneiq.written == []
    job.settle()
    assert len([one for one in job.phoneiq.written if one.action == "create"]) == 6


@pytest.mark.parametrize("commit", range(1, 12))
def test_no_state_covers_what_a_killed_mapper_had_not_committed(start, commit):
    job = start()
    crowd(job)
    job.pipe(OBSERVE)
    passed = job.pipe(TO_PHONEIQ, kill_at_commit=commit)
    job.settle(runs=4)
    assert len(job.phoneiq.live()) == 9, f"{passed.code} at commit {commit}: {passed.messages}"
    assert len(job.salesforce.live()) == 9


def test_a_state_after_every_record_is_not_passed_on_one_by_one(job):
    for number in range(2_000):
        job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"+1415555{number:04}")
    assert len(job.pipe(TO_PHONEIQ).states) <= 2


def test_states_move_on_while_a_long_extract_runs(job):
    for number in range(10_500):
        job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"+141522{number:05}")
    passed = job.pipe(TO_PHONEIQ, tap=lost_from(-1))
    assert passed.code == 1
    stamps = [state["bookmarks"]["Contact"]["SystemModstamp"] for state in passed.states]
    assert len(stamps) >= 3
    assert stamps == sorted(stamps)


def test_the_next_run_reads_every_stream_after_a_crash_in_a_later_one(job):
    crowd(job)
    passed = job.pipe(TO_PHONEIQ, tap=lost_from(-2))
    assert all("current_stream" not in state for state in passed.states)


def test_the_closing_mark_of_one_extract_is_not_carried_into_the_next(job):
    crowd(job)
    job.pipe(OBSERVE)
    assert "complete" not in job.states[OBSERVE]


# Rule 4: every STATE carries the ledger's id.


@pytest.mark.parametrize("pipe", PIPES)
def test_every_state_carries_the_marker_where_each_tap_keeps_it(job, pipe):
    crowd(job)
    states = job.pipe(pipe).states
    assert states
    for state in states:
        assert state["contact_sync"] == state["bookmarks"]["contact_sync"]
        assert len(state["contact_sync"]["ledger_id"]) == 32


def lose(ledger):
    for file in ledger.parent.glob(f"{ledger.name}*"):
        file.unlink()


def assert_refused(job, pipe, message):
    written = [list(job.salesforce.written), list(job.phoneiq.written)]
    state = json.dumps(job.states[pipe])
    passed = job.pipe(pipe)
    assert passed.code == 1
    assert message in passed.text
    assert "--full-refresh" in passed.text
    assert passed.messages == []
    assert written == [job.salesforce.written, job.phoneiq.written]
    assert json.dumps(job.states[pipe]) == state


@pytest.mark.parametrize("pipe", PIPES)
def test_a_lost_ledger_with_old_bookmarks_stops_the_run(job, pipe):
    crowd(job)
    job.settle()
    job.lose_ledger()
    assert_refused(job, pipe, "belongs to another ledger")


@pytest.mark.parametrize("pipe", PIPES)
def test_a_swapped_ledger_stops_the_run(job, start, pipe):
    crowd(job)
    job.settle()
    other = start()
    other.settle()
    job.ledger_url = other.ledger_url
    assert_refused(job, pipe, "belongs to another ledger")


def copy_of(ledger):
    """The files of an SQLite ledger as they are now."""
    return {file: file.read_bytes() for file in ledger.parent.glob(f"{ledger.name}*")}


def put_back(ledger, copied):
    lose(ledger)
    for file, content in copied.items():
        file.write_bytes(content)


OLDER_COPY = "the ledger was restored from an older copy"


@pytest.mark.sqlite_only
@pytest.mark.parametrize("pipe", PIPES)
def test_an_older_copy_of_the_ledger_stops_every_run(job, pipe):
    crowd(job)
    job.run()
    copied = copy_of(job.ledger)
    job.run()
    job.run()
    put_back(job.ledger, copied)
    for _ in range(8):
        assert_refused(job, pipe, OLDER_COPY)


@pytest.mark.sqlite_only
def test_after_an_older_copy_a_full_refresh_makes_everything_right(job):
    crowd(job)
    record, contact = job.pair_up(MobilePhone="+14155550199")
    copied = copy_of(job.ledger)
    job.salesforce.edit(record, Title="Countess")
    late = job.salesforce.create("Contact", FirstName="Eve", MobilePhone="+14155550188")
    job.settle()
    job.phoneiq.edit(contact, last_name="King")
    job.settle()
    put_back(job.ledger, copied)
    job.phoneiq.edit(contact, email="ada@example.com")
    assert job.run()[-1].code == 1
    people = len(job.salesforce.live()), len(job.phoneiq.live())
    job.states.clear()  # --full-refresh
    job.settle()
    assert job.salesforce.get(record)["Email"] == "ada@example.com"
    assert job.phoneiq.get(contact)["job_title"] == "Countess"
    assert job.salesforce.get(record)["LastName"] == "King"
    assert (len(job.salesforce.live()), len(job.phoneiq.live())) == people
    job.salesforce.edit(late, Title="Engineer")
    job.settle()
    assert job.contact_of(late)["job_title"] == "Engineer"


@pytest.mark.sqlite_only
def test_a_full_refresh_of_one_pipeline_does_not_make_the_others_acceptable(job):
    crowd(job)
    job.run()
    copied = copy_of(job.ledger)
    job.run()
    put_back(job.ledger, copied)
    job.states.pop(OBSERVE)
    assert job.pipe(OBSERVE).code == 0
    for _ in range(3):
        assert_refused(job, TO_PHONEIQ, OLDER_COPY)
        assert_refused(job, TO_SALESFORCE, OLDER_COPY)
    job.states.pop(TO_PHONEIQ)
    assert job.pipe(TO_PHONEIQ).code == 0
    assert_refused(job, TO_SALESFORCE, OLDER_COPY)


@pytest.mark.sqlite_only
@pytest.mark.parametrize("pipe", PIPES)
def test_two_copies_that_both_went_on_are_not_taken_for_each_other(job, pipe):
    crowd(job)
    job.run()
    copied = copy_of(job.ledger)
    job.run()
    one, states = copy_of(job.ledger), json.dumps(job.states)
    put_back(job.ledger, copied)
    job.states.clear()
    job.settle()
    # The runs of both have the same numbers.
    job.states = json.loads(states)
    assert_refused(job, pipe, "or two copies were used")
    put_back(job.ledger, one)
    assert job.pipe(pipe).code == 0


@pytest.mark.sqlite_only
def test_a_copy_that_was_made_while_the_run_had_stored_nothing_yet(job, tmp_path):
    crowd(job)
    with mapper(tmp_path, OBSERVE, job.ledger_url) as process:
        wait_until_running(job.ledger_url, process)
        copied = copy_of(job.ledger)
        extract = b"".join(json.dumps(one).encode() + b"\n" for one in job.extract(OBSERVE))
        out, _ = process.communicate(extract, timeout=60)
    job.states[OBSERVE] = json.loads(out.splitlines()[-1])["value"]
    put_back(job.ledger, copied)
    assert_refused(job, OBSERVE, OLDER_COPY)


def test_older_bookmarks_than_the_ledger_are_read_from_again(job):
    crowd(job)
    job.run()
    states = json.dumps(job.states)
    job.settle()
    everything = job.salesforce.everything(), job.phoneiq.everything()
    job.states = json.loads(states)
    assert not any(one.records for one in job.run())
    assert (job.salesforce.everything(), job.phoneiq.everything()) == everything


@pytest.mark.parametrize("pipe", PIPES)
def test_a_deleted_bookmark_is_a_full_refresh_of_its_pipeline(job, pipe):
    crowd(job)
    job.settle()
    del job.states[pipe]
    assert [one.code for one in job.run()] == [0, 0, 0]


@pytest.mark.sqlite_only
def test_a_shard_writes_nothing_from_an_older_copy_of_the_ledger(job):
    crowd(job)
    job.pipe(OBSERVE)
    job.pipe(OBSERVE_SALESFORCE)
    copied = copy_of(job.ledger)
    job.pipe(OBSERVE)
    job.pipe(OBSERVE_SALESFORCE)
    put_back(job.ledger, copied)
    assert_refused(job, OBSERVE_SALESFORCE, OLDER_COPY)
    shard = job.shard(TO_PHONEIQ, "1/1")
    assert shard.records == []
    assert "salesforce has not been observed completely" in shard.text
    job.states.pop(OBSERVE_SALESFORCE)
    assert job.pipe(OBSERVE_SALESFORCE).code == 0
    assert job.shard(TO_PHONEIQ, "1/1").records


def without_tokens(job):
    """Bookmarks and ledger as an older version left them."""
    for state in job.states.values():
        for marker in (state["contact_sync"], state["bookmarks"]["contact_sync"]):
            marker.pop("token")
            marker.pop("batches")
    with closing(sqlite3.connect(job.ledger, isolation_level=None)) as connection:
        connection.execute("UPDATE runs SET token = NULL, batches = 0")


@pytest.mark.sqlite_only
def test_bookmarks_of_an_older_version_are_accepted(job):
    crowd(job)
    job.settle()
    without_tokens(job)
    assert [one.code for one in job.run()] == [0, 0, 0]
    assert job.states[OBSERVE]["contact_sync"]["token"]


@pytest.mark.sqlite_only
def test_bookmarks_of_an_older_version_and_an_older_copy_of_the_ledger(job):
    crowd(job)
    job.run()
    copied = copy_of(job.ledger)
    job.run()
    put_back(job.ledger, copied)
    without_tokens(job)
    for _ in range(8):
        assert_refused(job, OBSERVE, OLDER_COPY)


@pytest.mark.parametrize(
    "change",
    [{"run": 2**70}, {"run": "1"}, {"run": None}, {"token": ["x"]}, {"batches": "x"}, {"run": -1}],
)
def test_a_damaged_marker_stops_the_run(job, change):
    crowd(job)
    job.run()
    job.states[OBSERVE]["contact_sync"] |= change
    job.states[OBSERVE]["bookmarks"]["contact_sync"] |= change
    assert_refused(job, OBSERVE, OLDER_COPY)


@pytest.mark.parametrize("pipe", PIPES)
def test_a_bookmark_without_a_marker_stops_the_run(job, pipe):
    crowd(job)
    job.settle()
    job.states[pipe].pop("contact_sync")
    job.states[pipe]["bookmarks"].pop("contact_sync")
    assert_refused(job, pipe, "was not written through this ledger")


def test_after_a_lost_ledger_a_full_refresh_finds_every_pair_again(job):
    crowd(job)
    job.settle()
    before = job.salesforce.everything(), job.phoneiq.everything()
    job.lose_ledger()
    job.states.clear()
    job.settle()
    assert (job.salesforce.everything(), job.phoneiq.everything()) == before


# Rule 5: one run at a time per ledger.


def test_a_second_run_on_the_ledger_fails_at_once_and_says_who_holds_it(job):
    job.pipe(OBSERVE)
    ledger = Ledger(job.ledger_url)
    with ledger.alone("someone else, process 7 on elsewhere"):
        passed = job.pipe(TO_PHONEIQ)
    ledger.close()
    assert passed.code == 1
    assert passed.messages == []
    assert "someone else, process 7 on elsewhere" in passed.text
    assert job.pipe(TO_PHONEIQ).code == 0


def test_two_runs_at_once_in_two_processes(job, tmp_path):
    with mapper(tmp_path, OBSERVE, job.ledger_url) as first:
        wait_until_running(job.ledger_url, first)
        with mapper(tmp_path, OBSERVE, job.ledger_url) as second:
            out, log = second.communicate(b"", timeout=60)
        assert second.returncode == 1
        assert out == b""
        assert b"another run works on this ledger: observe-phoneiq, process" in log
        assert str(first.pid).encode() in log
        assert b"Traceback" not in log
        extract = [json.dumps(message).encode() for message in job.phoneiq.extract({})]
        _, log = first.communicate(b"\n".join(extract), timeout=60)
        assert first.returncode == 0, log


def test_several_that_make_the_ledger_at_once_make_one(start):
    for _ in range(5):
        url, ready = start().ledger_url, threading.Barrier(4)

        def opened(_, url=url, ready=ready):
            ready.wait()
            with closing(Ledger(url)) as ledger:
                return ledger.id

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(opened, range(4)))) == 1


@pytest.mark.sqlite_only
def test_a_ledger_file_that_another_process_is_making(start):
    for _ in range(20):  # It fails in most rounds where nobody waits, not in each.
        job = start()
        with closing(sqlite3.connect(job.ledger, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(1) as pool:
                asked = pool.submit(job.history)
                while not asked.done() and descriptors(job.ledger) < 2:
                    pass
                other.rollback()
                assert asked.result() == []


def descriptors(path):
    """How often this process has a file open."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # Closed since.
            count += link.readlink() == path
    return count


def test_a_lease_whose_holder_died_is_taken_over(job, tmp_path):
    with mapper(tmp_path, OBSERVE, job.ledger_url) as first:
        wait_until_running(job.ledger_url, first)
        assert job.pipe(OBSERVE).code == 1
        first.kill()
        first.wait()
        assert job.pipe(OBSERVE).code == 0
    assert [run["outcome"] for run in job.history()] == ["succeeded", "failed"]


# Rule 6: the same ledger and the same settings give the same plan.


def test_the_same_ledger_and_settings_give_the_same_plan_in_the_same_order(start):
    plans = []
    for _ in range(2):
        job = start()
        crowd(job)
        job.pipe(OBSERVE)
        plans.append([job.pipe(pipe).records for pipe in (TO_PHONEIQ, TO_SALESFORCE, TO_PHONEIQ)])
    assert plans[0] == plans[1]
    assert plans[0][0]


def test_a_run_that_is_repeated_writes_nothing(job):
    crowd(job)
    job.settle()
    before = job.salesforce.everything(), job.phoneiq.everything()
    job.forget_written()
    job.run()
    job.states.clear()  # --full-refresh
    job.run()
    assert job.salesforce.written == job.phoneiq.written == []
    assert (job.salesforce.everything(), job.phoneiq.everything()) == before


# The ledger's file and the mapper's input.


@pytest.mark.sqlite_only
def test_the_ledger_is_readable_by_its_owner_only(job):
    crowd(job)
    job.run()
    for file in job.ledger.parent.glob("ledger.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'{"type": "NOISE"}',
        b'{"type": 1}',
        b"Ada",
        b'{"type": "RECORD", "stream": "contacts", "record": ["Ada"]}',
        b'{"type": "RECORD", "stream": "contacts"}',
    ],
)
def test_input_that_is_no_singer_message_is_one_error_without_its_text(tmp_path, line):
    with mapper(tmp_path, OBSERVE, f"sqlite:///{tmp_path / 'ledger.db'}") as process:
        out, log = process.communicate(line + b"\n", timeout=60)
    assert process.returncode == 1
    assert out == b""
    assert b"Traceback" not in log
    assert b"ERROR" in log
    assert b"Ada" not in log


#: A STATE that no empty ledger goes with.
FOREIGN = b'{"type": "STATE", "value": {"bookmarks": {"contacts": {"updated_at": "2024"}}}}\n'


def test_what_comes_before_a_bad_line_is_heeded_before_it(tmp_path):
    with mapper(tmp_path, OBSERVE, f"sqlite:///{tmp_path / 'ledger.db'}") as process:
        _, log = process.communicate(FOREIGN + b"Ada\n", timeout=60)
    assert b"bookmark that was not written through this ledger" in log
    assert b"Singer message" not in log


@pytest.mark.parametrize("begun", [b"", b'{"type": "RECORD", "stream": "contacts", "rec'])
def test_a_message_is_heeded_before_the_next_one_has_arrived(tmp_path, begun):
    with mapper(tmp_path, OBSERVE, f"sqlite:///{tmp_path / 'ledger.db'}") as process:
        process.stdin.write(FOREIGN + begun)
        process.stdin.flush()
        assert any(b"was not written through this ledger" in line for line in process.stderr)


def test_a_message_may_arrive_in_many_pieces_and_end_without_a_line_end(tmp_path):
    with mapper(tmp_path, OBSERVE, f"sqlite:///{tmp_path / 'ledger.db'}") as process:
        for byte in FOREIGN.rstrip():
            process.stdin.write(bytes([byte]))
            process.stdin.flush()
        _, log = process.communicate(timeout=60)
    assert b"was not written through this ledger" in log


def extract_of_many(job, tmp_path):
    """A file of more records than a pipe holds, for an empty PhoneIQ that was observed."""
    for number in range(3_000):
        job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"+1415555{number:04}")
    job.pipe(OBSERVE)
    source = tmp_path / "extract.jsonl"
    with source.open("w") as file:
        for message in job.salesforce.extract({}):
            file.write(json.dumps(message) + "\n")
    return source


def test_a_target_that_stops_reading_ends_the_run_without_a_traceback(job, tmp_path):
    source = extract_of_many(job, tmp_path)
    with mapper(tmp_path, TO_PHONEIQ, job.ledger_url, "--input", source) as process:
        process.stdout.close()
        log = process.stderr.read()
        assert process.wait(timeout=60) == 1
    assert b"the target has stopped reading" in log
    assert b"Traceback" not in log
    job.settle()
    assert len(job.phoneiq.live()) == 3_000


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_ends_the_sending_after_a_whole_message(job, tmp_path, monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    # Something is being written until somebody reads it.
    source = extract_of_many(job, tmp_path)
    with mapper(tmp_path, TO_PHONEIQ, job.ledger_url, "--input", source) as process:
        while waiting(process.stdout) < 60_000:
            assert process.poll() is None
        process.terminate()
        rest = process.stdout.readlines()
        assert process.wait() == 128 + signal.SIGTERM
        log = process.stderr.read()
    assert all(json.loads(line)["type"] in {"STATE", "SCHEMA", "RECORD"} for line in rest)
    assert b"Traceback" not in log
    assert "signal" in str(job.history()[0])
    job.settle()
    assert len(job.phoneiq.live()) == 3_000


def test_a_signal_ends_the_wait_for_messages(job, tmp_path):
    with mapper(tmp_path, OBSERVE, job.ledger_url) as process:
        wait_until_running(job.ledger_url, process)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 128 + signal.SIGINT
        assert process.stdout.read() == b""
        assert b"Traceback" not in process.stderr.read()
    assert "signal" in str(job.history()[0])


def waiting(pipe):
    """Bytes in a pipe that nobody has read; Linux holds 65,536."""
    count = array.array("i", [0])
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return count[0]


@contextlib.contextmanager
def mapper(tmp_path, pipe, ledger_url, *arguments):
    """The mapper as a process of its own."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"mode": pipe, "ledger_url": ledger_url}))
    command = [Path(sys.executable).with_name("reconciler"), "--config", config, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_until_running(ledger_url, process):
    while process.poll() is None:
        if any(run["outcome"] == "running" for run in history(ledger_url)):
            return
    raise AssertionError(process.stderr.read())
