"""The table of prices of rented machines, with its date: deploy/terraform/aws/prices.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


def prices() -> dict[str, Any]:
    """Of the installed package, else of the checkout."""
    package = Path(__file__).resolve().parents[1]
    folders = (package / "terraform_aws", package.parent / "deploy" / "terraform" / "aws")
    file = next(folder / "prices.json" for folder in folders if (folder / "prices.json").is_file())
    found: dict[str, Any] = msgspec.json.decode(file.read_bytes())
    return found
