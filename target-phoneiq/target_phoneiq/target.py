"""The target: its settings, and how messages reach the writer."""

from __future__ import annotations

import io
import signal
import sys
import time
from collections import Counter
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, ClassVar, Final

import msgspec
from phoneiq_client import PhoneIQ
from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.mapper import SameRecordTransform
from singer_sdk.singerlib.encoding.base import GenericSingerReader

from target_phoneiq.errors import SignalError, StopError
from target_phoneiq.rejects import RejectFile
from target_phoneiq.sinks import ContactsSink, PhoneIQSink, UnknownStreamSink
from target_phoneiq.writer import Writer
from target_phoneiq.writes import NOT_JSON, STREAM, PlainWrite, Upserts, decode_json, sorted_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from singer_sdk import metrics
    from singer_sdk.helpers.capabilities import CapabilitiesEnum


CHUNK: Final = 1 << 18
"""The most bytes of input that are read at once."""

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)
"""The signals that the SDK has handlers for."""


class _Message(msgspec.Struct):
    """A Singer message; what a record holds stays text until it is known what it is for."""

    type: str
    stream: str = ""
    record: msgspec.Raw = msgspec.Raw()


_decode_message = msgspec.json.Decoder(_Message).decode


class MessageReader(GenericSingerReader[bytes]):
    """Reads messages fast, and keeps their content, which is personal, out of errors.

    A signal ends the reading, but not in the middle of what is done with a message: that may be
    half a line of the reject file or half a STATE.
    """

    _signal: int | None = None
    _is_waiting = False

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Hand each message to the callback of its type; records in a row together, as `records`.

        A record that can stay so is undecoded. What has arrived is handed over at once.

        Args:
            file_input: The messages, a line each.
            callbacks: What takes the messages, by type.

        Returns:
            How many messages of each type there were.

        Raises:
            SignalError: If a signal came.
            StopError: If a line is no message.
        """
        seen: Counter[str] = Counter()

        def hand_over(kind: str, message: dict[str, Any], count: int = 1) -> None:
            callbacks[kind](message)
            seen[kind] += count

        def hand_over_records(stream: str, records: list[msgspec.Raw]) -> None:
            if records:
                message = {"type": "RECORD", "stream": stream, "records": records}
                hand_over("RECORD", message, len(records))

        source = getattr(file_input, "buffer", file_input) or self.default_input
        self._wait()
        for lines in _arriving(source):
            self._is_waiting = False
            stream: str = ""
            records: list[msgspec.Raw] = []
            for line, read in zip(lines, _messages(lines), strict=True):
                if read is not None and read.type == "RECORD" and read.stream and read.record:
                    if read.stream != stream:
                        hand_over_records(stream, records)
                        stream, records = read.stream, []
                    records.append(read.record)
                    continue
                hand_over_records(stream, records)
                records = []
                message = self.deserialize_json(line)
                self.assert_line_requires(message, {"type"})
                kind = message["type"]
                if kind not in callbacks:
                    text = f"the input holds a message of the unknown type {kind!r}"
                    raise StopError(text)
                if kind == "RECORD":
                    self.assert_line_requires(message, {"stream", "record"})
                    message["records"] = [message["record"]]
                hand_over(kind, message)
            hand_over_records(stream, records)
            self._wait()
        self._is_waiting = False
        return seen

    def _wait(self) -> None:
        # In this order: a signal is seen here, or ends the wait.
        self._is_waiting = True
        if self._signal is not None:
            raise SignalError(self._signal)

    def end(self, signum: int) -> None:
        """End the reading; called by a signal, in the middle of whatever is done.

        Args:
            signum: The signal.

        Raises:
            SignalError: If nothing is done but to wait for input.
        """
        if self._signal is None:
            self._signal = signum
            if self._is_waiting:
                raise SignalError(signum)

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Return the message of one line.

        Args:
            line: The line.

        Raises:
            StopError: If the line is no JSON object.
        """
        try:
            message = decode_json(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            text = f"a line of {len(line)} bytes in the input is not a Singer message"
            raise StopError(text)
        return message

    @staticmethod
    def assert_line_requires(line_dict: dict[str, Any], requires: set[str]) -> None:
        """Check that a message has what it needs.

        Raises:
            StopError: If it has not.
        """
        if not requires <= line_dict.keys():
            missing = ", ".join(sorted(requires - line_dict.keys()))
            kind = line_dict.get("type", "message without type")
            text = f"a {kind} of the stream {line_dict.get('stream')} lacks {missing}"
            raise StopError(text)


def _arriving(source: IO[Any]) -> Iterator[list[bytes]]:
    """Yield the lines of a stream as they arrive, those together that came together."""
    read = getattr(source, "read1", None)
    if read is None:
        # A text in memory.
        yield io.BytesIO(source.read().encode()).readlines()
        return
    begun: list[bytes] = []
    while chunk := read(CHUNK):
        end = chunk.rfind(b"\n") + 1
        if end:
            yield io.BytesIO(b"".join([*begun, chunk[:end]])).readlines()
            begun.clear()
        begun.append(chunk[end:])
    if last := b"".join(begun):
        yield [last]


def _messages(lines: list[bytes]) -> list[_Message | None]:
    """Decode lines; None stands for one that is no message at first sight."""
    try:
        return list(map(_decode_message, lines))
    except NOT_JSON:
        return list(map(_message, lines))


def _message(line: bytes) -> _Message | None:
    try:
        return _decode_message(line)
    except NOT_JSON:
        return None


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
            StopError: If there were more rejects than `max_rejects`.
        """
        self.writer.finish()
        super().process_endofpipe()
        self._say_what_was_done()
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
            return
        for found in sorted_out(records):
            if isinstance(found, Upserts):
                self.writer.add_upserts(found)
                counter.value += len(found.lines)
            elif isinstance(found, PlainWrite):
                self.writer.add(found)
                counter.value += 1
            else:
                self._process_any_record(stream, found)

    def _process_any_record(self, stream: str, record: Any) -> None:
        """Hand a record to its sink: the SDK's own way without validation and date parsing."""
        if isinstance(record, msgspec.Raw):
            try:
                record = decode_json(record)
            except ValueError as error:
                message = f"a RECORD of the stream {stream} is not JSON"
                raise StopError(message) from error
        if not isinstance(record, dict):
            message = f"a RECORD of the stream {stream} is a {type(record).__name__}, not an object"
            raise StopError(message)
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
        signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        try:
            super()._write_state_message(state)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)

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
    """Return a validation message that does not show the key."""
    return "api_key must be a text" if problem.endswith("config['api_key']") else problem
