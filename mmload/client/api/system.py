"""The server itself: its configuration for clients, licence, roles, plugins, performance reports.

What the system console asks on an administrator's behalf: logs, figures, statuses, the whole configuration, jobs.
"""

from __future__ import annotations

from typing import Any

from mmload.client.api.calls import Calls, Endpoint
from mmload.client.http.client import Route, content_of

_CLIENT_CONFIG = Endpoint("GET", "/config/client", answer=dict[str, str])
_CLIENT_LICENSE = Endpoint("GET", "/license/client", answer=dict[str, str])
_CONFIG = Endpoint("GET", "/config", answer=dict[str, Any])
_ROLES = Route("POST", "/roles/names")
_WEBAPP_PLUGINS = Route("GET", "/plugins/webapp", "plugins")
_CLIENT_PERFORMANCE = Route("POST", "/client_perf", "client performance reports")
_LIMITS = Route("GET", "/limits/server", "server limits")
_NOTICES = Route("GET", "/system/notices/{team_id}")
# Only administrators may ask; everybody's client does.
_TRIAL_LICENSE = Route("GET", "/trial-license/prev", expected=(403,))
_AGENTS = Route("GET", "/agents", "AI agents")
_AGENTS_STATUS = Route("GET", "/agents/status", "AI agents")
_SITE = Route("GET", "site page")
_ASSET = Route("GET", "site asset")
# Of the system console.
_LOGS = Route("GET", "/logs")
_ANALYTICS = Route("GET", "/analytics/old")
_CLUSTER = Route("GET", "/cluster/status")
_PLUGINS = Route("GET", "/plugins/statuses", "plugins")
_PUT_CONFIG = Route("PUT", "/config")
_JOBS = Route("POST", "/jobs", "jobs")


class SystemCalls(Calls):
    def client_config(self) -> dict[str, str]:
        """What the server tells its clients about itself. `format=old` is the form that every version answers."""
        return self._get(_CLIENT_CONFIG, format="old")

    def client_license(self) -> dict[str, str]:
        return self._get(_CLIENT_LICENSE, format="old")

    def server_config(self) -> None:
        """The whole configuration: administrators' web clients load it."""
        self._do(_CONFIG)

    def roles(self, names: list[str]) -> None:
        self._do(_ROLES, body=names)

    def webapp_plugins(self) -> None:
        self._do(_WEBAPP_PLUGINS)

    def server_limits(self) -> None:
        self._do(_LIMITS)

    def notices(self, team_id: str, client_version: str) -> None:
        """What the server tells all users of the web application, once each."""
        self._do(_NOTICES, team_id, client="web", clientVersion=client_version)

    def trial_license(self) -> None:
        """Whether there was a trial: the server tells only administrators, but every client asks."""
        self._do(_TRIAL_LICENSE)

    def agents(self) -> None:
        self._do(_AGENTS)

    def agents_status(self) -> None:
        self._do(_AGENTS_STATUS)

    def report_performance(self, report: dict[str, Any]) -> None:
        self._do(_CLIENT_PERFORMANCE, body=report)

    def site_page(self, path: str = "/") -> str:
        """The page that loads the web application, the same at each path outside `/api` and `/static`."""
        return content_of(self.rest.fetch(_SITE, path), _SITE).decode("utf-8", "replace")

    def site_script(self, path: str) -> str:
        """A script of the page, to be read; `path` begins with a slash."""
        return content_of(self.rest.fetch(_ASSET, path), _ASSET).decode("utf-8", "replace")

    def site_file(self, path: str) -> int:
        """A static file that nobody reads: how many bytes came."""
        return self.rest.fetch(_ASSET, path, keep=False).size

    def logs(self) -> None:
        self._do(_LOGS, page=0, logs_per_page=100)

    def analytics(self) -> None:
        """The figures of the console's first page, of all teams together."""
        self._do(_ANALYTICS, name="", team_id="")

    def cluster_status(self) -> None:
        self._do(_CLUSTER)

    def plugin_statuses(self) -> None:
        self._do(_PLUGINS)

    def whole_config(self) -> dict[str, Any]:
        """The configuration as a document, to be changed and sent back; secrets in it are masked by the server."""
        return self._get(_CONFIG)

    def replace_config(self, config: dict[str, Any]) -> None:
        self._do(_PUT_CONFIG, body=config)

    def start_job(self, kind: str) -> None:
        self._do(_JOBS, body={"type": kind})
