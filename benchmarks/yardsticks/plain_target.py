"""A target of the Singer SDK as it comes, with a sink that does nothing.

python -m benchmarks.yardsticks.plain_target < MESSAGES
"""

from __future__ import annotations

from typing import Any, ClassVar

from singer_sdk import Target
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink


class NothingSink(BatchSink):
    """Takes batches and does nothing with them."""

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing."""


class PlainTarget(Target):
    """The SDK's own reading, validation and batching."""

    name = "plain-target"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList().to_dict()
    default_sink_class = NothingSink


if __name__ == "__main__":
    PlainTarget.cli()
