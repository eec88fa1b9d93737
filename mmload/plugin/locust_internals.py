"""The one seam to Locust: every method that is replaced, every private name that is used, each with its reason.

`tests/plugin/test_locust_internals.py` names each and fails with a sentence when another Locust changes it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flask

_SWARM = "locust.swarm"


def guard_swarm(web_ui: Any, refusal: Callable[[], str]) -> None:
    """Have `/swarm` answer with `refusal()` where that is not empty. Locust says success before it starts anything."""
    swarm = web_ui.app.view_functions[_SWARM]

    def guarded() -> Any:
        reason = refusal()
        if not reason:
            return swarm()
        return flask.jsonify({"success": False, "message": reason, "host": web_ui.environment.host})

    # Whoever has to log in is asked to before anything of the settings is told.
    web_ui.app.view_functions[_SWARM] = web_ui.auth_required_if_enabled(guarded)
