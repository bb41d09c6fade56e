"""How the tap ends when it is asked to."""

from __future__ import annotations

import json
import signal
import subprocess

import pytest


@pytest.fixture
def started(command):
    """Starts the tap, whose output nobody reads yet."""
    running = []

    def start(**changed):
        process = subprocess.Popen(
            command(**changed), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def create(box, number, notes=""):
    for n in range(number):
        box.admin.phoneiq.create(first_name=str(n), notes=notes)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_leaves_whole_messages_and_claims_nothing_more(
    box, started, monkeypatch, number, unbuffered
):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    # One page is more than a pipe holds: it is being written until somebody reads all of it.
    create(box, 60, "x" * 4_000)
    process = started()
    lines = [process.stdout.readline()]
    while '"stream":"contacts","record"' not in lines[-1]:
        lines.append(process.stdout.readline())
    process.send_signal(number)
    lines += process.stdout.readlines()
    assert process.wait() == 128 + number
    log = process.stderr.read()
    messages = [json.loads(line) for line in lines]
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    assert all(
        "complete" not in state and "contacts" not in state.get("bookmarks", {}) for state in states
    )
    assert "Traceback" not in log


def test_a_signal_ends_the_wait_for_phoneiq(box, started):
    box.admin.fault(side="phoneiq", kind="status", status=503, retry_after=60)
    process = started()
    while not box.admin.requests(side="phoneiq"):
        assert process.poll() is None
    process.terminate()
    out, log = process.communicate()
    assert (process.returncode, out) == (143, "")
    assert "Traceback" not in log


def test_a_signal_that_comes_when_nobody_reads_any_more(box, started, monkeypatch):
    monkeypatch.setenv("PYTHONUNBUFFERED", "")
    create(box, 3)
    box.admin.fault(side="phoneiq", kind="status", status=503, after=3, retry_after=60)
    process = started(page_size=1)
    while len(box.admin.requests(side="phoneiq")) < 4:
        assert process.poll() is None
    # What was sent is there; what is left in the tap finds nobody.
    process.stdout.close()
    process.terminate()
    assert process.wait() == 143
    assert "BrokenPipe" not in process.stderr.read()
