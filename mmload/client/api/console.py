"""What the system console asks on an administrator's behalf: logs, figures, statuses, the whole configuration, jobs."""

from __future__ import annotations

from typing import Any

import msgspec

from mmload.client.api.calls import Calls, query
from mmload.client.http import Route

_DOCUMENT = msgspec.json.Decoder(dict[str, Any])

_LOGS = Route("GET", "/logs")
_ANALYTICS = Route("GET", "/analytics/old")
_CLUSTER = Route("GET", "/cluster/status")
_PLUGINS = Route("GET", "/plugins/statuses", "plugins")
_GET_CONFIG = Route("GET", "/config")
_PUT_CONFIG = Route("PUT", "/config")
_JOBS = Route("POST", "/jobs", "jobs")


class ConsoleCalls(Calls):
    def logs(self, page: int = 0, per_page: int = 100) -> None:
        self._do(_LOGS, "/logs" + query(page=page, logs_per_page=per_page))

    def analytics(self) -> None:
        """The figures of the console's first page, of all teams together."""
        self._do(_ANALYTICS, "/analytics/old" + query(name="", team_id=""))

    def cluster_status(self) -> None:
        self._do(_CLUSTER, "/cluster/status")

    def plugin_statuses(self) -> None:
        self._do(_PLUGINS, "/plugins/statuses")

    def whole_config(self) -> dict[str, Any]:
        """The configuration as a document, to be changed and sent back; secrets in it are masked by the server."""
        return self._get(_GET_CONFIG, "/config", _DOCUMENT)

    def replace_config(self, config: dict[str, Any]) -> None:
        self._do(_PUT_CONFIG, "/config", config)

    def start_job(self, kind: str) -> None:
        self._do(_JOBS, "/jobs", {"type": kind})
