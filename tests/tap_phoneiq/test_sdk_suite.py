"""The SDK's own test suite, against the sandbox."""

from __future__ import annotations

import pytest
from singer_sdk.testing import SuiteConfig, TapTestRunner
from singer_sdk.testing.suites import tap_stream_attribute_tests, tap_stream_tests, tap_tests
from tap_phoneiq.tap import TapPhoneIQ

STREAMS = ("contacts", "contact_fields")


@pytest.fixture
def runner(box, settings):
    box.admin.reset(contacts=30)
    box.admin.phoneiq.create(
        first_name="Ada",
        tags=["a"],
        custom_fields={"customer_number": "C-1", "vip": True, "score": 1.5},
    )
    box.admin.phoneiq.delete(box.admin.phoneiq.list()[0]["id"])
    runner = TapTestRunner(TapPhoneIQ, config=settings)
    runner.sync_all()
    return runner


@pytest.mark.parametrize("template", tap_tests.tests)
def test_tap(runner, template):
    template().run(SuiteConfig(), None, runner)


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("template", tap_stream_tests.tests)
def test_stream(runner, template, stream):
    streams = runner.new_tap().streams
    template().run(SuiteConfig(), None, runner, stream=streams[stream])


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("template", tap_stream_attribute_tests.tests)
@pytest.mark.filterwarnings("ignore:No records were available to test.")
def test_stream_attributes(runner, template, stream):
    tested = runner.new_tap().streams[stream]
    for name, schema in tested.schema["properties"].items():
        if template.evaluate(stream=tested, property_name=name, property_schema=schema):
            template().run(SuiteConfig(), None, runner, stream=tested, attribute_name=name)
