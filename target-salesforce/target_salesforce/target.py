"""The Singer target: settings, input, STATE, and how a run ends."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import click
import msgspec
from singer_sdk import typing as th
from singer_sdk.contrib.msgspec import encoder
from singer_sdk.exceptions import ConfigValidationError, SingerSDKError
from singer_sdk.helpers.capabilities import PluginCapabilities
from singer_sdk.target_base import Target

from target_salesforce.description import Description
from target_salesforce.errors import RunStoppedError
from target_salesforce.login import login_from
from target_salesforce.messages import ENDING, INPUT_ERRORS, MessageReader, read_to_end
from target_salesforce.rejects import RejectFile
from target_salesforce.session import SalesforceSession
from target_salesforce.sinks import SalesforceSink

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum


_SETTINGS = th.PropertiesList(
    th.Property(
        "client_id",
        th.StringType,
        title="Client ID",
        description="Consumer key of the connected app.",
    ),
    th.Property(
        "client_secret",
        th.StringType,
        secret=True,
        title="Client secret",
        description="Consumer secret of the connected app.",
    ),
    th.Property(
        "refresh_token",
        th.StringType,
        secret=True,
        title="Refresh token",
        description="OAuth refresh token, for a login with client_id and client_secret.",
    ),
    th.Property(
        "username",
        th.StringType,
        title="User name",
        description="User name, for a login with password.",
    ),
    th.Property(
        "password",
        th.StringType,
        secret=True,
        title="Password",
        description="Password of the user.",
    ),
    th.Property(
        "security_token",
        th.StringType,
        secret=True,
        title="Security token",
        description="Security token of the user; not needed from a trusted network.",
    ),
    th.Property(
        "jwt_client_id",
        th.StringType,
        title="JWT client ID",
        description="Consumer key of the connected app, for a login with a signed JWT.",
    ),
    th.Property(
        "jwt_username",
        th.StringType,
        title="JWT user name",
        description="The user to log in as, pre-authorised for the connected app.",
    ),
    th.Property(
        "jwt_private_key",
        th.StringType,
        secret=True,
        title="JWT private key",
        description="RSA private key in PEM format whose certificate the connected app has.",
    ),
    th.Property(
        "domain",
        th.StringType,
        default="login",
        title="Domain",
        description=(
            "Login host without .salesforce.com: 'login', 'test' for a sandbox, or the "
            "organisation's own such as 'mycompany.my'."
        ),
    ),
    th.Property(
        "is_sandbox",
        th.BooleanType,
        title="Sandbox",
        description="Older name for domain: true is 'test', false is 'login'.",
    ),
    th.Property(
        "external_id_field",
        th.StringType,
        title="External id field",
        description=(
            "Field that finds a record without Id, such as 'PhoneIQ_Contact_ID__c'. A record "
            "with a value in it is upserted, one without is inserted."
        ),
    ),
    th.Property(
        "action",
        th.StringType,
        allowed_values=["insert", "update", "upsert", "delete"],
        title="Action",
        description=(
            "Restricts what may happen to one action. Without it each record decides: with Id "
            "update, else upsert by external_id_field, else insert; _sdc_deleted_at deletes. "
            "hard_delete is not there: it passes over the recycle bin."
        ),
    ),
    th.Property(
        "bulk_threshold",
        th.IntegerType(minimum=1),
        default=2000,
        title="Bulk threshold",
        description=(
            "From this many records of one kind in a batch on, Bulk API 2.0 is used; below it "
            "sObject Collections, 200 records a request."
        ),
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        default=SalesforceSink.MAX_SIZE_DEFAULT,
        title="Batch size",
        description="Records of a stream that are gathered before they are written.",
    ),
    th.Property(
        "allow_duplicates",
        th.BooleanType,
        default=False,
        title="Allow duplicates",
        description="Save a record although a duplicate rule of the kind that warns finds others.",
    ),
    th.Property(
        "rejects_path",
        th.StringType,
        default="rejects-target-salesforce.jsonl",
        title="Reject file",
        description="JSON lines file that records which are not written are appended to.",
    ),
    th.Property(
        "max_rejects",
        th.IntegerType(minimum=0),
        title="Most rejects",
        description="With more rejects than this the run fails at its end. Default: no limit.",
    ),
    th.Property(
        "allow_failures",
        th.BooleanType,
        title="Allow failures",
        description="Older name: false is max_rejects 0, true is no limit.",
    ),
    th.Property(
        "use_raw_stream_names",
        th.BooleanType,
        default=False,
        title="Raw stream names",
        description="Take the whole stream name for the object, not its part after the last '-'.",
    ),
).to_dict()


class TargetSalesforce(Target):
    """Singer target for Salesforce: creates, updates, upserts and deletes records."""

    name = "target-salesforce"
    config_jsonschema: ClassVar[dict[str, Any]] = _SETTINGS
    default_sink_class = SalesforceSink
    message_reader_class = MessageReader
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, **kwargs: Any) -> None:
        """See the SDK's Target.

        Raises:
            ConfigValidationError: a setting has a value that is not allowed.
        """
        # Before a signal can come.
        self._reader = MessageReader()
        super().__init__(message_reader=self._reader, **kwargs)
        # Streams are written one after the other, in the order of their SCHEMA messages, so that
        # accounts are there before their contacts.
        self.max_parallelism = 1
        self._check_settings()
        secrets = [
            self.config[name]
            for name, setting in _SETTINGS["properties"].items()
            if setting.get("secret") and isinstance(self.config.get(name), str)
        ]
        self.session = SalesforceSession(login_from(self.config), self.logger, secrets)
        self.rejects = RejectFile(self.config["rejects_path"])
        # What is written, of all streams: created, updated, deleted.
        self.counts: Counter[str] = Counter()
        # Whether a batch was written since the last STATE.
        self._has_written = False
        self._descriptions: dict[str, Description] = {}
        self._started = time.monotonic()

    def _check_settings(self) -> None:
        errors = []
        folder = Path(self.config["rejects_path"]).absolute().parent
        if not folder.is_dir():
            errors.append(f"rejects_path: the folder {str(folder)!r} does not exist")
        max_rejects = self.config.get("max_rejects")
        if self.config.get("allow_failures") is False and max_rejects:
            errors.append(
                f"allow_failures: found false together with max_rejects {max_rejects}; set "
                f"max_rejects alone"
            )
        if errors:
            raise ConfigValidationError("; ".join(errors), errors=errors)

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check settings against their schema, without quoting a secret in the error."""
        try:
            return super()._validate_config(raise_errors=raise_errors)
        except ConfigValidationError as error:
            secrets = [
                repr(self._config[name])
                for name, setting in _SETTINGS["properties"].items()
                if setting.get("secret") and name in self._config
            ]
            messages = list(error.errors)
            for secret in secrets:
                messages = [message.replace(secret, "the value") for message in messages]
            raise ConfigValidationError(
                "Config validation failed", errors=messages, schema=error.schema
            ) from None

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, Any]) -> None:
        """Add the SDK's settings, but for two that mean nothing here."""
        super().append_builtin_config(config_jsonschema)
        for name in ("add_record_metadata", "load_method"):
            config_jsonschema["properties"].pop(name, None)

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command with an option of ours."""
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--permissions"],
                multiple=True,
                metavar="OBJECT",
                help="Print as JSON what the user of the connection may write to an object "
                "(repeatable), and exit.",
            )
        )
        return command

    @classmethod
    def invoke(cls, *, permissions: tuple[str, ...] = (), **kwargs: Any) -> None:
        """Run the target; what a user can cause ends in one line and exit code 1."""
        try:
            if permissions:
                given = kwargs["config"]
                target = cls(config=given.config, parse_env_config=given.parse_env)
                found = {name: target.describe(name).permissions() for name in permissions}
                print(msgspec.json.encode(found).decode())  # noqa: T201
                return
            with read_to_end(None if kwargs.get("file_input") else sys.stdin.buffer):
                super().invoke(**kwargs)
        except ConfigValidationError:
            # The SDK says each thing that is wrong with the settings.
            raise
        except (*INPUT_ERRORS, RunStoppedError, SingerSDKError) as error:
            cls.logger.error("%s", error)  # noqa: TRY400
            sys.exit(1)

    def describe(self, name: str) -> Description:
        """Return what Salesforce says of an object; it is asked once.

        Raises:
            RunStoppedError: there is no such object.
        """
        if name not in self._descriptions:
            self._descriptions[name] = Description.read(self.session, name)
        return self._descriptions[name]

    def note_written(self) -> None:
        """Let STATE follow a batch."""
        self._has_written = True

    def process_endofpipe(self) -> None:
        """Write what is left, then say what became of all.

        Raises:
            InvalidInputLine: a message of the input, or an exception of the SDK for it.
            RunStoppedError: more rejects than `max_rejects` allows.
            SystemExit: a signal ended the input.
        """
        super().process_endofpipe()
        self._finish()
        if self._reader.problem is not None:
            raise self._reader.problem
        signum = self._reader.signal
        if signum is not None:
            self.logger.warning("Ended by signal %d; the next run reads the rest", signum)
            sys.exit(128 + signum)
        limit = self.config.get("max_rejects")
        if limit is None and self.config.get("allow_failures") is False:
            limit = 0
        rejected = self.rejects.counts.total()
        if limit is not None and rejected > limit:
            raise RunStoppedError(
                f"{rejected} records were rejected, max_rejects allows {limit}; see "
                f"{self.config['rejects_path']}"
            )

    def _finish(self) -> None:
        self.session.close()
        self.rejects.close()
        rejected = self.rejects.counts
        codes = ", ".join(f"{code} {number}" for code, number in rejected.most_common())
        self.logger.info(
            "written=%d created=%d updated=%d deleted=%d rejected=%d%s seconds=%.1f%s",
            self.counts.total(),
            self.counts["created"],
            self.counts["updated"],
            self.counts["deleted"],
            rejected.total(),
            f" ({codes})" if codes else "",
            time.monotonic() - self._started,
            f", rejects are in {self.config['rejects_path']}" if codes else "",
        )

    def _process_schema_message(self, message_dict: dict[str, Any]) -> None:
        super()._process_schema_message(message_dict)
        # The SDK writes an outdated sink last, when the new one may have written already.
        if self._sinks_to_clear:
            self.drain_all()

    def _process_activate_version_message(self, message_dict: dict[str, Any]) -> None:
        """Ignore table versions: absence is never a deletion."""

    def _handle_max_record_age(self) -> None:
        """Emit STATE after every full batch, but for the last one: the end does that."""
        if self._has_written and self._reader.signal is None:
            self.drain_all()
            self._has_written = False
        super()._handle_max_record_age()

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """Write what was read and emit its STATE; a batch on its way is finished first."""
        del frame
        self._reader.end(signum)

    def _write_state_message(self, state: dict[str, Any]) -> None:
        """Emit STATE; the SDK's own way fails on decimal numbers."""
        line = encoder.encode(state).decode() + "\n"
        # A signal would cut the line short where Python does not buffer its output.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        try:
            sys.stdout.write(line)
            sys.stdout.flush()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
