"""How far a run is: in its log, and in another terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from reconciler.ledger import plans

from reconciler import output, progress, run
from tests.operator.conftest import on_terminal
from tests.reconciler.job import OBSERVE, TO_PHONEIQ


@pytest.fixture
def told(seat, monkeypatch):
    """A job of ten records whose run tells of each step."""
    monkeypatch.setattr(progress, "_PACE", 0)
    monkeypatch.setattr(run, "_BATCH", 4)
    monkeypatch.setattr(plans, "CHUNK", 3)
    for number in range(10):
        seat.job.salesforce.create("Contact", FirstName="P", MobilePhone=f"+1415555010{number}")
    seat.job.pipe(OBSERVE)
    return seat


def test_counted_lines_in_the_log(told):
    text = told.job.pipe(TO_PHONEIQ).text
    for part in ("4 records stored", "8 records stored", "10 records stored"):
        assert f"salesforce-to-phoneiq: {part}" in text
    assert "salesforce-to-phoneiq: 3 of 10 decided and sent, about 0 s left" in text
    assert "salesforce-to-phoneiq: 10 of 10 decided and sent" in text


def test_status_while_a_run_works(told, monkeypatch):
    encoded, seen = output._record, []

    def looking(one):
        seen.append((told.json("status"), told.ask("status").words))
        return encoded(one)

    monkeypatch.setattr(output, "_record", looking)
    told.job.pipe(TO_PHONEIQ)
    found, words = seen[5]
    assert found["running"].startswith("salesforce-to-phoneiq, process ")
    assert found["progress"] == {
        "phase": "decided and sent", "done": 3, "of": 10, "seconds_left": 0,
    }  # fmt: skip
    assert "3 of 10 decided and sent, about 0 s left" in words
    assert told.json("status")["running"] is None
    assert told.json("status")["progress"] is None


def test_a_bar_on_a_terminal(seat, tmp_path):
    """The bar is on standard error, and the log has no counted lines then."""
    for number in range(3):
        seat.job.salesforce.create("Contact", FirstName="P", MobilePhone=f"+1415555010{number}")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"mode": TO_PHONEIQ, "ledger_url": seat.job.ledger_url}))
    lines = b"".join(json.dumps(one).encode() + b"\n" for one in seat.job.salesforce.extract({}))
    shown = on_terminal(
        [Path(sys.executable).parent / "reconciler", "--config", config], given=lines
    )
    assert "records stored" in shown
    assert "3/?" in shown
