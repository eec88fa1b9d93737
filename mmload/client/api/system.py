"""The server itself: its configuration for clients, licence, roles, plugins, performance reports."""

from __future__ import annotations

from typing import Any

import msgspec

from mmload.client.api.calls import Calls, query
from mmload.client.http import Answer, Route

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

    def site_page(self) -> Answer:
        """The page that loads the web application."""
        return self.rest.fetch(_SITE, "/")

    def site_asset(self, path: str) -> Answer:
        """A script or style sheet that the page names; `path` begins with a slash."""
        return self.rest.fetch(_ASSET, path)
