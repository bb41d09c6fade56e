"""The machine where Salesforce has a field for the contact's id."""

from __future__ import annotations

from tests.properties.machine import ContactSync, as_test
from tests.reconciler.platforms import EXTERNAL_ID


class WithReference(ContactSync):
    external_id = EXTERNAL_ID


TestWithReference = as_test(WithReference)
