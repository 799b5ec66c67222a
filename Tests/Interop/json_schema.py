"""Judges documents by a JSON Schema (draft 2020-12), as far as this project's schemas go: an unknown keyword is an error."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

NOTES = {"$schema", "$defs", "title", "description"}
TYPES = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def check(document, schema: Path):
    """Fails with the place and the reason of the first thing that the schema does not allow."""
    root = json.loads(schema.read_text())
    _check(document, root, root, "$")


def _check(value, rule, root, place: str):
    if rule is True:
        return
    assert rule is not False, f"{place} is not allowed"
    for keyword, demand in rule.items():
        if keyword in NOTES or keyword in ("properties", "additionalProperties"):
            continue
        if keyword == "$ref":
            assert demand.startswith("#/"), demand
            target = root
            for part in demand[2:].split("/"):
                target = target[part]
            _check(value, target, root, place)
        elif keyword == "type":
            wanted = demand if isinstance(demand, list) else [demand]
            assert any(TYPES[kind](value) for kind in wanted), f"{place} is no {demand}: {value!r}"
        elif keyword == "const":
            assert value == demand, f"{place} is not {demand!r}: {value!r}"
        elif keyword == "enum":
            assert value in demand, f"{place} is none of {demand}: {value!r}"
        elif keyword == "required":
            missing = [name for name in demand if name not in value]
            assert not missing, f"{place} has no {', '.join(missing)}"
        elif keyword == "items":
            for index, item in enumerate(value):
                _check(item, demand, root, f"{place}[{index}]")
        elif keyword in ("minItems", "maxItems"):
            assert len(value) >= demand if keyword == "minItems" else len(value) <= demand, f"{place} has {len(value)} items"
        elif keyword == "minimum":
            assert value >= demand, f"{place} is less than {demand}: {value}"
        elif keyword == "format":
            assert demand == "date-time", demand
            datetime.datetime.fromisoformat(value)
        else:
            raise AssertionError(f"the schema has the keyword {keyword}, which is not known here")
    if isinstance(value, dict):
        known = rule.get("properties", {})
        for name, item in value.items():
            if name in known or "additionalProperties" in rule:
                _check(item, known.get(name, rule.get("additionalProperties")), root, f"{place}.{name}")
