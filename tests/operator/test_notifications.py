"""A webhook hears of changes of colour, and of nothing else."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.reconciler.job import OBSERVE, lost_from


class Hook:
    """A web server that keeps what it is sent."""

    def __init__(self) -> None:
        self.heard: list[dict] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.status == 200:
                    hook.heard.append(json.loads(body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *args) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/secret-token"


@pytest.fixture
def hook():
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def watched(start, hook):
    return start(notify_url=hook.url)


def test_each_change_of_colour_once(watched, hook):
    job = watched.job
    record, _ = job.pair_up()
    assert [one["colour"] for one in hook.heard] == ["green"]
    job.settle()
    assert len(hook.heard) == 1
    job.pipe(OBSERVE, tap=lost_from(-1))
    job.pipe(OBSERVE, tap=lost_from(-1))
    job.settle()
    watched.done("pause")
    job.salesforce.edit(record, Title="Countess")
    job.run()
    assert [one["colour"] for one in hook.heard] == ["green", "red", "green", "grey"]
    red = hook.heard[1]
    assert red["state"] == "error"
    assert "the input ended" in red["why"]
    assert red["text"].startswith("Contact Sync is red: error, ")
    assert "Next: meltano run contact-sync" in red["text"]
    assert isinstance(red["run"], int)
    assert not any(word in json.dumps(hook.heard) for word in ("Ada", "Lovelace", "415555"))


def test_a_hook_that_fails_never_fails_a_run_and_is_tried_again(watched, hook):
    hook.status = 500
    watched.job.pair_up()
    passed = watched.job.pipe(OBSERVE)
    assert passed.code == 0
    assert "was not delivered (status 500)" in passed.text
    assert "secret-token" not in passed.text
    hook.status = 200
    watched.job.settle()
    assert [one["colour"] for one in hook.heard] == ["green"]


def test_nobody_at_the_other_end(start):
    seat = start(notify_url="http://127.0.0.1:9/secret-token")
    seat.job.pair_up()
    passed = seat.job.pipe(OBSERVE)
    assert passed.code == 0
    assert "was not delivered (ConnectionError)" in passed.text
    assert "secret-token" not in passed.text


def test_what_is_no_url_is_refused_without_repeating_it(start):
    seat = start(notify_url="secret-token")
    passed = seat.job.pipe(OBSERVE)
    assert passed.code == 1
    assert "setting 'notify_url' is not a URL" in passed.text
    assert "secret-token" not in passed.text


def test_another_hook_plans_nothing_again(seat, hook):
    seat.job.pair_up()
    seat.job.settings["notify_url"] = hook.url
    assert "the settings have changed" not in seat.job.pipe(OBSERVE).text
