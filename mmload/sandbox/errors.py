"""Mattermost's errors: id, message and status as in the recordings."""

from __future__ import annotations


class ApiError(Exception):
    """A refused request. Only newer servers show `detailed` (6.7 leaves it empty)."""

    def __init__(self, status: int, error_id: str, message: str, detailed: str = "") -> None:
        super().__init__(error_id)
        self.status = status
        self.error_id = error_id
        self.message = message
        self.detailed = detailed


def session_expired(detailed: str = "UserRequired") -> ApiError:
    message = "Invalid or expired session, please login again."
    return ApiError(401, "api.context.session_expired.app_error", message, detailed)


def forbidden(user_id: str, permission: str) -> ApiError:
    message = "You do not have the appropriate permissions."
    return ApiError(403, "api.context.permissions.app_error", message, f"userId={user_id}, permission={permission}")


def bad_body(what: str, detailed: str = "") -> ApiError:
    message = f"Invalid or missing {what} in request body."
    return ApiError(400, "api.context.invalid_body_param.app_error", message, detailed)


def bad_url_param(name: str) -> ApiError:
    message = f"Invalid or missing {name} parameter in request URL."
    return ApiError(400, "api.context.invalid_url_param.app_error", message)


def no_such_route(path: str) -> ApiError:
    return ApiError(
        404,
        "api.context.404.app_error",
        "Sorry, we could not find the page.",
        f"There doesn't appear to be an api call for the url='{path}'.  "
        "Typo? are you missing a team_id or user_id as part of the url?",
    )


def not_found(kind: str, error_id: str, message: str, found_by: str, status: int = 404) -> ApiError:
    return ApiError(status, error_id, message, f'resource "{kind}" not found, id: {found_by}')


def no_such_emoji(name: str) -> ApiError:
    return not_found("Emoji", "app.emoji.get_by_name.no_result", "We couldn’t find the emoji.", f"Name={name}")


def no_licence() -> ApiError:
    return ApiError(
        501,
        "license_error.feature_unavailable",
        "Feature is not available for the current license",
        "feature is not available for the current license",
    )
