"""Every decision is in the ledger with its reason, and each reason is true.

What `contact-sync explain` says about everybody at the end is compared with what the platforms
show and with what the mapper wrote on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.properties.world import FIELDS, PHONES, SALESFORCE_LENGTHS, Side, World, is_number

#: Which side a write goes to, where the reason says which side changed.
_TO: dict[str, str] = {"only_salesforce_changed": "phoneiq", "only_phoneiq_changed": "salesforce"}
_WHYS = {*_TO, "filled", "paired", "keep_salesforce", "keep_phoneiq"}


def check_reasons(world: World) -> None:
    """Ask about every record, and believe nothing."""
    told: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
    for id_ in world.owner:
        if id_ not in told:
            for answer in world.job.ask("explain", id_):
                told |= {record["id"]: (record, answer) for record in answer["records"]}
    for person in world.people:
        for side in ("salesforce", "phoneiq"):
            for id_ in world.live(person, side):
                record, answer = told[id_]
                _check_record(world, side, id_, record, is_alone=answer["pair"] is None)
                if answer["pair"] and side == "salesforce":
                    (other,) = (one for one in answer["records"] if one["side"] == "phoneiq")
                    skips = record["field_skips"] | other["field_skips"]
                    _check_differences(world, id_, other["id"], skips)
    _check_conflicts(world)
    _check_journal(world, [record for record, _ in told.values()])


def _check_record(
    world: World, side: Side, id_: str, record: Mapping[str, Any], *, is_alone: bool
) -> None:
    """A record that is alone says why, and what it says is so."""
    values = world.read(side, id_)
    numbers = {values[name] for name in PHONES if is_number(values[name])}
    row = world.row(side, id_)
    object_ = row["attributes"] if side == "salesforce" else row["salesforce_object"]
    person = world.owner[id_]
    is_true = {
        "no_valid_phone": not numbers,
        "no_first_name": side == "salesforce" and values["first_name"] is None,
        "object_not_synced": (object_ or world.settings["default_object"])
        not in world.settings["objects"],
        "duplicate_phone": _share(world, side, numbers, record["holder"]),
        "released": bool(person.gone or person.loose),
    }
    reasons = {record["skip"]} - {None} | ({"released"} if record["released"] else set())
    for reason in reasons:
        assert is_true[reason], f"{id_} is no {reason}: {row}"
    across: Side = "phoneiq" if side == "salesforce" else "salesforce"
    assert reasons or not is_alone or not world.allows(across), f"{id_} is alone: nobody says why"


def _share(world: World, side: Side, numbers: set[str | None], holder: str | None) -> bool:
    if holder is None or not world.is_live(side, holder):
        return False
    values = world.read(side, holder)
    return not numbers.isdisjoint(values[name] for name in PHONES)


def _check_differences(
    world: World, salesforce: str, phoneiq: str, skips: Mapping[str, str]
) -> None:
    """Where a pair differs, a direction forbids that it agrees, or a value that cannot travel."""
    one, two = world.read("salesforce", salesforce), world.read("phoneiq", phoneiq)
    object_ = world.row("salesforce", salesforce)["attributes"]
    for name, objects in FIELDS.items():
        found = {skips[field] for field in (name, objects[object_]) if field in skips}
        values = [value for value in (one[name], two[name]) if value]
        is_true = {
            "invalid_phone": name in PHONES and not all(map(is_number, values)),
            "value_too_long": any(len(x) > SALESFORCE_LENGTHS.get(name, 80) for x in values),
        }
        for reason in found:
            what = f"{name} of {salesforce} and {phoneiq} is no {reason}: {values}"
            assert reason == "flapping" or is_true[reason], what
        if one[name] != two[name]:
            may = world.may_travel(salesforce, name)
            assert found or not all(may.values()), f"{name} differs, nobody says why: {values}"


def _check_conflicts(world: World) -> None:
    """Each conflict is listed as long as there is its pair, with both values and whose stood."""
    listed = [
        (row["field"].partition(">")[2], row["salesforce"], row["phoneiq"], row["resolution"])
        for row in world.job.ask("conflicts")
    ]
    for person, *conflict in world.conflicts:
        assert person.loose or person.gone or tuple(conflict) in listed, f"not listed: {conflict}"


def _check_journal(world: World, records: list[dict[str, Any]]) -> None:
    """What the mapper wrote is in the journal, each field with a reason."""
    journal = [sent for record in records for sent in record["sent"]]
    known = {(sent["side"], sent["action"], frozenset(sent["changes"])) for sent in journal}
    for to, record in world.sent:
        key = "id" if to == "phoneiq" else "Id"
        fields = frozenset(record) - {key, "_sdc_deleted_at"}
        action = "delete" if record.get("_sdc_deleted_at") else "update"
        if key not in record:
            action, fields = "create", frozenset()
        assert (to, action, fields) in known, f"not in the journal: {to} {record}"
    for sent in journal:
        for field, (old, new, why) in sent["changes"].items():
            what = f"{field} {old} to {new} in {sent['side']}: {why}"
            assert why in _WHYS, what
            assert _TO.get(why, sent["side"]) == sent["side"], what
