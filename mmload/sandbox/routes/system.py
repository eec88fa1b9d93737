"""The server itself: what a client asks first (ping, configuration, licence), and what only a system admin may see."""

from __future__ import annotations

import json

from mmload.sandbox import accounts, shapes
from mmload.sandbox.errors import ApiError, bad_body
from mmload.sandbox.http import NEVER_STORED, OK, ApiAnswer, Call, Routes
from mmload.sandbox.state import Document
from mmload.sandbox.world import World

api = Routes()


@api.add("GET", "/system/ping", open_to_all=True)
def get_system_ping(call: Call) -> ApiAnswer:
    document: Document = {"ActiveSearchBackend": "database"} if call.world.modern else {}
    for name in ("AndroidLatestVersion", "AndroidMinVersion", "IosLatestVersion", "IosMinVersion"):
        document[name] = ""
    if call.flag("get_server_status"):
        document |= {"database_status": "OK", "filestore_status": "OK"}
    return ApiAnswer({**document, "status": "OK"})


# Settings that clients are told of, by their names in the client configuration.
_CLIENT_SETTINGS = {
    **{name: ("ServiceSettings", name) for name in ("EnableUserStatuses", "EnableUserTypingMessages")},
    **{name: ("ServiceSettings", name) for name in ("PostEditTimeLimit", "AllowSyncedDrafts", "CollapsedThreads")},
    "EnableFileAttachments": ("FileSettings", "EnableFileAttachments"),
    "EnableCustomUserStatuses": ("TeamSettings", "EnableCustomUserStatuses"),
    "PasswordMinimumLength": ("PasswordSettings", "MinimumLength"),
    **{f"PasswordRequire{name}": ("PasswordSettings", name) for name in ("Lowercase", "Uppercase", "Number", "Symbol")},
}


def client_config(world: World, *, signed_in: bool) -> Document:
    """What clients may know of the configuration; those signed in get more."""
    recorded = world.documents["client_config" if signed_in else "client_config_public"]
    options = world.options
    document: Document = {**recorded, "SiteURL": world.site_url} if "SiteURL" in recorded else dict(recorded)
    for name, (section, key) in _CLIENT_SETTINGS.items():
        value = world.setting(section, key)
        if name in document and value is not None:
            document[name] = value if isinstance(value, str) else json.dumps(value)
    document["EnableUserCreation"] = str(options.signup_open).lower()
    document["EnableOpenServer"] = str(options.server_open).lower()
    if options.licensed:
        document["BuildEnterpriseReady"] = "true"
        if options.modern:
            document |= {"ScheduledPosts": "true", "PostAcknowledgements": "true", "PostPriority": "true"}
    return document


@api.add("GET", "/config/client", open_to_all=True)
def get_client_config(call: Call) -> ApiAnswer:
    if not call.world.modern and call.query.get("format") != "old":
        raise ApiError(
            501,
            "api.config.client.old_format.app_error",
            "New format for the client configuration is not supported yet. "
            "Please specify format=old in the query string.",
        )
    return ApiAnswer(client_config(call.world, signed_in=call.signed_in is not None))


@api.add("GET", "/license/client", open_to_all=True)
def get_client_license(call: Call) -> ApiAnswer:
    if call.query.get("format") != "old" and not call.world.modern:
        raise ApiError(
            501,
            "api.license.client.old_format.app_error",
            "New format for the client license is not supported yet. Please specify format=old in the query string.",
        )
    if not call.world.options.licensed:
        return ApiAnswer({"IsLicensed": "false"})
    return ApiAnswer({"IsLicensed": "true", "SkuShortName": "enterprise", "IsTrial": "false", "Users": "100000"})


@api.add("POST", "/roles/names")
def get_roles_by_names(call: Call) -> ApiAnswer:
    wanted = set(call.texts("rolenames"))
    if not wanted:
        raise bad_body("rolenames")
    return ApiAnswer([role for role in call.world.documents["roles"] if role["name"] in wanted])


@api.add("GET", "/plugins/webapp", open_to_all=True)
def get_webapp_plugins(call: Call) -> ApiAnswer:
    # The recorded 6.7 ran without plugins.
    if not call.world.modern:
        message = "Plugins have been disabled. Please check your logs for details."
        raise ApiError(501, "app.plugin.disabled.app_error", message)
    return ApiAnswer([])


@api.add("POST", "/client_perf", modern_only=True)
def submit_performance_report(call: Call) -> ApiAnswer:
    call.document("performance report")
    return ApiAnswer(content=b"")


@api.add("GET", "/limits/server", modern_only=True)
def get_server_limits(call: Call) -> ApiAnswer:
    admin = call.user.is_admin
    limit = call.world.options.account_limit if admin else 0
    return ApiAnswer(
        {
            # Newer servers warn first: a free 11.6 from 200 accounts on, and refuses more than 250.
            "maxUsersLimit": limit * 4 // 5,
            "maxUsersHardLimit": limit,
            "activeUserCount": len(call.world.state.users) if admin else 0,
            "singleChannelGuestCount": 0,
            "singleChannelGuestLimit": 0,
            "postHistoryLimit": 0,
            "lastAccessiblePostTime": 0,
        }
    )


@api.add("GET", "/system/notices/{team_id}")
def get_product_notices(call: Call) -> ApiAnswer:
    call.team()
    return ApiAnswer([])


@api.add("GET", "/trial-license/prev", permission="manage_license_information")
def get_prev_trial_license(call: Call) -> ApiAnswer:
    return ApiAnswer({"IsLicensed": "false"})


@api.add("GET", "/agents", modern_only=True)
def get_agents(call: Call) -> ApiAnswer:
    return ApiAnswer([])


@api.add("GET", "/agents/status", modern_only=True)
def get_agents_status(call: Call) -> ApiAnswer:
    return ApiAnswer({"available": False})


def admin_config(call: Call) -> Document:
    """The recorded configuration with this sandbox's options and the changes made by an admin."""
    recorded: Document = call.world.documents["config"]
    options = call.world.options
    own: Document = {
        "TeamSettings": {"EnableUserCreation": options.signup_open, "EnableOpenServer": options.server_open},
        "ServiceSettings": {"SiteURL": call.world.site_url},
        "RateLimitSettings": {
            "Enable": options.rate_limit_per_second > 0,
            "PerSec": options.rate_limit_per_second or recorded["RateLimitSettings"]["PerSec"],
        },
    }
    changes = call.world.state.config_changes
    return {
        section: values | own.get(section, {}) | changes.get(section, {}) if isinstance(values, dict) else values
        for section, values in recorded.items()
    }


@api.add("GET", "/config", permission="sysconsole_read_about_edition_and_license")
def get_config(call: Call) -> ApiAnswer:
    return ApiAnswer(admin_config(call), headers=NEVER_STORED)


@api.add("PUT", "/config", permission="sysconsole_write_environment_web_server")
def update_config(call: Call) -> ApiAnswer:
    changes = call.world.state.config_changes
    for section, values in call.document("config").items():
        if isinstance(values, dict):
            changes[section] = {**changes.get(section, {}), **values}
    return get_config(call)


@api.add("PUT", "/config/patch", permission="sysconsole_write_environment_web_server")
def patch_config(call: Call) -> ApiAnswer:
    return update_config(call)


@api.add("PUT", "/users/{user_id}/roles", permission="manage_roles")
def update_user_roles(call: Call) -> ApiAnswer:
    roles = call.document("roles").get("roles")
    if not isinstance(roles, str) or "system_user" not in roles.split():
        raise bad_body("roles")
    accounts.set_roles(call.world, call.any_user(), roles)
    return ApiAnswer(OK)


@api.add("GET", "/reports/users", modern_only=True, permission="sysconsole_read_user_management_users")
def get_users_for_reporting(call: Call) -> ApiAnswer:
    size = call.number("page_size", 50)
    if not 0 < size <= 100:
        raise ApiError(400, "model.report_options.is_valid.invalid_page_size", "Page size must be between 1 and 100.")
    after = call.query.get("from_column_value", "")
    state = call.world.state
    names = [name for name in state.sorted_names if name > after][:size]
    return ApiAnswer([shapes.user_report(state.users_by_name[name], call.world.modern) for name in names])


@api.add("GET", "/logs", permission="get_logs")
def get_logs(call: Call) -> ApiAnswer:
    number, size = call.number("page"), call.number("logs_per_page", 100)
    lines = list(call.world.state.logs)
    end = max(0, len(lines) - number * size)
    return ApiAnswer(lines[max(0, end - size) : end])


@api.add("GET", "/analytics/old", permission="get_analytics")
def get_analytics(call: Call) -> ApiAnswer:
    state = call.world.state
    kinds = [channel.type for channel in state.channels.values()]
    figures = {
        "channel_open_count": kinds.count("O"),
        "channel_private_count": kinds.count("P"),
        "post_count": len(state.posts),
        "unique_user_count": len(state.users),
        "team_count": len(state.teams),
        "total_websocket_connections": call.world.hub.open_sockets,
        "total_master_db_connections": 1,
        "total_read_db_connections": 0,
        "daily_active_users": len(state.users),
        "monthly_active_users": len(state.users),
        "inactive_user_count": 0,
    }
    if call.world.modern:
        figures["single_channel_guest_count"] = 0
    return ApiAnswer([{"name": name, "value": value} for name, value in figures.items()])


@api.add("GET", "/cluster/status", permission="sysconsole_read_environment_high_availability")
def get_cluster_status(call: Call) -> ApiAnswer:
    return ApiAnswer([])


@api.add("GET", "/plugins/statuses", permission="sysconsole_read_plugins")
def get_plugin_statuses(call: Call) -> ApiAnswer:
    return get_webapp_plugins(call)
