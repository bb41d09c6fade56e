"""`openapi.yaml` and the sandbox's PhoneIQ say the same, call by call."""

from __future__ import annotations

import copy
import itertools
import re

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from phoneiq_client.model import openapi
from schemathesis.checks import load_all_checks
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

load_all_checks()
config = schemathesis.Config()
# The document does not forbid parameters that it does not name; the key is ours to send.
config.projects.default.generation.allow_extra_parameters = False
config.projects.default.generation.with_security_parameters = False
document = schemathesis.openapi.from_dict(copy.deepcopy(openapi()), config=config)
keys = (f"key-{number}" for number in itertools.count())


@document.parametrize()
@settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_call_answers_as_the_document_says(case, sandbox_process):
    key = case.headers.get("Idempotency-Key", "")
    if re.fullmatch(r"[!-~]{1,255}", key):
        # A key that was used would get the answer to another example.
        case.headers["Idempotency-Key"] = next(keys)
    if re.fullmatch(r"pc_[a-z2-7]{12}", case.path_parameters.get("id", "")):
        # Nobody guesses an id, and answers of 404 show little.
        case.path_parameters["id"] = sandbox_process.admin.phoneiq.create(first_name="Ada")["id"]
    answer = case.call(
        base_url=sandbox_process.phoneiq_url,
        headers={"Authorization": f"Bearer {sandbox_process.phoneiq_key}"},
    )
    case.validate_response(answer, excluded_checks=beyond_a_schema(case, answer))


def beyond_a_schema(case, answer):
    """Return the checks that expect what only the document's prose rules out."""
    if answer.status_code < 400:
        # An operation of a batch is refused in its own result.
        return [negative_data_rejection] if case.path == "/v1/contacts/batch" else []
    error = answer.json()["error"]
    if error["code"] == "too_many_operations":
        return [negative_data_rejection]  # 413 is not among the statuses that it takes for a no
    if error["code"] == "invalid_cursor":
        return [positive_data_acceptance]
    if error["code"] == "version_mismatch":
        return [negative_data_rejection, positive_data_acceptance]  # nor is 412
    if (error["field"] or "").startswith("custom_fields."):
        return [positive_data_acceptance]  # they differ from account to account
    return []
