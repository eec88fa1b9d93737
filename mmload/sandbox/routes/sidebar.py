"""The categories of the sidebar."""

from __future__ import annotations

from mmload.sandbox import channels, shapes
from mmload.sandbox.errors import bad_body
from mmload.sandbox.events import Audience, text
from mmload.sandbox.http import Answer, Call, Routes
from mmload.sandbox.state import Category

api = Routes()
_PATH = "/users/{user_id}/teams/{team_id}/channels/categories"


@api.add("GET", _PATH)
def get_categories_for_team_for_user(call: Call) -> Answer:
    user, team = call.self_or_admin(), call.team()
    items = channels.categories(call.world, user, team)
    documents = [shapes.category(item, user.id, team.id) for item in items]
    return Answer({"categories": documents, "order": [item.id for item in items]})


@api.add("POST", _PATH)
def create_category_for_team_for_user(call: Call) -> Answer:
    user, team = call.self_or_admin(), call.team()
    body = call.document("category")
    if body.get("user_id") != user.id or body.get("team_id") != team.id or not body.get("display_name"):
        raise bad_body("category")
    items = channels.categories(call.world, user, team)
    # A new one stands right below the favourites.
    for item in items[1:]:
        item.sort_order += 10
    wanted = [str(channel_id) for channel_id in body.get("channel_ids") or []]
    category = Category(call.world.new_id(), "custom", str(body["display_name"]), 10)
    user.categories[team.id].append(category)
    _move(user.categories[team.id], category, wanted)
    told = Audience(user_id=user.id, team_id=team.id)
    call.world.publish("sidebar_category_created", {"category_id": category.id}, told)
    return Answer(shapes.category(category, user.id, team.id))


def _move(items: list[Category], target: Category, channel_ids: list[str]) -> None:
    """These channels, in this order, are in the target and nowhere else."""
    moved = set(channel_ids)
    for item in items:
        item.channel_ids = [channel_id for channel_id in item.channel_ids if channel_id not in moved]
    target.channel_ids = channel_ids


@api.add("PUT", _PATH)
def update_categories_for_team_for_user(call: Call) -> Answer:
    user, team = call.self_or_admin(), call.team()
    bodies = call.json("category")
    if not isinstance(bodies, list) or not all(isinstance(body, dict) for body in bodies):
        raise bad_body("category")
    by_id = {item.id: item for item in channels.categories(call.world, user, team)}
    changed = []
    for body in bodies:
        category = by_id.get(str(body.get("id", "")))
        if category is None:
            raise bad_body("category")
        wanted = [str(channel_id) for channel_id in body.get("channel_ids") or [] if channel_id in user.channels]
        _move(user.categories[team.id], category, wanted)
        if category.type == "custom":
            category.display_name = str(body.get("display_name", category.display_name))
        category.muted, category.collapsed = bool(body.get("muted")), bool(body.get("collapsed"))
        category.sorting = str(body.get("sorting", category.sorting))
        changed.append(shapes.category(category, user.id, team.id))
    told = Audience(user_id=user.id, team_id=team.id)
    call.world.publish("sidebar_category_updated", {"updatedCategories": text(changed)}, told)
    return Answer(changed)
