"""The Singer side of a shard: no messages in; writes, messages out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, ClassVar, NoReturn

import msgspec
from singer_sdk import Stream, Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import (
    CapabilitiesEnum,
    PluginCapabilities,
    TapCapabilities,
)
from singer_sdk.plugin_base import _ConfigInput

from reconciler.ending import ending, terminate
from reconciler.errors import SettingsError
from reconciler.marker import delivering, marked, marker_in
from reconciler.output import MessageWriter, Output
from reconciler.settings import JSON_SCHEMA, OBSERVING, READS, Settings
from reconciler.sharding import Shard, ShardRun

_MODES = [pipe for pipe in READS if pipe not in OBSERVING]


class TapContactSync(Tap):
    """Sends a shard of the writes that one side needs, from what the ledger holds."""

    name = "tap-contact-sync"
    package_name = "contact-sync-reconciler"
    config_jsonschema: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {
            **JSON_SCHEMA["properties"],
            "mode": JSON_SCHEMA["properties"]["mode"]
            | {
                "description": "Which pipe's writes these are.",
                "enum": _MODES,
            },
            "shard": {
                "type": "string",
                "title": "Shard",
                "description": "k/N: this worker takes the kth of N disjoint parts of the writes.",
                "default": "1/1",
            },
        },
    }
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STRUCTURED_LOGGING,
        TapCapabilities.STATE,
    ]
    message_writer_class = MessageWriter

    message_writer: MessageWriter

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings; our checks say more than their JSON Schema could."""
        try:
            self.settings, self.shard = _settings(self._config)
        except SettingsError as error:
            if raise_errors:
                raise ConfigValidationError(
                    str(error), errors=[str(error)], schema=self.config_jsonschema
                ) from None
            return [str(error)]
        return []

    def discover_streams(self) -> Sequence[Stream]:
        """None: which streams there are follows from the writes."""
        return []

    @classmethod
    def invoke(  # type: ignore[override]
        cls,
        *,
        about: bool = False,
        about_format: str | None = None,
        config: _ConfigInput | None = None,
        state: IO[str] | None = None,
        catalog: IO[str] | None = None,  # noqa: ARG003
    ) -> None:
        """Send the shard.

        Args:
            about: Show the tap's settings instead.
            about_format: `json` or `markdown`.
            config: The settings.
            state: Says only whether the target of the last run handled all its writes; what is
                still to be sent follows from the ledger.
            catalog: Taken and left.
        """
        if about:
            super().invoke(about=about, about_format=about_format)
        given = config or _ConfigInput()
        with ending(cls.logger):
            tap = cls(config=given.config, parse_env_config=given.parse_env, setup_mapper=False)
            with ShardRun(tap.settings, tap.shard) as run:
                run.note_delivered(marker_in(_read(state)))
                output = Output(tap.message_writer, run.schema_of)
                has_written = False
                for writes in run.plan():
                    has_written = has_written or bool(writes)
                    output.send(writes, run.is_paused)
                if has_written and not run.is_paused():
                    value = marked({}, delivering(run.marker))
                    tap.message_writer.write_message({"type": "STATE", "value": value})
                    tap.message_writer.flush()

    def _handle_termination(self, signum: int, frame: object) -> NoReturn:  # noqa: ARG002
        terminate(signum)


def _read(state: IO[str] | None) -> dict[str, Any]:
    """The STATE that came back; blank where it cannot be read, since it says little."""
    try:
        value = msgspec.json.decode(state.read() if state is not None else "{}")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    is_one = isinstance(value, dict) and isinstance(value.get("bookmarks"), dict | None)
    return value if is_one else {}


def _settings(config: Mapping[str, Any]) -> tuple[Settings, Shard]:
    rest = dict(config)
    shard = Shard.from_text(rest.pop("shard", None) or "1/1")
    settings = Settings.from_config(rest)
    if settings.mode not in _MODES:
        raise SettingsError(f"setting 'mode' is {settings.mode}; allowed are {', '.join(_MODES)}")
    return settings, shard
