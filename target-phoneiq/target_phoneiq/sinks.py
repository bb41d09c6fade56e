"""What becomes of the records of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from phoneiq_client import ErrorDetail
from singer_sdk.sinks import Sink

from target_phoneiq.errors import InputError
from target_phoneiq.writes import STREAM, RecordWrite

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_phoneiq.rejects import RejectFile
    from target_phoneiq.target import TargetPhoneIQ
    from target_phoneiq.writer import Writer

_KEYS: Final = ("id", "salesforce_id")
"""The fields that a contact is found by."""


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
        """Pass on records that were gathered; none are, but the SDK asks for it.

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

        Raises:
            InputError: If the stream's key is none that finds a contact.
        """
        _check_keys(kwargs["schema"], kwargs.get("key_properties") or [])
        # Whichever of the two it is: a new contact has no id yet, and its record may leave it out.
        super().__init__(target, **(kwargs | {"key_properties": []}))

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:  # noqa: ARG002
        """Queue the write that a record asks for.

        Args:
            record: The record.
            context: Not used.
        """
        self.writer.add(RecordWrite(self.stream_name, record))


def _check_keys(schema: dict[str, Any], keys: Sequence[str]) -> None:
    """Refuse a key that would be passed over: each contact would be created again.

    Raises:
        InputError: If no contact is found by it, or the schema does not have it.
    """
    named = f"the stream {STREAM!r} has key_properties {list(keys)}"
    if any(key not in _KEYS for key in keys):
        message = (
            f"{named}; contacts are found by {' or '.join(_KEYS)}. Change the key with stream_maps "
            "(__key_properties__), or leave it out to create every contact"
        )
        raise InputError(message)
    if missing := [key for key in keys if key not in schema["properties"]]:
        message = f"{named}, but its schema has no property {missing[0]!r}"
        raise InputError(message)


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
