"""The job through Meltano with a ledger on PostgreSQL, in the environment for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Project

pytestmark = pytest.mark.pipeline


def test_the_job_in_the_environment_shared(project: Project, place: Callable[[], str]) -> None:
    box, admin = project.box, project.box.admin
    env = {
        "MELTANO_ENVIRONMENT": "shared",
        "PHONEIQ_API_URL": box.phoneiq_url,
        "PHONEIQ_API_KEY": "sandbox-phoneiq-key",
        "SALESFORCE_CLIENT_ID": "sandbox-client-id",
        "SALESFORCE_CLIENT_SECRET": "sandbox-client-secret",
        "SALESFORCE_REFRESH_TOKEN": "sandbox-refresh-token",
        "SALESFORCE_EXTERNAL_ID_FIELD": "PhoneIQ_Contact_ID__c",
        "RECONCILER_LEDGER_URL": place(),
        "REQUESTS_CA_BUNDLE": str(box.ca_bundle),
    }
    env |= dict.fromkeys(("HTTPS_PROXY", "https_proxy"), box.proxy_url)
    env |= dict.fromkeys(("NO_PROXY", "no_proxy"), "")
    ada = admin.salesforce.create("Contact", FirstName="Ada", LastName="R", Phone="+14155552671")
    admin.phoneiq.create(first_name="Kim", last_name="Sato", mobile_phone="+442079460123")
    project.sync(**env)

    assert {contact["first_name"] for contact in admin.phoneiq.list()} == {"Ada", "Kim"}
    assert len(admin.salesforce.list("Contact")) == 2
    assert list((project.folder / ".meltano").glob("contact-sync*")) == []
    told = project.meltano("invoke", "reconciler:explain", ada["Id"], **env)
    assert told.code == 0, told.log
    assert env["RECONCILER_LEDGER_URL"] not in "".join(project.logs)
