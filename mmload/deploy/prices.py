"""The table of prices of rented machines, with its date: deploy/terraform/aws/prices.json."""

from __future__ import annotations

from typing import Any

import msgspec

from mmload.deploy.terraform import module_folder


def prices() -> dict[str, Any]:
    """Of the installed package, else of the checkout."""
    found: dict[str, Any] = msgspec.json.decode((module_folder() / "prices.json").read_bytes())
    return found
