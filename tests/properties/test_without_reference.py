"""The machine where only phone numbers say whose record it is that the sync made."""

from __future__ import annotations

from tests.properties.machine import ContactSync, as_test

TestWithoutReference = as_test(ContactSync)
