"""skips, conflicts, pairs, rejects, history, plan: for people, programs and spreadsheets."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.reconciler.job import OBSERVE, PIPES, TO_PHONEIQ, lost_from


def from_csv(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.fixture
def busy(seat):
    """One conflict, one record without a number, one with a taken number."""
    record, contact = seat.job.pair_up()
    seat.silent = seat.job.salesforce.create("Contact", FirstName="Zed")
    seat.twin = seat.job.salesforce.create("Lead", FirstName="Eve", MobilePhone="+14155550132")
    seat.job.salesforce.edit(record, Title="One")
    seat.job.phoneiq.edit(contact, job_title="Two")
    seat.job.settle()
    seat.pair = record, contact
    return seat


def test_skips(busy):
    found = {row["id"]: row for row in busy.json("skips")}
    assert found[busy.silent]["reason"] == "no_valid_phone"
    assert found[busy.twin]["reason"] == "duplicate_phone"
    assert found[busy.twin]["holder"] == busy.pair[0]
    assert [row["id"] for row in busy.json("skips", "--reason", "no_valid_phone")] == [busy.silent]
    assert busy.json("skips", "--side", "phoneiq") == []
    assert {row["id"] for row in from_csv(busy.done("skips", "--csv"))} == set(found)
    words = busy.done("skips").words
    assert "give it a valid phone number" in words
    assert busy.silent in words


def test_a_list_that_is_cut_says_so(busy):
    assert "skips --limit" in busy.done("skips", "--limit", "1").words


def test_conflicts(busy):
    (found,) = busy.json("conflicts")
    assert found["resolution"] == "keep_salesforce"
    assert (found["salesforce"], found["phoneiq"]) == ("One", "Two")
    assert (found["salesforce_id"], found["phoneiq_id"]) == busy.pair
    assert busy.json("conflicts", "--resolution", "keep_phoneiq") == []
    assert from_csv(busy.done("conflicts", "--csv"))[0]["salesforce"] == "One"
    assert "keep_salesforce" in busy.done("conflicts").words


def test_pairs(busy):
    (found,) = busy.json("pairs")
    assert (found["salesforce_id"], found["phoneiq_id"]) == busy.pair
    assert found["object"] == "Contact"
    assert [row["phoneiq_id"] for row in from_csv(busy.done("pairs", "--csv"))] == [busy.pair[1]]
    assert busy.pair[0] in busy.done("pairs").words
    assert busy.json("pairs", "--name-mismatch") == []
    assert busy.done("pairs", "--name-mismatch").words == "none"


def test_a_pair_that_joins_two_names_is_listed_before_anything_is_written(seat):
    number = "+14155550188"
    record = seat.job.salesforce.create(
        "Contact", FirstName="Ada", LastName="One", MobilePhone=number
    )
    contact = seat.job.phoneiq.create(first_name="Bob", last_name="Two", mobile_phone=number)
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    (found,) = seat.json("pairs", "--name-mismatch")
    assert (found["salesforce_id"], found["phoneiq_id"]) == (record, contact)
    assert (found["found_by"], found["salesforce_name"], found["phoneiq_name"]) == (
        "phone",
        "Ada One",
        "Bob Two",
    )
    assert "Ada One" in seat.done("pairs", "--name-mismatch").words
    assert "Ada One" not in seat.done("pairs").words


def test_values_that_cannot_travel_are_shown_as_they_were_typed(seat):
    record, contact = seat.job.pair_up(Phone="+14155550143")
    seat.job.settings["on_conflict"] = "keep_phoneiq"
    seat.job.salesforce.edit(record, Phone="call me", Title="!urgent")
    seat.job.phoneiq.edit(contact, work_phone="+14155550144")
    seat.job.pipe(OBSERVE)
    seat.job.pipe(TO_PHONEIQ)
    (planned,) = (one for one in seat.json("plan")["writes"] if one["side"] == "salesforce")
    assert planned["changes"]["Phone"]["old"] == "call me"
    seat.job.settle()
    (found,) = seat.json("conflicts")
    assert found["salesforce"] == "call me"
    (told,) = seat.json("explain", record)
    by_field = {row["field"]: row for row in told["fields"]}
    assert by_field["Title>job_title"]["salesforce"] == "!urgent"
    assert by_field["Title>job_title"]["last"]["new"] == "!urgent"
    assert by_field["Phone>work_phone"]["last"]["old"] == "call me"


def test_history(busy):
    runs = busy.json("history")
    assert [run["run"] for run in runs] == sorted((run["run"] for run in runs), reverse=True)
    assert {run["pipe"] for run in runs} == set(PIPES)
    assert len(busy.json("history", "--limit", "2")) == 2
    assert from_csv(busy.done("history", "--csv"))[0]["outcome"] == "succeeded"
    busy.job.pipe(OBSERVE, tap=lost_from(-1))
    words = busy.done("history").words
    assert "failed: the input ended" in words


def test_rejects(seat, tmp_path):
    seat.job.run()
    path = tmp_path / "rejects-target-phoneiq.jsonl"
    entry = {
        "time": "2026-01-01T00:00:00Z",
        "target": "target-phoneiq",
        "stream": "contacts",
        "action": "create",
        "id": None,
        "external_id": "003gn0000000001AAA",
        "error": {"code": "invalid_field", "message": "email is not one", "fields": ["email"]},
        "record": {"email": "x"},
    }
    path.write_text(json.dumps(entry) + "\n")
    (found,) = seat.json("rejects", str(path))
    assert (found["id"], found["code"], found["fields"]) == (
        "003gn0000000001AAA", "invalid_field", "email",
    )  # fmt: skip
    assert "contact-sync explain" in seat.done("rejects", str(path)).words
    path.write_text("nonsense\n")
    assert "line 1 of" in seat.refused("rejects", str(path)).words
    assert "cannot be read" in seat.refused("rejects", str(tmp_path / "none")).words


def _rejected(message: str) -> str:
    return json.dumps(
        {
            "time": "2026-01-01T00:00:00Z",
            "target": "target-salesforce",
            "stream": "Contact",
            "action": "update",
            "id": "003gn0000000001AAA",
            "external_id": None,
            "error": {"code": "STRING_TOO_LONG", "message": message, "fields": ("Street",)},
            "record": {"Street": message},
        },
        ensure_ascii=False,
    )


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_a_refused_value_has_a_character_that_ends_lines_elsewhere(seat, tmp_path, mark):
    path = tmp_path / "rejects-target-salesforce.jsonl"
    line = _rejected("first@second").replace("@", mark if mark > "\x7f" else f"\\u{ord(mark):04x}")
    path.write_text(line + "\n" + _rejected("other") + "\n", encoding="utf-8")
    assert {row["message"] for row in seat.json("rejects", str(path))} == {
        f"first{mark}second", "other",
    }  # fmt: skip


def test_a_reject_file_whose_last_line_was_cut(seat, tmp_path):
    path = tmp_path / "rejects-target-salesforce.jsonl"
    path.write_text(_rejected("one") + "\n" + _rejected("two")[:50])
    answer = seat.done("rejects", str(path))
    assert "update Contact 003gn0000000001AAA" in answer.words
    assert f"line 2 of {path} cannot be read and is left out" in answer.text
    # The run after the crash went on in a fresh line.
    path.write_text(_rejected("one") + "\n" + _rejected("two")[:50] + "\n" + _rejected("3") + "\n")
    assert seat.done("rejects", str(path)).words.count("update Contact") == 2


def test_a_reject_file_whose_only_line_was_cut(seat, tmp_path):
    path = tmp_path / "rejects-target-salesforce.jsonl"
    path.write_bytes(_rejected("ö").encode()[:-25])
    assert "cannot be read" in seat.done("rejects", str(path)).words


def test_no_rejects(seat, tmp_path, monkeypatch):
    seat.job.run()
    monkeypatch.chdir(tmp_path)
    assert seat.json("rejects") == []
    assert seat.done("rejects").words == "none"


def test_a_plan_needs_both_sides(seat):
    seat.job.pipe(OBSERVE)
    assert "meltano run contact-sync" in seat.refused("plan").words


def test_a_plan_is_what_the_next_run_writes(seat):
    record, contact = seat.job.pair_up()
    new = seat.job.phoneiq.create(first_name="Grace", last_name="Hopper",
                                  mobile_phone="+14155550143")  # fmt: skip
    seat.job.salesforce.edit(record, Title="Countess")
    seat.done("pause")
    seat.job.run()
    plan = seat.json("plan")
    assert plan["counts"] == {"phoneiq": {"update": 1}, "salesforce": {"create": 1}}
    update, create = plan["writes"]
    assert (update["side"], update["id"]) == ("phoneiq", contact)
    assert update["changes"]["job_title"] == {
        "old": None, "new": "Countess", "why": "changed_in_salesforce",
    } or update["changes"]["job_title"]["new"] == "Countess"  # fmt: skip
    assert create["id"] is None
    assert create["changes"]["FirstName"]["new"] == "Grace"
    assert seat.json("plan")["plan"] == plan["plan"], "the same ledger gives the same plan"
    assert seat.json("plan", "--to", "phoneiq")["counts"] == {"phoneiq": {"update": 1}}
    text = seat.done("plan").words
    for part in ("job_title: - → Countess", "FirstName: Grace", plan["plan"], contact):
        assert part in text
    assert "paused" in text, "nothing is written before it is resumed"
    assert seat.job.phoneiq.written == []
    seat.done("resume")
    seat.job.run()
    assert [(one.action, one.id) for one in seat.job.phoneiq.written] == [("update", contact)]
    assert len(seat.job.salesforce.written) == 1
    assert seat.job.record_of(new)["FirstName"] == "Grace" if seat.job.phoneiq.get(new)[
        "salesforce_id"] else True  # fmt: skip


def test_a_plan_that_a_run_would_refuse_can_be_looked_at(start):
    seat = start(on_delete="propagate", max_delete_percent=10)
    record, contact = seat.job.pair_up()
    seat.job.salesforce.delete(record)
    assert seat.job.run()[-1].code == 1
    assert seat.json("status")["next"] == "contact-sync plan"
    words = seat.done("plan").words
    assert f"delete phoneiq contact {contact}" in words
    assert "a run stops before this: the plan ends 1 of 1 pairs" in words
    seat.done("approve", seat.json("plan")["plan"])
    seat.job.settle()
    assert seat.job.phoneiq.live() == []


def test_a_plan_with_nothing_to_write(seat):
    seat.job.pair_up()
    assert seat.json("plan")["writes"] == []
    assert "nothing to write" in seat.done("plan").words


def test_a_plan_that_is_cut_says_so(seat):
    seat.job.run()
    seat.done("pause")
    for number in range(3):
        seat.job.salesforce.create("Contact", FirstName="Ada", MobilePhone=f"+1415555013{number}")
    seat.job.run()
    assert "contact-sync plan --limit 3" in seat.done("plan", "--limit", "1").words


@pytest.mark.parametrize("command", ["skips", "conflicts", "history", "plan"])
@pytest.mark.parametrize("width", [80, 200])
def test_ids_and_facts_are_whole_at_any_width(busy, command, width):
    answer = busy.done(command, width=width)
    assert "…" not in answer.text
    assert all(len(line.rstrip()) <= width for line in answer.text.splitlines())


@pytest.mark.parametrize("command", ["status", "skips", "conflicts", "history", "plan"])
def test_no_colour_where_nobody_sees_it(busy, command):
    assert "\x1b" not in busy.ask(command).text


@pytest.mark.parametrize("value", ['=HYPERLINK("http://x")', "+1-1", "-1+1", "@SUM(1)", "\uff1d1"])
def test_a_value_that_is_a_formula_is_none_in_a_spreadsheet(seat, value):
    record, contact = seat.job.pair_up()
    seat.job.salesforce.edit(record, Title="One")
    seat.job.phoneiq.edit(contact, job_title=value)
    seat.job.settle()
    (found,) = from_csv(seat.done("conflicts", "--csv"))
    assert found["phoneiq"] == f"'{value}"
    assert found["salesforce"] == "One"
    assert seat.json("conflicts")[0]["phoneiq"] == value


def test_a_message_of_a_target_that_is_a_formula(seat, tmp_path):
    seat.job.run()
    path = tmp_path / "rejects-target-phoneiq.jsonl"
    entry = {
        "time": "2026-01-01T00:00:00Z", "target": "target-phoneiq", "stream": "contacts",
        "action": "create", "id": "=1+1",
        "error": {"code": "=1+1", "message": "\t=1+1", "fields": ["=1+1"]},
    }  # fmt: skip
    path.write_text(json.dumps(entry) + "\n")
    (found,) = from_csv(seat.done("rejects", "--csv", str(path)))
    for name in ("id", "code", "message", "fields"):
        assert found[name].startswith("'"), name


def test_numbers_and_ids_are_as_they_are_in_a_spreadsheet(busy):
    assert from_csv(busy.done("history", "--csv"))[0]["run"].isdigit()
    assert from_csv(busy.done("skips", "--csv"))[0]["id"].startswith("00")


@pytest.mark.parametrize("command", ["conflicts", "explain", "skips"])
def test_values_can_be_read_at_80_columns(busy, command):
    busy.job.salesforce.edit(busy.pair[0], Title="One of the first programmers of all")
    busy.job.phoneiq.edit(busy.pair[1], job_title="Countess and mathematician in London")
    busy.job.settle()
    words = [busy.pair[0]] if command == "explain" else []
    lines = busy.done(command, *words, width=80).text.splitlines()
    text = "\n".join(lines)
    if command == "conflicts":
        assert "salesforce  One of the first programmers of all" in text
        assert "phoneiq     Countess and mathematician in London" in text
    shortest = [line for line in lines if line.strip() and len(line.split()) == 1]
    assert not [line for line in shortest if len(line.strip()) < 6], text
