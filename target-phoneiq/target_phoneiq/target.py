"""The target: its settings, and how messages reach the writer."""

from __future__ import annotations

import signal
import sys
import time
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from phoneiq_client import PhoneIQ
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import SameRecordTransform

from target_phoneiq.errors import InputError, SignalError, StopError
from target_phoneiq.messages import ENDING, MessageReader, kind_of, read_to_end
from target_phoneiq.rejects import RejectFile
from target_phoneiq.sinks import ContactsSink, PhoneIQSink, UnknownStreamSink
from target_phoneiq.writer import Writer
from target_phoneiq.writes import STREAM, PlainWrite, Upserts, decode_json, sorted_out

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from singer_sdk import metrics
    from singer_sdk.helpers.capabilities import CapabilitiesEnum


class TargetPhoneIQ(Target):
    """Singer target that writes contacts to a PhoneIQ account."""

    name = "target-phoneiq"
    message_reader_class = MessageReader

    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "api_url",
            th.StringType,
            required=True,
            title="API URL",
            description="Base URL of the PhoneIQ API, without `/v1`.",
            examples=["https://api.phoneiq.example"],
        ),
        th.Property(
            "api_key",
            th.StringType(min_length=1),
            required=True,
            secret=True,
            title="API key",
            description="Key of the PhoneIQ account.",
        ),
        th.Property(
            "batch_size",
            th.IntegerType(minimum=1, maximum=200),
            default=200,
            title="Batch size",
            description="Contacts a request, 1 to 200.",
        ),
        th.Property(
            "max_in_flight",
            th.IntegerType(minimum=1, maximum=32),
            default=4,
            title="Requests in flight",
            description="Requests at a time, 1 to 32.",
        ),
        th.Property(
            "rejects_path",
            th.StringType(min_length=1),
            default="rejects-target-phoneiq.jsonl",
            title="Reject file",
            description=(
                "Where records that PhoneIQ refuses are appended, with the reason, one JSON object "
                "a line. Only its owner may read the file."
            ),
        ),
        th.Property(
            "max_rejects",
            th.IntegerType(minimum=0),
            title="Most rejects",
            description=(
                "With more rejected records than this, the target exits with an error, after it "
                "has written everything else. Without it, any number is accepted."
            ),
        ),
        th.Property(
            "user_agent",
            th.StringType,
            title="User agent",
            description="Sent with every request; without it, `target-phoneiq/<version>`.",
        ),
    ).to_dict()

    def __init__(self, *, config: Any = None, **kwargs: Any) -> None:
        """Check the settings.

        Args:
            config: The settings; one that is null is as good as absent.
            kwargs: As the SDK's `Target` takes them.

        Raises:
            StopError: If a setting is missing or wrong.
        """
        self._started = time.monotonic()
        # Before a signal can come.
        self._reader = MessageReader()
        self._newest_state: Any = None
        # The streams whose records are written as they are, and what counts them.
        self._unmapped: dict[str, metrics.Counter] = {}
        if isinstance(config, dict):
            config = {name: value for name, value in config.items() if value is not None}
        try:
            super().__init__(config=config, message_reader=self._reader, **kwargs)
        except ConfigValidationError as error:
            raise StopError("; ".join(map(_without_key, error.errors))) from error
        except ValueError as error:
            message = f"a setting cannot be read from the environment: {error}"
            raise StopError(message) from error
        self.rejects = RejectFile(self.config["rejects_path"])

    @cached_property
    def writer(self) -> Writer:
        """The writer, which every sink shares."""
        return Writer(
            self._connect,
            self.rejects,
            self._write_state_message,
            batch_size=self.config["batch_size"],
            max_in_flight=self.config["max_in_flight"],
        )

    @classmethod
    def invoke(cls, **kwargs: Any) -> None:
        """Run the target.

        Args:
            kwargs: As the SDK's `Target` takes them.

        Raises:
            StopError: If the input breaks the rules of Singer.
        """
        try:
            with read_to_end(None if kwargs.get("file_input") else sys.stdin.buffer):
                super().invoke(**kwargs)
        except SingerSDKError as error:
            raise StopError(str(error)) from error

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the settings of stream maps, and none of the SDK's for tables.

        Args:
            config_jsonschema: The settings.
        """
        super(Target, cls).append_builtin_config(config_jsonschema)

    def get_sink_class(self, stream_name: str) -> type[PhoneIQSink]:
        """Return what writes, or rejects, the records of a stream.

        Args:
            stream_name: Name of the stream.
        """
        return ContactsSink if stream_name == STREAM else UnknownStreamSink

    def process_endofpipe(self) -> None:
        """Write what is left and say what was done.

        Raises:
            InputError: If a message ended the input; the SDK has exceptions of its own for some.
            StopError: If there were more rejects than `max_rejects`.
        """
        self.writer.finish()
        super().process_endofpipe()
        self._say_what_was_done()
        if self._reader.problem is not None:
            raise self._reader.problem
        most = self.config.get("max_rejects")
        if most is not None and self.rejects.count > most:
            message = (
                f"{self.rejects.count} records were rejected, max_rejects is {most}; "
                f"see {self.rejects.path}"
            )
            raise StopError(message)

    def _process_record_message(self, message_dict: dict[str, Any]) -> None:
        """Hand records to the writer at once where nothing is to be done to them."""
        stream, records = message_dict["stream"], message_dict["records"]
        counter = self._unmapped.get(stream)
        if counter is None or not isinstance(records[0], msgspec.Raw):
            for record in records:
                self._process_any_record(stream, record)
                self._reader.number += 1
            return
        for found in sorted_out(records):
            count = 1
            if isinstance(found, Upserts):
                count = len(found.lines)
                self.writer.add_upserts(found)
                counter.value += count
            elif isinstance(found, PlainWrite):
                self.writer.add(found)
                counter.value += 1
            else:
                self._process_any_record(stream, found)
            self._reader.number += count

    def _process_any_record(self, stream: str, record: Any) -> None:
        """Hand a record to its sink: the SDK's own way without validation and date parsing."""
        if isinstance(record, msgspec.Raw):
            try:
                record = decode_json(record)
            except ValueError as error:
                message = f"a RECORD of the stream {stream!r} is not JSON in UTF-8"
                raise InputError(message) from error
        if not isinstance(record, dict):
            message = (
                f"a RECORD of the stream {stream!r}: 'record' is {kind_of(record)}, "
                "allowed is an object"
            )
            raise InputError(message)
        if stream not in self.mapper.stream_maps:
            self._assert_sink_exists(stream)
        for stream_map in self.mapper.stream_maps[stream]:
            mapped = stream_map.transform(record)
            if mapped is not None:
                sink = self._sinks_active[stream_map.stream_alias]
                sink._singer_validate_message(mapped)  # noqa: SLF001
                sink.process_record(mapped, {})
                sink.record_counter_metric.increment()

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_schema_message(message_dict)
        stream = message_dict["stream"]
        self._unmapped.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        sink = self._sinks_active.get(stream)
        if (
            isinstance(sink, ContactsSink)
            and len(maps) == 1
            and isinstance(maps[0], SameRecordTransform)
            and not maps[0].flattening_enabled
        ):
            self._unmapped[stream] = sink.record_counter_metric

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Ignore table versions: absence is never a deletion."""

    def _process_state_message(self, message_dict: dict[str, Any]) -> None:
        """Hand a STATE to the writer, which knows when it may pass."""
        self._assert_line_requires(message_dict, requires={"value"})
        state = message_dict["value"]
        if state != self._newest_state:
            self._newest_state = state
            self.writer.state(state)

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Send nothing more. What has no STATE yet comes again with the next run."""
        writer = vars(self).get("writer")
        if writer is not None:
            writer.stop(SignalError(signum))
        self._reader.end(signum)

    def _write_state_message(self, state: Any) -> None:
        """Emit STATE; a signal would cut it short where Python does not buffer its output."""
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            super()._write_state_message(state)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    def _connect(self, sleep: Callable[[float], None]) -> PhoneIQ:
        try:
            return PhoneIQ(
                self.config["api_url"],
                self.config["api_key"],
                user_agent=self.config.get("user_agent") or f"{self.name}/{self.plugin_version}",
                connections=self.config["max_in_flight"],
                sleep=sleep,
            )
        except ValueError as error:
            raise StopError(str(error)) from error

    def _say_what_was_done(self) -> None:
        counts = self.writer.counts
        written = counts["created"] + counts["updated"] + counts["deleted"]
        text = (
            f"{written} contacts written ({counts['created']} created, {counts['updated']} "
            f"updated, {counts['deleted']} deleted), {self.rejects.count} rejected"
        )
        if self.rejects.count:
            codes = ", ".join(f"{code} {n}" for code, n in self.rejects.codes.most_common())
            text += f" ({codes}; see {self.rejects.path})"
        if counts["already gone"]:
            text += f", {counts['already gone']} to delete were gone already"
        self.logger.info("%s, %.1f seconds", text, time.monotonic() - self._started)


def _without_key(problem: str) -> str:
    """Return a validation message that does not show the key, and says what to set."""
    if problem.endswith("config['api_key']"):
        return "api_key must be a text"
    for name in ("api_url", "api_key"):
        if problem == f"'{name}' is a required property":
            return f"{name} is not set: set it, or PHONEIQ_{name.upper()} in the environment"
    return problem
