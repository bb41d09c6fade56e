"""The state of a sync, its colour, its exit code, and the next command."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.operator.conftest import on_terminal
from tests.reconciler.job import OBSERVE, TO_PHONEIQ, TO_SALESFORCE, lost_from

GREEN, ORANGE, GREY, RED = 0, 3, 4, 5


def state(seat):
    answer, found = seat.ask("status"), seat.json("status")
    assert found["state"] in answer.text
    assert found["next"] is None or found["next"] in answer.words
    return answer.code, found["state"], found["colour"]


@pytest.mark.sqlite_only
def test_no_ledger_yet(seat):
    answer = seat.refused("status")
    assert "there is no ledger" in answer.text
    assert "meltano run contact-sync" in answer.words
    assert not seat.job.ledger.exists()


def test_orange_until_both_sides_are_read(seat):
    seat.job.pipe(OBSERVE)
    assert state(seat) == (ORANGE, "initial", "orange")
    assert "salesforce not read completely yet" in seat.ask("status").words


@pytest.mark.both_ledgers
def test_orange_until_the_first_writes_are_confirmed(seat):
    seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone="+14155550132")
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    assert state(seat) == (ORANGE, "initial", "orange")
    assert seat.json("status")["open_writes"] == 1


@pytest.mark.both_ledgers
def test_green_once_they_are(seat):
    seat.job.pair_up()
    assert state(seat) == (GREEN, "active", "green")
    found = seat.json("status")
    assert found["pairs"] == {"Contact": 1}
    assert found["next"] is None
    assert found["open_writes"] == 0
    assert set(found["read_at"]) == {"salesforce", "phoneiq"}


def test_green_for_two_empty_sides(seat):
    seat.job.run()
    assert state(seat) == (GREEN, "active", "green")


def test_grey_while_paused_and_green_after(seat):
    seat.job.pair_up()
    seat.done("pause")
    assert state(seat) == (GREY, "paused", "grey")
    assert seat.json("status")["next"] == "contact-sync resume"
    seat.done("resume")
    assert state(seat) == (GREEN, "active", "green")


def test_grey_once_deleted(seat):
    seat.job.pair_up()
    seat.done("delete", "--yes")
    assert state(seat) == (GREY, "deleted", "grey")


def test_red_after_a_failed_run_and_green_after_the_next(seat):
    seat.job.pair_up()
    seat.job.pipe(OBSERVE, tap=lost_from(-1))
    assert state(seat) == (RED, "error", "red")
    found = seat.json("status")
    assert "the input ended" in found["why"]
    assert found["next"] == "meltano run contact-sync"
    seat.job.run()
    assert state(seat) == (GREEN, "active", "green")


def test_red_names_the_full_refresh_that_helps(seat):
    seat.job.pair_up()
    seat.job.states[OBSERVE]["bookmarks"]["contact_sync"]["ledger_id"] = "another"
    assert seat.job.pipe(OBSERVE).code == 1
    assert state(seat) == (RED, "error", "red")
    assert seat.json("status")["next"] == "meltano run --full-refresh contact-sync"


@pytest.mark.both_ledgers
def test_red_when_a_run_was_killed(seat):
    seat.job.pair_up()
    seat.job.salesforce.create("Contact", FirstName="Bo", MobilePhone="+14155550199")
    assert seat.job.pipe(TO_PHONEIQ, kill_at_commit=6).code == 137
    assert state(seat) == (RED, "error", "red")
    assert "killed" in seat.json("status")["why"]


def test_red_when_writes_are_not_accepted_and_green_once_they_are(seat):
    record, _ = seat.job.pair_up()
    seat.job.salesforce.edit(record, Title="Countess")

    def refusing(messages):
        return [message for message in messages if message["type"] != "RECORD"]

    for _ in range(4):
        assert [one.code for one in (seat.job.pipe(OBSERVE), seat.job.pipe(TO_PHONEIQ,
                target=refusing), seat.job.pipe(TO_SALESFORCE))] == [0, 0, 0]  # fmt: skip
    assert state(seat) == (RED, "error", "red")
    assert seat.json("status")["next"] == "contact-sync skips --reason not_accepted"
    seat.job.salesforce.edit(record, Title="Analyst")
    seat.job.settle()
    assert state(seat) == (GREEN, "active", "green")


def test_skips_and_conflicts_are_counted(seat):
    record, contact = seat.job.pair_up()
    seat.job.salesforce.create("Contact", FirstName="Zed")
    seat.job.salesforce.edit(record, Title="One")
    seat.job.phoneiq.edit(contact, job_title="Two")
    seat.job.settle()
    found = seat.json("status")
    assert found["skips"]["salesforce"] == {"no_valid_phone": 1}
    assert found["conflicts"] == 1
    words = seat.ask("status").words
    assert "1 no_valid_phone" in words
    assert "1 in the last" in words


@pytest.mark.parametrize("width", [80, 200])
def test_fits_its_terminal(seat, width):
    seat.job.pair_up()
    for line in seat.ask("status", width=width).text.splitlines():
        assert len(line.rstrip()) <= width
        assert "…" not in line


def test_a_summary_says_how_far_the_first_pass_is(seat):
    for number in range(3):
        seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"+1415555013{number}")
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ, target=lost_from(3))
    seat.job.pipe(TO_SALESFORCE)
    assert "sent 3 writes; 2 writes wait to be seen by the next read" in seat.ask("status").words


COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")


@pytest.mark.parametrize("width", [80, 200])
def test_on_a_terminal_in_colour_and_without(seat, width):
    seat.job.pair_up()
    program = Path(sys.executable).parent / "contact-sync"
    command = [program, "--ledger-url", seat.job.ledger_url, "status"]
    coloured = on_terminal(command, width=width)
    plain = on_terminal(command, width=width, NO_COLOR="1")
    assert COLOUR.search(coloured)
    assert not COLOUR.search(plain)
    for text in (coloured, plain):
        lines = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
        assert lines[0].strip() == "● active"
        assert max(len(line) for line in lines) <= width


def test_plan_and_status_agree_on_writes_that_wait_for_the_next_read(seat):
    for digit in range(3):
        seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"+1415555013{digit}")
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    words = "3 writes wait to be seen by the next read"
    assert words in seat.ask("status").words
    assert f"nothing new to write; {words}: meltano run contact-sync" in seat.done("plan").words
    assert seat.json("status")["next"] == "meltano run contact-sync"
    assert seat.json("plan")["open_writes"] == 3
    seat.job.settle()
    assert "in sync since" in seat.ask("status").words
    assert "in sync: the next run has nothing to write" in seat.done("plan").words
