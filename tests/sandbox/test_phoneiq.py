"""The PhoneIQ side, over HTTP."""

from __future__ import annotations

import requests


def test_smoke(box):
    made = box.admin.phoneiq.create(first_name="Ada", salesforce_id="003000000000001AAA")
    answer = requests.get(
        f"{box.phoneiq_url}/v1/contacts", headers={"Authorization": f"Bearer {box.phoneiq_key}"}
    )
    assert answer.json()["data"] == [made]
