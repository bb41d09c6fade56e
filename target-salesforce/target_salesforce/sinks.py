"""One sink for each stream: collects records and hands full batches to the loader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import MissingKeyPropertiesError
from singer_sdk.singerlib.exceptions import InvalidInputLine
from singer_sdk.sinks import BatchSink

from target_salesforce.bulk import Bulk
from target_salesforce.loader import Loader
from target_salesforce.sobject_collections import Collections
from target_salesforce.writes import Planner

if TYPE_CHECKING:
    from target_salesforce.target import TargetSalesforce


class SalesforceSink(BatchSink):
    """Writes one stream to the object that it is named after."""

    # Salesforce has no such fields; a tombstone keeps its mark, see below.
    include_sdc_metadata_properties = False

    MAX_SIZE_DEFAULT = 10_000

    target: TargetSalesforce

    def __init__(self, target: TargetSalesforce, **kwargs: Any) -> None:
        super().__init__(target=target, **kwargs)
        self.target = target
        self._required_keys = [key for key in self.key_properties if key != "Id"]
        self._check_keys()
        # Not in `setup`: the SDK logs a line of its own about what fails there.
        self._prepare()

    def _prepare(self) -> None:
        """Read what Salesforce says of the object.

        Raises:
            RunStoppedError: no such object, or no such external id field.
        """
        config = self.config
        name = self.stream_name
        if not config.get("use_raw_stream_names"):
            # Singer's habit for streams of databases: schema-table.
            name = name.rpartition("-")[2]
        description = self.target.describe(name)
        external_id_field = config.get("external_id_field")
        if external_id_field:
            external_id_field = description.external_id_field(external_id_field).name
        self._planner = Planner(
            description,
            external_id_field=external_id_field,
            action=config.get("action"),
            logger=self.logger,
        )
        allow_duplicates = bool(config.get("allow_duplicates"))
        self._loader = Loader(
            stream=self.stream_name,
            collections=Collections(
                self.target.session,
                description.name,
                external_id_field=external_id_field,
                allow_duplicates=allow_duplicates,
            ),
            bulk=Bulk(
                self.target.session,
                description.name,
                external_id_field=external_id_field,
                logger=self.logger,
            ),
            bulk_threshold=config["bulk_threshold"],
            allow_duplicates=allow_duplicates,
            rejects=self.target.rejects,
            counts=self.target.counts,
            logger=self.logger,
        )

    def _check_keys(self) -> None:
        """Refuse a key that would be passed over: each record would be created again.

        Raises:
            InvalidInputLine: no record is found by it.
        """
        if self.config.get("action") == "insert":
            # Nothing is to be found.
            return
        external_id_field = self.config.get("external_id_field")
        allowed = ["Id", external_id_field] if external_id_field else ["Id"]
        folded = {name.lower() for name in allowed}
        named = f"the stream {self.stream_name!r} has key_properties {list(self.key_properties)}"
        if any(key.lower() not in folded for key in self.key_properties):
            advice = (
                "" if external_id_field else ", or the field that external_id_field names, once set"
            )
            raise InvalidInputLine(
                f"{named}; records are found by {' or '.join(allowed)}{advice}. Change the key "
                f"with stream_maps (__key_properties__), or leave it out to insert every record"
            )
        properties = self.original_schema["properties"]
        if missing := [key for key in self.key_properties if key not in properties]:
            raise InvalidInputLine(f"{named}, but its schema has no property {missing[0]!r}")

    def process_batch(self, context: dict[str, Any]) -> None:
        """Write a batch; every record is in Salesforce or in the reject file afterwards.

        Args:
            context: holds the batch's `records`, if it has any.

        Raises:
            RunStoppedError: nothing more can be written.
        """
        records = context.get("records", ())
        self._loader.load([self._planner.plan(record) for record in records])
        self.target.note_written()

    # The SDK's work for each record that Salesforce does itself, or that would spoil values.

    def get_validator(self) -> None:
        """Leave validation to Salesforce, which knows the object's real rules."""

    def _validate_and_parse(self, record: dict[str, Any]) -> dict[str, Any]:
        """Leave dates the text that they are."""
        return record

    def _remove_sdc_metadata_from_record(self, record: dict[str, Any]) -> None:
        """Keep `_sdc_deleted_at`; the planner passes over the others."""

    def _singer_validate_message(self, record: dict[str, Any]) -> None:
        """Ask for the keys of a record, but not for the Id that a new one can't have yet.

        Raises:
            MissingKeyPropertiesError: another key is missing.
        """
        for key in self._required_keys:
            if key not in record:
                raise MissingKeyPropertiesError(
                    f"Stream {self.stream_name!r}: a record lacks its key {key!r}; it has "
                    f"{', '.join(record)}"
                )
