"""The package is told apart by its names: a class name is found once, and CONTRIBUTING.md names what is there."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_no_class_name_is_defined_twice() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for package in ("mmload", "coordinator"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(f"{path.relative_to(ROOT)}:{node.lineno}")

    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_the_contributing_page_names_only_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    folders = ("mmload", "coordinator", "tests", "docs", "deploy")
    there = {f"/{path.relative_to(ROOT)}" for folder in folders for path in (ROOT / folder).rglob("*")}
    there |= {f"/{path.name}" for path in ROOT.iterdir()}
    files = set(re.findall(r"(?<![\w./-])[\w-][\w./-]*\.(?:py|json|jsonl|md|html|toml)\b", text))
    inner = set(re.findall(r"(?<![\w./-])[\w-][\w/-]*(?=/(?![\w-]))", text))

    missing = {name for name in files | inner if not any(path.endswith(f"/{name}") for path in there)}
    assert missing == set()


def test_the_contributing_page_names_every_module_of_the_package() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    layers = text.split("```")[1]
    modules = {
        path.name if path.is_file() else f"{path.name}/"
        for path in (ROOT / "mmload").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }

    named = {line.lstrip("| ").split()[0] for line in layers.splitlines() if line.strip()}
    assert modules - {"__init__.py", "__main__.py"} - named == set()
