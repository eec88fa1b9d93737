"""The server itself: its configuration for clients, licence, roles, plugins, performance reports.

What the system console asks on an administrator's behalf: logs, figures, statuses, the whole configuration, jobs.
"""

from __future__ import annotations

from typing import Any

import msgspec

from mmload.client.api.calls import Calls, query
from mmload.client.http.client import HttpAnswer, Route

_STRINGS = msgspec.json.Decoder(dict[str, str])

_CLIENT_CONFIG = Route("GET", "/config/client")
_CLIENT_LICENSE = Route("GET", "/license/client")
_CONFIG = Route("GET", "/config")
_ROLES = Route("POST", "/roles/names")
_WEBAPP_PLUGINS = Route("GET", "/plugins/webapp", "plugins")
_CLIENT_PERFORMANCE = Route("POST", "/client_perf", "client performance reports")
_SITE = Route("GET", "site page")
_ASSET = Route("GET", "site asset")


class SystemCalls(Calls):
    def client_config(self) -> dict[str, str]:
        """What the server tells its clients about itself. `format=old` is the form that every version answers."""
        return self._get(_CLIENT_CONFIG, "/config/client" + query(format="old"), _STRINGS)

    def client_license(self) -> dict[str, str]:
        return self._get(_CLIENT_LICENSE, "/license/client" + query(format="old"), _STRINGS)

    def server_config(self) -> None:
        """The whole configuration: administrators' web clients load it."""
        self._do(_CONFIG, "/config")

    def roles(self, names: list[str]) -> None:
        self._do(_ROLES, "/roles/names", names)

    def webapp_plugins(self) -> None:
        self._do(_WEBAPP_PLUGINS, "/plugins/webapp")

    def report_performance(self, report: dict[str, Any]) -> None:
        self._do(_CLIENT_PERFORMANCE, "/client_perf", report)

    def site_page(self) -> HttpAnswer:
        """The page that loads the web application."""
        return self.rest.fetch(_SITE, "/")

    def site_asset(self, path: str) -> HttpAnswer:
        """A script or style sheet that the page names; `path` begins with a slash."""
        return self.rest.fetch(_ASSET, path)


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
