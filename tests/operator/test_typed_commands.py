"""Commands in messages are those that the reader can type."""

from __future__ import annotations

import pytest
from reconciler.commands import command, job
from reconciler.lifecycle import remedy_of

MELTANO = {"MELTANO_USER_AGENT": "Meltano/4.4", "MELTANO_ENVIRONMENT": "prod"}


@pytest.fixture
def through_meltano(monkeypatch):
    for name, value in MELTANO.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def on_its_own(monkeypatch):
    for name in MELTANO:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("through_meltano")
def test_started_by_meltano_in_an_environment():
    assert command("resume") == "meltano --environment prod invoke reconciler:resume"
    assert job("--full-refresh") == "meltano --environment prod run --full-refresh contact-sync"
    assert "meltano --environment prod invoke reconciler:resync 003A" in remedy_of(
        "released", "003A"
    )


def test_started_by_meltano_without_an_environment(monkeypatch):
    monkeypatch.setenv("MELTANO_USER_AGENT", "Meltano/4.4")
    monkeypatch.setenv("MELTANO_ENVIRONMENT", "")
    assert command("explain ID") == "meltano invoke reconciler:explain ID"
    assert job() == "meltano run contact-sync"


@pytest.mark.usefixtures("on_its_own")
def test_contact_sync_itself():
    assert command("explain ID") == "contact-sync explain ID"
    assert job() == "meltano run contact-sync"


def test_an_operator_who_pauses_through_meltano(seat):
    seat.job.pair_up()
    assert (
        "meltano --environment prod invoke reconciler:resume" in seat.done("pause", **MELTANO).words
    )
    state = seat.ask("status", **MELTANO)
    assert "meltano --environment prod invoke reconciler:resume" in state.words
    assert "contact-sync resume" in seat.done("pause").words
    assert "meltano --environment prod run contact-sync" in seat.done("resume", **MELTANO).words


def test_help_through_meltano(seat):
    text = seat.done("history", "--help", **MELTANO).words
    assert "Example: meltano --environment prod invoke reconciler:history --limit 3" in text
    assert "Example: contact-sync history --limit 3" in seat.done("history", "--help").words
