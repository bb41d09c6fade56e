"""The metadata answers: the list of objects and the description of one."""

from __future__ import annotations

from typing import Any

from sandbox.salesforce.schema import NUMBER_TYPES, OBJECTS, Field, SObject

_SOAP_TYPES = {
    "id": "tns:ID",
    "reference": "tns:ID",
    "boolean": "xsd:boolean",
    "int": "xsd:int",
    "currency": "xsd:double",
    "double": "xsd:double",
    "date": "xsd:date",
    "datetime": "xsd:dateTime",
    "address": "urn:address",
}


def describe_global(version: str) -> dict[str, Any]:
    """Return the answer of ``GET …/sobjects``."""
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [_summary(each, version) for each in OBJECTS.values()],
    }


def describe_object(sobject: SObject, version: str) -> dict[str, Any]:
    """Return the answer of ``GET …/sobjects/<object>/describe``."""
    return {
        **_summary(sobject, version),
        "actionOverrides": [],
        "childRelationships": [],
        "compactLayoutable": True,
        "fields": [_field(sobject, each) for each in sobject.fields],
        "namedLayoutInfos": [],
        "networkScopeFieldName": None,
        "recordTypeInfos": [],
        "searchLayoutable": True,
        "supportedScopes": [{"label": f"All {sobject.plural}", "name": "everything"}],
    }


def describe_basic(sobject: SObject, version: str) -> dict[str, Any]:
    """Return the answer of ``GET …/sobjects/<object>``."""
    return {"objectDescribe": _summary(sobject, version), "recentItems": []}


def _summary(sobject: SObject, version: str) -> dict[str, Any]:
    url = f"/services/data/{version}/sobjects/{sobject.name}"
    return {
        "activateable": False,
        "createable": True,
        "custom": False,
        "customSetting": False,
        "deletable": True,
        "deprecatedAndHidden": False,
        "feedEnabled": True,
        "hasSubtypes": False,
        "isSubtype": False,
        "keyPrefix": sobject.prefix,
        "label": sobject.label,
        "labelPlural": sobject.plural,
        "layoutable": True,
        "mergeable": True,
        "mruEnabled": True,
        "name": sobject.name,
        "queryable": True,
        "replicateable": True,
        "retrieveable": True,
        "searchable": True,
        "triggerable": True,
        "undeletable": True,
        "updateable": True,
        "urls": {
            "sobject": url,
            "describe": f"{url}/describe",
            "rowTemplate": f"{url}/{{ID}}",
        },
    }


def _field(sobject: SObject, each: Field) -> dict[str, Any]:
    compound_of = next(
        (c.name for c in sobject.fields if each.name in {part for _, part in c.parts}), None
    )
    if each.name in {"FirstName", "LastName", "Salutation"}:
        compound_of = "Name"
    return {
        "aggregatable": not each.compound,
        "autoNumber": False,
        "byteLength": each.length * 3 if each.is_text else each.length,
        "calculated": False,
        "calculatedFormula": None,
        "cascadeDelete": False,
        "caseSensitive": each.unique,
        "compoundFieldName": compound_of,
        "createable": not each.read_only,
        "custom": each.custom,
        "defaultValue": bool(each.default) if each.type == "boolean" else None,
        "defaultedOnCreate": each.default is not None or each.type in {"id", "boolean"},
        "deprecatedAndHidden": False,
        "digits": 8 if each.type == "int" else 0,
        "externalId": each.external_id,
        "filterable": not each.compound,
        "groupable": not each.compound and each.type not in {"datetime", "textarea"},
        "idLookup": each.id_lookup or each.type == "id",
        "inlineHelpText": None,
        "label": each.label,
        "length": each.length,
        "name": each.name,
        "nameField": each.name == "Name",
        "namePointing": False,
        "nillable": each.nillable,
        "permissionable": each.custom,
        "picklistValues": [
            {"active": True, "defaultValue": False, "label": v, "validFor": None, "value": v}
            for v in each.picklist
        ],
        "polymorphicForeignKey": False,
        "precision": 18 if each.type in NUMBER_TYPES - {"int"} else 0,
        "queryByDistance": each.compound,
        "referenceTo": [each.refers_to] if each.type == "reference" and each.refers_to else [],
        "relationshipName": each.relationship,
        "restrictedPicklist": False,
        "scale": 0,
        "soapType": _SOAP_TYPES.get(each.type, "xsd:string"),
        "sortable": not each.compound,
        "type": each.type,
        "unique": each.unique,
        "updateable": not each.read_only,
        "writeRequiresMasterRead": False,
    }
