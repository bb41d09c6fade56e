"""contact-sync.yml and the plugins know the same settings; the tap selects what is mapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reconciler.cli import main as contact_sync
from reconciler.fields.defaults import DEFAULT_MAPPINGS, stream_of
from reconciler.settings import JSON_SCHEMA, OBSERVING, READS
from ruamel.yaml import YAML
from tap_phoneiq.tap import TapPhoneIQ
from target_phoneiq.target import TargetPhoneIQ
from target_salesforce.target import TargetSalesforce

ROOT = Path(__file__).resolve().parents[2]
# As Meltano reads it: a key that is there twice is an error.
PROJECT: dict[str, Any] = YAML(typ="safe").load(ROOT / "meltano.yml")
SYNC: dict[str, Any] = YAML(typ="safe").load(ROOT / "contact-sync.yml")
PLUGINS = {plugin["name"]: plugin for plugins in SYNC["plugins"].values() for plugin in plugins}


#: What singer-sdk adds to a plugin's settings once it has run.
SDK_SETTINGS = {"stream_maps", "stream_map_config", "faker_config"}


@pytest.mark.parametrize(
    ("plugin", "schema"),
    [
        ("tap-phoneiq", TapPhoneIQ.config_jsonschema),
        ("target-phoneiq", TargetPhoneIQ.config_jsonschema),
        ("target-salesforce", TargetSalesforce.config_jsonschema),
        ("reconciler", JSON_SCHEMA),
    ],
)
def test_meltano_knows_the_settings_of(plugin: str, schema: dict[str, Any]) -> None:
    settings = PLUGINS[plugin]["settings"]
    listed = {setting["name"]: setting for setting in settings}
    assert len(listed) == len(settings)
    own = {
        name: setting
        for name, setting in schema["properties"].items()
        if name not in SDK_SETTINGS | {"mode"} and not name.startswith("flattening_")
    }
    assert set(listed) == set(own)
    for name, setting in own.items():
        assert listed[name].get("sensitive", False) == bool(setting.get("secret")), name
        if "default" in setting and not str(listed[name]["value"]).startswith("$"):
            assert listed[name]["value"] == setting["default"], name


def test_each_writing_pipe_has_a_tap_for_its_shards() -> None:
    assert PLUGINS["tap-contact-sync"]["settings"] == PLUGINS["reconciler"]["settings"]
    modes = {
        plugin["config"]["mode"]
        for plugin in PLUGINS.values()
        if plugin.get("inherit_from") == "tap-contact-sync"
    }
    assert modes == set(READS) - OBSERVING
    for setting in PLUGINS["reconciler"]["settings"]:
        assert setting["env"] == f"RECONCILER_{setting['name'].upper()}"


def test_each_mapping_has_its_mode() -> None:
    mappings = {row["name"]: row["config"] for row in PLUGINS["reconcile"]["mappings"]}
    assert mappings == {mode: {"mode": mode} for mode in READS}


def test_meltano_knows_the_commands_of_the_operator() -> None:
    commands = PLUGINS["reconciler"]["commands"]
    assert set(commands) == set(contact_sync.commands)
    for name, command in commands.items():
        assert command["executable"] == "contact-sync"
        assert command["args"] == name


def test_the_tap_selects_the_fields_of_the_default_mappings() -> None:
    selected = set(PLUGINS["tap-salesforce"]["select"])
    needed = {
        f"{stream_of(name)}.{row.related[0] if row.related else row.salesforce}"
        for name, rows in DEFAULT_MAPPINGS.items()
        for row in rows
    }
    assert needed <= selected


def variables() -> set[str]:
    """The variables that the plugins' configuration names."""
    return {
        str(value).removeprefix("$")
        for plugin in PLUGINS.values()
        for value in plugin.get("config", {}).values()
        if str(value).startswith("$")
    } - {"TAP_CONTACT_SYNC_SHARD"}


def test_env_example_lists_what_the_plugins_read() -> None:
    listed = (ROOT / ".env.example").read_text()
    assert {name for name in variables() if f"\n{name}=" not in listed} == set()
    assert variables() >= {"PHONEIQ_API_KEY", "SALESFORCE_REFRESH_TOKEN"}


def test_env_example_leaves_the_environment_to_the_command() -> None:
    assert "\nMELTANO_ENVIRONMENT=" not in (ROOT / ".env.example").read_text()


def test_an_including_project_keeps_its_own_environments_and_default() -> None:
    assert set(SYNC) == {"jobs", "plugins"}


def test_secrets_come_from_variables_only() -> None:
    for name, plugin in PLUGINS.items():
        secret = {row["name"] for row in plugin.get("settings", []) if row.get("sensitive")}
        for setting, value in plugin.get("config", {}).items():
            assert setting not in secret or value.startswith("$"), (name, setting)
    for environment in PROJECT["environments"]:
        if environment["name"] != "sandbox":
            for plugins in environment.get("config", {}).get("plugins", {}).values():
                for plugin in plugins:
                    assert all(value.startswith("$") for value in plugin["config"].values())
