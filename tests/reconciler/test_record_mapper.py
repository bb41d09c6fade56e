"""A new record gets what an update would write, though it is copied by a shorter way."""

from __future__ import annotations

import pytest
from reconciler.fields.countries import region_of
from reconciler.fields.defaults import DEFAULT_MAPPINGS
from reconciler.fields.record_mapper import Delivered, Exchange
from reconciler.model import INVALID, PHONEIQ, SALESFORCE, SIDES, UNSET, other
from reconciler.settings import Settings

CONFIG = {"mode": "observe-phoneiq", "ledger_url": "sqlite:///ledger.db"}
VALUES = [
    "Ada",
    " Ada\n",
    "A\0da",
    "e\u0301",
    "one\r\ntwo",
    "\u00a0",
    "",
    None,
    INVALID,
    "x" * 300,
    "Ada@Example.com",
    "[not provided]",
    3,
    True,
    UNSET,
]
NUMBERS = ["+14155550132", "+14155550132;ext=12", INVALID + "12", INVALID + "1" * 300, None]


@pytest.mark.parametrize("phone_format", ["e164", "national"])
@pytest.mark.parametrize("name", sorted(DEFAULT_MAPPINGS))
@pytest.mark.parametrize("to", SIDES)
def test_a_copy_is_what_an_update_of_every_field_would_write(to, name, phone_format):
    config = CONFIG | {"objects": [name], "salesforce_phone_format": phone_format}
    exchange = Exchange(name, Settings.from_config(config), {"last_name": 10, "work_phone": 20})
    fields = exchange.fields(other(to))
    phones = [
        field
        for row, field in zip(DEFAULT_MAPPINGS[name], fields, strict=True)
        if row.kind == "phone"
    ]
    for value in VALUES:
        for number in NUMBERS:
            numbers = {} if number is None else dict.fromkeys(phones, number)
            record = Delivered.of(dict.fromkeys(fields, value), numbers)
            sent, skips = exchange.copied(to, record)
            assert (sent, dict(skips)) == by_field(exchange, to, record)
            changes = exchange.created(to, record)
            assert {field: change.sent for field, change in changes.items()} == sent


def by_field(exchange, to, record):
    """What `held` and `outgoing` say, field by field."""
    sent, skips = {}, {}
    values = exchange.held(other(to), record).values
    country = exchange.fields(to)[exchange.fields(PHONEIQ).index("country")]
    # Numbers are written for the country that is written with them.
    last_phones = sorted(
        enumerate(zip(exchange.fields(to), exchange.rules, strict=True)),
        key=lambda one: "phone" in one[1][0].lower() or one[1][0] in {"Fax", "fax"},
    )
    for index, (field, rule) in last_phones:
        value = values[index]
        if value is None or value is UNSET:
            continue
        if rule.to_phoneiq if to == PHONEIQ else rule.to_salesforce:
            region = region_of(str(sent[country]) if country in sent else None, "US")
            value, skip = exchange.outgoing(index, to, value, region)
            if skip is None:
                sent[field] = value
            else:
                skips[field] = skip
    return sent, skips


def test_a_nul_in_the_middle_of_a_value_is_left_out():
    exchange = Exchange("Contact", Settings.from_config(CONFIG), {})
    record = Delivered.of({"FirstName": "A\0da"}, {})
    assert exchange.held(SALESFORCE, record).values[0] == "Ada"
