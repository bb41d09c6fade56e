"""The SDK's suite for targets, whose streams stream maps turn into Contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from singer_sdk.testing import get_target_test_class
from target_salesforce.target import TargetSalesforce

if TYPE_CHECKING:
    from pathlib import Path

    from sandbox.client import Sandbox


def contact(last_name: str) -> dict[str, object]:
    """A map that makes Contacts of a stream and leaves its own fields out."""
    return {
        "__alias__": "Contact",
        "__key_properties__": [],
        "__else__": None,
        "LastName": last_name,
    }


STREAM_MAPS = {
    "test_array_data": contact("'-'.join(fruits)"),
    "TestCamelcase": contact("clientName"),
    "ForecastingTypeToCategory": contact("ForecastingTypeId"),
    "test_duplicate_records": contact("str(metric)"),
    "test_strings": contact("info"),
    "test_strings_in_objects": contact("info['value']"),
    "test_strings_in_arrays": contact("'-'.join(strings)"),
    "test_no_pk": contact("str(metric)"),
    "test_optional_attributes": contact("str(id)"),
    "example_stream": contact("name"),
    "record_missing_fields": contact("str(id)"),
    "test_object_schema_with_properties": contact("str(object_store['metric'])"),
    "test_object_schema_no_properties": contact("str(object_store['metric'])"),
    "test_schema_updates": contact("a2"),
    "test:SpecialChars!in?attributes": contact("_id"),
    # Keeps its key, which its record lacks.
    "test_record_missing_key_property": {"__alias__": "Contact"},
}

CONFIG = {
    "client_id": "sandbox-client-id",
    "client_secret": "sandbox-client-secret",
    "refresh_token": "sandbox-refresh-token",
    "stream_maps": STREAM_MAPS,
    "max_rejects": 0,
}


class TestSuite(get_target_test_class(TargetSalesforce, config=CONFIG)):
    """Each of the SDK's tests, with the sandbox as the Salesforce."""

    @pytest.fixture(autouse=True)
    def salesforce(self, box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in box.salesforce_env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
