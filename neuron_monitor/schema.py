"""The JSON Schema of a line of the stream, generated from the records."""

from __future__ import annotations

from typing import Any

import msgspec

from neuron_monitor.report import Report


def _without_null(properties: dict[str, dict[str, Any]]) -> None:
    """Remove null from the types: values that are not available are None in the records but numbers on the wire."""
    for name, schema in properties.items():
        kept = [option for option in schema.get("anyOf", ()) if option != {"type": "null"}]
        if len(kept) == 1:
            more = {key: value for key, value in schema.items() if key != "anyOf"}
            properties[name] = {**kept[0], **more}


def report_schema() -> dict[str, object]:
    """Return the schema (draft 2020-12) of a line."""
    (reference,), definitions = msgspec.json.schema_components([Report], ref_template="#/$defs/{name}")
    for name, definition in definitions.items():
        if name != "LatencyStats":
            _without_null(definition["properties"])
        # Fields with a default are always written; only groups that were not due are omitted.
        given = [name for name, schema in definition["properties"].items() if "default" in schema]
        definition["required"] = [*definition.get("required", []), *given]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of neuron-monitor",
        **reference,
        "$defs": definitions,
    }


def json_schema() -> str:
    """Return the schema as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report_schema()), indent=2).decode()
