"""Makes operations.json: which query parameters and body properties each operation is known to take.

Usage: compact_operations.py API_DESCRIPTION_FOLDER RECORDINGS_FOLDER. Known is what Mattermost's API description
names, and what recorded requests carried that a real server accepted (the description leaves out much).
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
from typing import Any

import yaml

METHODS = ("get", "post", "put", "patch", "delete")


def definitions(folder: pathlib.Path) -> dict[str, Any]:
    """The named schemas."""
    text = (folder / "definitions.yaml").read_text()
    schemas: dict[str, Any] = yaml.safe_load(text)["components"]["schemas"]
    return schemas


def properties(schema: dict[str, Any], named: dict[str, Any]) -> list[str]:
    """The names of an object's (or a list element's) properties, references followed."""
    if "$ref" in schema:
        return properties(named.get(schema["$ref"].rsplit("/", 1)[1], {}), named)
    if schema.get("type") == "array":
        return properties(schema.get("items", {}), named)
    found = list(schema.get("properties", {}))
    for part in schema.get("allOf", []):
        found += properties(part, named)
    return found


def operation(description: dict[str, Any], named: dict[str, Any]) -> dict[str, list[str]]:
    """The query parameters and body properties of one operation."""
    query = [p["name"] for p in description.get("parameters", []) if p.get("in") == "query"]
    content = description.get("requestBody", {}).get("content", {})
    body = [name for kind in content.values() for name in properties(kind.get("schema", {}), named)]
    return {"query": sorted(set(query)), "body": sorted(set(body))}


def recorded(folder: pathlib.Path) -> dict[str, dict[str, set[str]]]:
    """The same of all accepted requests in the recordings."""
    found: dict[str, dict[str, set[str]]] = {}
    for file in sorted(folder.glob("*/http.jsonl")):
        for exchange in map(json.loads, file.read_text().splitlines()):
            path = re.sub(r"/(?:[a-z0-9]{26}|\d{13})(?=/|$)", "/{}", exchange["path"].removeprefix("/api/v4"))
            known = found.setdefault(f"{exchange['method']} {path}", {"query": set(), "body": set()})
            if exchange["status"] < 400:
                known["query"] |= set(exchange["query"] or ())
                body = exchange["request_body"]
                objects = body if isinstance(body, list) else [body]
                known["body"] |= {key for item in objects if isinstance(item, dict) for key in item}
    return found


def main(folder: pathlib.Path, recordings: pathlib.Path) -> None:
    named = definitions(folder)
    operations: dict[str, dict[str, list[str]]] = {}
    for file in sorted(folder.glob("*.yaml")):
        paths = yaml.safe_load(file.read_text())
        if not isinstance(paths, dict):
            continue
        for path, methods in paths.items():
            if path.startswith("/api/v4"):
                for method in set(METHODS) & set(methods):
                    name = re.sub(r"{[^}]*}", "{}", path.removeprefix("/api/v4"))
                    operations[f"{method.upper()} {name}"] = operation(methods[method], named)
    for key, known in recorded(recordings).items():
        described = operations.setdefault(key, {"query": [], "body": []})
        for part, names in known.items():
            described[part] = sorted({*described[part], *names})
    target = pathlib.Path(__file__).with_name("operations.json")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(operations[name])}" for name in sorted(operations))
    target.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
