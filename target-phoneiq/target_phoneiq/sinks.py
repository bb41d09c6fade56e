"""What becomes of the records of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoneiq_client import ErrorDetail
from singer_sdk.sinks import Sink

from target_phoneiq.writes import RecordWrite

if TYPE_CHECKING:
    from target_phoneiq.rejects import RejectFile
    from target_phoneiq.target import TargetPhoneIQ
    from target_phoneiq.writer import Writer


class PhoneIQSink(Sink):
    """Passes records on at once: the writer orders them across streams and schemas."""

    def __init__(self, target: TargetPhoneIQ, **kwargs: Any) -> None:
        """Set the sink up.

        Args:
            target: The target that the sink belongs to.
            kwargs: As the SDK's `Sink` takes them.
        """
        super().__init__(target, **kwargs)
        self.writer: Writer = target.writer
        self.rejects: RejectFile = target.rejects

    def get_validator(self) -> None:
        """Return none: PhoneIQ checks every field, and its refusals are kept one by one."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Pass on the records of a BATCH message's file.

        Args:
            context: Holds `records`.
        """
        for record in context["records"]:
            self.process_record(record, context)


class ContactsSink(PhoneIQSink):
    """Writes contacts."""

    def __init__(self, target: TargetPhoneIQ, **kwargs: Any) -> None:
        """Set the sink up.

        Args:
            target: The target that the sink belongs to.
            kwargs: As the SDK's `Sink` takes them.
        """
        # Whatever the stream's key: a new contact has no id yet, and its record may leave it out.
        super().__init__(target, **(kwargs | {"key_properties": []}))

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Queue the write that a record asks for.

        Args:
            record: The record.
            context: Not used.
        """
        self.writer.add(RecordWrite(self.stream_name, record))


class UnknownStreamSink(PhoneIQSink):
    """Rejects every record of a stream that PhoneIQ has no place for."""

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Reject a record.

        Args:
            record: The record.
            context: Not used.
        """
        message = "This target writes the stream contacts."
        error = ErrorDetail(code="unknown_stream", message=message)
        self.rejects.add(RecordWrite(self.stream_name, record), error)
