"""What a client asks first: ping, configuration, licence, roles, plugins; and its own figures."""

from __future__ import annotations

from mmload.sandbox.errors import ApiError, bad_body
from mmload.sandbox.http import Answer, Call, Routes
from mmload.sandbox.state import Document
from mmload.sandbox.world import World

api = Routes()


@api.add("GET", "/system/ping", open_to_all=True)
def get_system_ping(call: Call) -> Answer:
    document: Document = {"ActiveSearchBackend": "database"} if call.world.modern else {}
    for name in ("AndroidLatestVersion", "AndroidMinVersion", "IosLatestVersion", "IosMinVersion"):
        document[name] = ""
    if call.flag("get_server_status"):
        document |= {"database_status": "OK", "filestore_status": "OK"}
    return Answer({**document, "status": "OK"})


def client_config(world: World, *, signed_in: bool) -> Document:
    """What clients may know of the configuration; those signed in get more."""
    recorded = world.documents["client_config" if signed_in else "client_config_public"]
    options = world.options
    document: Document = {**recorded, "SiteURL": world.site_url} if "SiteURL" in recorded else dict(recorded)
    document["EnableUserCreation"] = str(options.signup_open).lower()
    document["EnableOpenServer"] = str(options.server_open).lower()
    if options.licensed:
        document["BuildEnterpriseReady"] = "true"
        if options.modern:
            document |= {"ScheduledPosts": "true", "PostAcknowledgements": "true", "PostPriority": "true"}
    return document


@api.add("GET", "/config/client", open_to_all=True)
def get_client_config(call: Call) -> Answer:
    if not call.world.modern and call.query.get("format") != "old":
        raise ApiError(
            501,
            "api.config.client.old_format.app_error",
            "New format for the client configuration is not supported yet. "
            "Please specify format=old in the query string.",
        )
    return Answer(client_config(call.world, signed_in=call.signed_in is not None))


@api.add("GET", "/license/client", open_to_all=True)
def get_client_license(call: Call) -> Answer:
    if call.query.get("format") != "old" and not call.world.modern:
        raise ApiError(
            501,
            "api.license.client.old_format.app_error",
            "New format for the client license is not supported yet. Please specify format=old in the query string.",
        )
    if not call.world.options.licensed:
        return Answer({"IsLicensed": "false"})
    return Answer({"IsLicensed": "true", "SkuShortName": "enterprise", "IsTrial": "false", "Users": "100000"})


@api.add("POST", "/roles/names")
def get_roles_by_names(call: Call) -> Answer:
    wanted = set(call.texts("rolenames"))
    if not wanted:
        raise bad_body("rolenames")
    return Answer([role for role in call.world.documents["roles"] if role["name"] in wanted])


def plugins_disabled() -> ApiError:
    return ApiError(
        501, "app.plugin.disabled.app_error", "Plugins have been disabled. Please check your logs for details."
    )


@api.add("GET", "/plugins/webapp", open_to_all=True)
def get_webapp_plugins(call: Call) -> Answer:
    # The recorded 6.7 ran without plugins.
    if not call.world.modern:
        raise plugins_disabled()
    return Answer([])


@api.add("POST", "/client_perf", modern_only=True)
def submit_performance_report(call: Call) -> Answer:
    call.document("performance report")
    return Answer(content=b"")


@api.add("GET", "/limits/server", modern_only=True)
def get_server_limits(call: Call) -> Answer:
    admin = call.user.is_admin
    limit = call.world.options.account_limit if admin else 0
    return Answer(
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
