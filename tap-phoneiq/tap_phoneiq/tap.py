"""The tap: its settings, its streams, and the STATE messages that frame an extract."""

from __future__ import annotations

import sys
from datetime import datetime
from functools import cached_property
from io import StringIO
from typing import IO, TYPE_CHECKING, Any, ClassVar, NoReturn

from phoneiq_client import PhoneIQ
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import StateMessage

from tap_phoneiq.client import BufferedWriter, StopError, in_one_message
from tap_phoneiq.given import checked
from tap_phoneiq.streams import ContactFieldsStream, ContactsStream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from tap_phoneiq.client import PhoneIQStream


class TapPhoneIQ(Tap):
    """Singer tap for the contacts of a PhoneIQ account."""

    name = "tap-phoneiq"
    message_writer: BufferedWriter
    message_writer_class = BufferedWriter
    # The schema holds the account's custom fields, so discovery needs valid settings.
    dynamic_catalog = True

    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.DISCOVER,
        TapCapabilities.STATE,
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
            "start_date",
            th.DateTimeType,
            title="Start date",
            description=(
                "Contacts that were last changed before this time are left out while there is no "
                "later bookmark. Without it, every contact is read."
            ),
            examples=["2026-01-01T00:00:00Z"],
        ),
        th.Property(
            "page_size",
            th.IntegerType(minimum=1, maximum=500),
            default=500,
            title="Page size",
            description="Contacts a request, 1 to 500.",
        ),
        th.Property(
            "user_agent",
            th.StringType,
            title="User agent",
            description="Sent with every request; without it, `tap-phoneiq/<version>`.",
        ),
    ).to_dict()

    def __init__(self, *, config: Any = None, **kwargs: Any) -> None:
        """Check the settings.

        Args:
            config: The settings; one that is null is as good as absent.
            kwargs: As the SDK's `Tap` takes them.

        Raises:
            StopError: If a setting is missing or wrong.
        """
        if isinstance(config, dict):
            config = {name: value for name, value in config.items() if value is not None}
        try:
            super().__init__(config=config, **kwargs)
        except ConfigValidationError as error:
            raise StopError("; ".join(map(_without_key, error.errors))) from error
        except ValueError as error:
            message = f"a setting cannot be read from the environment: {error}"
            raise StopError(message) from error
        self._check_start_date()

    @classmethod
    def invoke(
        cls, *, state: IO[str] | None = None, catalog: IO[str] | None = None, **kwargs: Any
    ) -> None:
        """Run the tap as its command line says.

        Args:
            state: The file with the bookmarks.
            catalog: The file with the catalog.
            kwargs: As the SDK's `Tap` takes them.

        Raises:
            StopError: If the state or the catalog is none of this tap.
        """
        super().invoke(
            state=None if state is None else StringIO(checked("state", state)),
            catalog=None if catalog is None else StringIO(checked("catalog", catalog)),
            **kwargs,
        )

    @cached_property
    def api(self) -> PhoneIQ:
        """The session with PhoneIQ."""
        try:
            return PhoneIQ(
                self.config["api_url"],
                self.config["api_key"],
                user_agent=self.config.get("user_agent") or f"{self.name}/{self.plugin_version}",
            )
        except ValueError as error:
            raise StopError(str(error)) from error

    def discover_streams(self) -> Sequence[PhoneIQStream]:
        """Return the streams, with the fields that the account has now."""
        api = self.api
        with in_one_message():
            fields = api.contact_fields()
        return [ContactFieldsStream(self, fields), ContactsStream(self, fields)]

    def sync_all(self) -> None:  # type: ignore[misc]
        """Sync all streams, then say that the extract is complete.

        End of output proves nothing, a crash looks the same to whoever reads it. So the last
        message of a sync that went through is a STATE with `complete`, which no other STATE has.
        """
        super().sync_all()
        self.write_message(StateMessage(value={"bookmarks": {}, **self.state, "complete": True}))

    def _handle_termination(self, signum: int, frame: object) -> NoReturn:  # noqa: ARG002
        """End, and claim nothing: the SDK's STATE may be ahead of the records that were sent."""
        # Python passes on what is left at exit; it is no error where nobody is there any more.
        sys.stdout = None
        sys.exit(128 + signum)

    def _check_start_date(self) -> None:
        start_date = self.config.get("start_date")
        if start_date is None:
            return
        try:
            datetime.fromisoformat(start_date.replace("Z", "+00:00"))
        except ValueError as error:
            message = (
                f"start_date is {start_date!r}; it must be a date or a time in ISO 8601, "
                "such as 2026-01-01T00:00:00Z"
            )
            raise StopError(message) from error


def _without_key(problem: str) -> str:
    """Return a validation message that does not show the key, and says what to set."""
    if problem.endswith("config['api_key']"):
        return "api_key must be a text"
    for name in ("api_url", "api_key"):
        if problem == f"'{name}' is a required property":
            return f"{name} is not set: set it, or PHONEIQ_{name.upper()} in the environment"
    return problem
