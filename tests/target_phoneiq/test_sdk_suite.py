"""The SDK's own test suite, against the sandbox."""

from __future__ import annotations

import pytest
from singer_sdk.testing import SuiteConfig, TargetTestRunner
from singer_sdk.testing.suites import target_tests
from singer_sdk.testing.target_tests import TargetRecordMissingKeyProperty
from target_phoneiq.target import TargetPhoneIQ


@pytest.mark.parametrize("template", [*target_tests.tests, TargetRecordMissingKeyProperty])
def test_target(settings, template):
    runner = TargetTestRunner(TargetPhoneIQ, config=settings)
    template().run(SuiteConfig(), None, runner)
