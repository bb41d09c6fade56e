"""The document that states the API, and the model that is read from it."""

from __future__ import annotations

from importlib.resources import files

import msgspec
import pytest
import schemathesis
from phoneiq_client import contact_write, openapi, standard_fields

READ_ONLY = {"id", "created_at", "updated_at", "deleted_at", "version"}


def test_the_document_is_openapi_and_part_of_the_package():
    assert files("phoneiq_client").joinpath("openapi.yaml").is_file()
    schema = schemathesis.openapi.from_dict(openapi())
    operations = {operation.ok().label for operation in schema.get_all_operations()}
    assert operations == {
        "GET /v1/account",
        "GET /v1/contact_fields",
        "GET /v1/contacts",
        "POST /v1/contacts",
        "GET /v1/contacts/{id}",
        "PATCH /v1/contacts/{id}",
        "DELETE /v1/contacts/{id}",
        "POST /v1/contacts/batch",
    }


def test_what_can_be_written_is_what_is_not_read_only():
    schemas = openapi()["components"]["schemas"]
    fields = schemas["Contact"]["properties"].keys()
    assert schemas["Contact"]["required"] == [*fields]
    assert [*schemas["ContactWrite"]["properties"]] == [f for f in fields if f not in READ_ONLY]
    assert {field.key for field in standard_fields() if not field.writable} == READ_ONLY


def test_the_type_of_a_write_has_the_fields_of_the_document():
    written = msgspec.json.decode(b'{"first_name": null, "tags": ["a"]}', type=contact_write())
    assert msgspec.json.encode(written) == b'{"first_name":null,"tags":["a"]}'
    assert [*written.__struct_fields__] == [
        *openapi()["components"]["schemas"]["ContactWrite"]["properties"]
    ]
    for refused in (b'{"id": "pc_1"}', b'{"first_name": 1}', b'{"custom_fields": {"a": []}}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(refused, type=contact_write())


def test_standard_fields_say_what_the_document_says():
    fields = {field.key: field for field in standard_fields()}
    assert "custom_fields" not in fields
    assert (fields["email"].type, fields["email"].max_length) == ("email", 254)
    assert (fields["mobile_phone"].type, fields["mobile_phone"].max_length) == ("phone", 50)
    assert fields["tags"].type == "tags"
    assert fields["updated_at"].type == "datetime"
    assert fields["job_title"].label == "Job title"


def test_every_answer_carries_the_headers_of_its_request():
    document = openapi()
    for operations in document["paths"].values():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            for given in operation["responses"].values():
                name = given.get("$ref", "").rpartition("/")[2]
                answer = document["components"]["responses"].get(name, given)
                assert {"X-Request-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining"} <= (
                    answer["headers"].keys()
                )
