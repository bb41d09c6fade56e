"""The command: starting, stopping, starting again."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys

import pytest
import requests
from sandbox.client import Sandbox, SandboxError


def serve(folder, *more, port="0"):
    return subprocess.run(
        [
            *(sys.executable, "-m", "sandbox.cli", "serve", "--folder", str(folder)),
            *("--phoneiq-port", port, "--salesforce-port", "0", "--proxy-port", "0", *more),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_ready_file_says_where_it_is_and_goes_when_it_stops(tmp_path):
    with Sandbox.start(tmp_path) as box:
        ready = json.loads((tmp_path / "ready.json").read_text())
        assert ready.keys() == {"phoneiq_url", "salesforce_url", "proxy_url", "ca_bundle", "pid"}
        assert all(
            ready[key].startswith("http://127.0.0.1:")
            for key in ("phoneiq_url", "salesforce_url", "proxy_url")
        )
        assert requests.get(f"{box.phoneiq_url}/_sandbox/", timeout=10).ok
        assert requests.get(f"{box.salesforce_url}/_sandbox/", timeout=10).ok
    assert not (tmp_path / "ready.json").exists()
    assert "Traceback" not in (tmp_path / "sandbox.log").read_text()


def test_banner_names_urls_and_credentials(tmp_path):
    with Sandbox.start(tmp_path, contacts=10) as box:
        banner = (tmp_path / "sandbox.log").read_text()
        for text in (
            *(box.phoneiq_url, box.salesforce_url, box.proxy_url, str(box.ca_bundle)),
            *("sandbox-phoneiq-key", "sandbox-client-id", "sandbox-client-secret"),
            *("sandbox-refresh-token", "admin@sandbox.example", "sandbox-password"),
            *("sandbox-security-token", "(10 contacts)"),
        ):
            assert text in banner


def test_data_outlives_a_restart(tmp_path):
    with Sandbox.start(tmp_path, contacts=20, seed=3) as box:
        kept = box.admin.phoneiq.create(first_name="Ada", salesforce_id="003Sb0000000001IAA")
        record = box.admin.salesforce.create("Lead", LastName="Byron", Company="A")
        assert "made anew" in (tmp_path / "sandbox.log").read_text()
    with Sandbox.start(tmp_path, contacts=5, seed=4) as box:
        assert "kept from before" in (tmp_path / "sandbox.log").read_text()
        assert box.admin.phoneiq.get(kept["id"]) == kept
        assert box.admin.salesforce.get("Lead", record["Id"]) == record
        assert len(box.admin.phoneiq.list()) == 21
        later = box.admin.phoneiq.create()
        assert later["updated_at"] > kept["updated_at"]
        assert later["id"] != kept["id"]


def test_answers_to_repeats_outlive_a_restart(tmp_path):
    answers = []
    for _ in range(2):
        with Sandbox.start(tmp_path) as box:
            headers = {"Authorization": f"Bearer {box.phoneiq_key}", "Idempotency-Key": "k"}
            url = f"{box.phoneiq_url}/v1/contacts"
            answers.append(requests.post(url, json={}, headers=headers, timeout=10).json())
    assert answers[0] == answers[1]


def test_data_outlives_a_kill(tmp_path):
    with Sandbox.start(tmp_path) as box:
        kept = box.admin.phoneiq.create(first_name="Ada")
        ready = json.loads((tmp_path / "ready.json").read_text())
        os.kill(ready["pid"], signal.SIGKILL)
    with Sandbox.start(tmp_path) as box:
        assert box.admin.phoneiq.list() == [kept]


def test_data_that_was_never_finished_is_made_anew(tmp_path):
    with Sandbox.start(tmp_path, contacts=20):
        pass
    (tmp_path / "data.json").unlink()
    with Sandbox.start(tmp_path, contacts=30) as box:
        assert len(box.admin.phoneiq.list()) == 30


def test_data_is_for_its_owner_only(tmp_path):
    with Sandbox.start(tmp_path / "box"):
        modes = {
            path.name: stat.S_IMODE(path.stat().st_mode)
            for path in (tmp_path / "box").iterdir()
            if path.name != "sandbox.log"
        }
    assert {"phoneiq.db", "salesforce.db", "ca.pem", "ready.json"} <= modes.keys()
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_it_cleanly_with_clients_connected(tmp_path, number):
    box = Sandbox.start(tmp_path)
    with requests.Session() as session:
        session.get(f"{box.phoneiq_url}/_sandbox/", timeout=10)
        pid = json.loads((tmp_path / "ready.json").read_text())["pid"]
        os.kill(pid, number)
        box.stop()
    assert not (tmp_path / "ready.json").exists()
    assert "Traceback" not in (tmp_path / "sandbox.log").read_text()


def test_taken_port(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = serve(tmp_path, port=port)
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert "--phoneiq-port" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "ready.json").exists()


@pytest.mark.parametrize("number", ["-1", "1000001", "many"])
def test_number_of_contacts_that_is_none(tmp_path, number):
    ended = serve(tmp_path, "--contacts", number)
    assert ended.returncode == 2
    assert "--contacts" in ended.stderr


def test_folder_with_something_else_in_it(tmp_path):
    (tmp_path / "phoneiq.db").write_text("no database, and long enough to be read as one" * 100)
    with pytest.raises(SandboxError) as caught:
        Sandbox.start(tmp_path)
    assert f"Error: --folder {tmp_path}: a database in it cannot be used" in str(caught.value)
    assert "Traceback" not in str(caught.value)


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    ended = serve(tmp_path / "file" / "folder")
    assert ended.returncode == 1
    assert "--folder" in ended.stderr
    assert "Traceback" not in ended.stderr
