"""Reactions: adding and removing them, the events they cause, and the emoji names that are known."""

from __future__ import annotations

import re

from mmload.sandbox.events import Audience, text
from mmload.sandbox.state import Document, StoredPost, StoredUser
from mmload.sandbox.world import World


def add_reaction(world: World, post: StoredPost, user: StoredUser, emoji_name: str) -> Document:
    key = (user.id, emoji_name)
    if key in post.reactions:
        return post.reactions[key]
    now = world.now()
    reaction = _reaction(world, post, user, emoji_name, created=now, channel_id=post.channel_id)
    post.reactions[key] = reaction
    world.state.channels[post.channel_id].touch(post, now)
    world.publish("reaction_added", {"reaction": text(reaction)}, Audience(channel_id=post.channel_id))
    return reaction


def remove_reaction(world: World, post: StoredPost, user: StoredUser, emoji_name: str) -> None:
    if post.reactions.pop((user.id, emoji_name), None) is None:
        return
    world.state.channels[post.channel_id].touch(post, world.now())
    gone = _reaction(world, post, user, emoji_name, created=0, channel_id="")
    world.publish("reaction_removed", {"reaction": text(gone)}, Audience(channel_id=post.channel_id))


def _reaction(
    world: World, post: StoredPost, user: StoredUser, emoji_name: str, *, created: int, channel_id: str
) -> Document:
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


_COMMON = frozenset(
    """
    +1 -1 100 1234 alarm_clock angry art astonished balloon beer beers bell blush boom bowtie broken_heart bug bulb
    cake calendar call_me_hand cat checkered_flag cherry_blossom clap clinking_glasses coffee cold_sweat computer
    confetti_ball confused cookie cool crossed_fingers cry crying_cat_face dancer dart dash dizzy dog earth_africa
    envelope exclamation expressionless eyes face_palm fearful fire fireworks fist flushed frog full_moon gem
    ghost gift grey_question grimacing grin grinning handshake hankey heart heart_eyes heartbeat heavy_check_mark
    heavy_plus_sign hourglass house hugging_face hugs hushed icecream imp information_source innocent jack_o_lantern
    joy key kissing kissing_heart laughing lightning link lock lollipop loudspeaker mag mask medal melting_face memo
    microphone money_mouth_face monkey moon muscle neutral_face no_entry notes ok ok_hand ok_woman open_mouth
    partying_face party_parrot peach pencil pencil2 penguin pensive point_down point_left point_right point_up
    point_up_2 pray pushpin question rabbit rage rainbow raised_hand raised_hands relaxed relieved robot
    robot_face rocket rofl rose runner sad satisfied scream see_no_evil shrug sleeping sleepy slightly_smiling_face
    smile smile_cat smiley smiling_face_with_3_hearts smirk snail sneezing_face snowflake sob sparkles speak_no_evil
    star star-struck star2 stuck_out_tongue stuck_out_tongue_winking_eye sun_with_face sunflower sunglasses sunny
    sushi sweat sweat_smile tada taxi tea thinking thinking_face thumbsdown thumbsup tired_face tongue tool
    tractor traffic_light triumph trophy tropical_drink turtle umbrella unamused unicorn upside_down_face v
    victory_hand warning watermelon wave weary white_check_mark wink worried wrench writing_hand x yum zany_face zap
    zipper_mouth_face zzz
    """.split()
)
# Skin tones are variants of a name: `+1_medium_skin_tone`.
_SKIN_TONE = re.compile(r"_(light|medium_light|medium|medium_dark|dark)_skin_tone$")


def is_known_emoji(name: str) -> bool:
    return _SKIN_TONE.sub("", name) in _COMMON
