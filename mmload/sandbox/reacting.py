"""Reactions: adding them to a post, taking them back, and what clients are told of it."""

from __future__ import annotations

from mmload.sandbox.events import Audience, text
from mmload.sandbox.state import Document, Post, User
from mmload.sandbox.world import World


def add_reaction(world: World, post: Post, user: User, emoji_name: str) -> Document:
    key = (user.id, emoji_name)
    if key in post.reactions:
        return post.reactions[key]
    now = world.now()
    reaction = _reaction(world, post, user, emoji_name, created=now, channel_id=post.channel_id)
    post.reactions[key] = reaction
    world.state.channels[post.channel_id].touch(post, now)
    world.publish("reaction_added", {"reaction": text(reaction)}, Audience(channel_id=post.channel_id))
    return reaction


def remove_reaction(world: World, post: Post, user: User, emoji_name: str) -> None:
    if post.reactions.pop((user.id, emoji_name), None) is None:
        return
    world.state.channels[post.channel_id].touch(post, world.now())
    gone = _reaction(world, post, user, emoji_name, created=0, channel_id="")
    world.publish("reaction_removed", {"reaction": text(gone)}, Audience(channel_id=post.channel_id))


def _reaction(world: World, post: Post, user: User, emoji_name: str, *, created: int, channel_id: str) -> Document:
    reaction: Document = {
        "user_id": user.id,
        "post_id": post.id,
        "emoji_name": emoji_name,
        "create_at": created,
        "update_at": world.now(),
        "delete_at": 0,
        "remote_id": "",
    }
    if world.modern:
        reaction["channel_id"] = channel_id
    return reaction
