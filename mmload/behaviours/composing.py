"""Files that people attach: generated once per process with the sizes of real ones, not shipped in megabytes.

Writing a message: its words, mentions, links and permalinks, and the typing that others see.
"""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache, partial

from mmload import text
from mmload.behaviours import drafts, pictures
from mmload.behaviours.background import keep_up
from mmload.behaviours.channel_view import fetch_faces
from mmload.behaviours.person import Person, forget_if_deleted
from mmload.errors import NEVER_SENT, RequestFailed
from mmload.models import Post, User
from mmload.store import pick

# Shares and sizes as measured by the peer; where it sends a small JPEG, we send a small PNG: writing JPEGs needs an
# imaging library, and the server's work (decode, thumbnail, preview) is the same kind.
COUNTS, COUNT_WEIGHTS = (1, 2, 3), (50, 25, 25)
KINDS = ("screenshot.png", "photo.png", "clip.mp4", "notes.txt")
KIND_SHARE = 0.5


@cache
def content(file_name: str) -> bytes:
    """A file's bytes; pictures are valid, and of the width and height whose noise gives the wanted size."""
    rng = random.Random(f"mmload file {file_name}")
    if file_name == "screenshot.png":
        return _noise_png(rng, 387)  # about 450 kB
    if file_name == "photo.png":
        return _noise_png(rng, 167)  # about 84 kB
    if file_name == "clip.mp4":
        return b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom" + rng.randbytes(432_280)
    return " ".join(text.words(rng, 1600)).encode()


def _noise_png(rng: random.Random, side: int) -> bytes:
    """A square picture of noise, three bytes a pixel: it hardly compresses, as photographs do not."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\x00" + rng.randbytes(3 * side) for _ in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def chosen_files(rng: random.Random) -> list[str]:
    """Which files go with one message: one to three. Pure."""
    wanted = rng.choices(COUNTS, COUNT_WEIGHTS)[0]
    chosen = [name for name in KINDS if rng.random() < KIND_SHARE][:wanted]
    return chosen or [rng.choice(KINDS)]


def upload(person: Person, channel_id: str) -> tuple[str, ...]:
    """Upload the files of one message, several at once, and show the small pictures of them; their ids."""
    ids: list[str] = []
    if not person.context.capabilities.file_attachments:
        return ()

    def send(name: str) -> None:
        for info in person.api.upload_file(channel_id, name, content(name)):
            ids.append(info.id)
            if info.has_preview_image:
                pictures.fetch(person, info.id, pictures.THUMBNAIL)

    person.together(partial(send, name) for name in chosen_files(person.rng))
    return tuple(ids)


# In place of a status: the server surely does not have it.
_NEVER_SENT = 1
# People type two to five letters of a name before they see whom they mean.
MOST_LETTERS_TYPED = 5
# The first key tells the others, and the first one so long after that tells them again.
TYPING_TOLD_EVERY_SECONDS = 5.0
# Where people wait less between actions than this, they type faster, too: a run at ten times the pace is one in all.
FULL_SPEED_IDLE_MS = 20_000


def show_typing(person: Person, channel_id: str, root_id: str = "") -> None:
    """Tell the others of the channel, where the server wants that and the channel is not too big."""
    can = person.context.capabilities
    if can.typing_events and person.store.member_counts.get(channel_id, 0) < can.typing_channel_limit:
        person.tell("user_typing", {"channel_id": channel_id, "parent_id": root_id})


def typing_pauses(keys: int, seconds_per_key: float) -> list[float]:
    """What passes after each time that the others are told, until so many keys are typed. Pure."""
    if keys <= 0:
        return []
    whole, rest = divmod(keys * seconds_per_key, TYPING_TOLD_EVERY_SECONDS)
    return [TYPING_TOLD_EVERY_SECONDS] * int(whole) + ([rest] if rest > 0 or not whole else [])


# Some people need so much of the mean time for a key, some so much: any between as likely.
QUICKEST, SLOWEST = 0.5, 1.5


def own_speed(person: Person) -> float:
    """How much longer this person takes for a key than people do on average."""
    return random.Random(person.account.number).uniform(QUICKEST, SLOWEST)


def seconds_per_key(person: Person) -> float:
    """How fast this person types at the pace of this run."""
    simul = person.context.settings.simul
    pace = min(1.0, person.rate * simul.avg_idle_time_ms / FULL_SPEED_IDLE_MS)
    return simul.avg_typing_ms_per_key / 1000 * own_speed(person) * pace


def type_text(person: Person, channel_id: str, message: str, root_id: str = "") -> None:
    """Type into a message box for as long as the text takes; meanwhile the client goes on with what it has to do."""
    drafts.typed(person, channel_id, root_id, message)
    for pause in typing_pauses(len(message), seconds_per_key(person)):
        show_typing(person, channel_id, root_id)
        person.pause(pause, pause)
        keep_up(person)


def compose(person: Person, *, reply: bool = False) -> str:
    """The text of a message as people write it, without a mention."""
    rng, shares = person.rng, person.context.settings.simul
    parts = [text.message(rng, shares.avg_words_per_reply if reply else shares.avg_words_per_post)]
    if rng.random() < shares.percent_posts_with_link:
        parts.append(text.link(rng))
    if rng.random() < shares.percent_posts_with_permalink and (link := _permalink(person)):
        parts.append(link)
    return " ".join(parts)[: person.context.capabilities.longest_message]


def write(person: Person, channel_id: str, root_id: str = "") -> str:
    """Type a message, a reply with `root_id`; a mention asks the server for names meanwhile."""
    rng, shares = person.rng, person.context.settings.simul
    mentioned = ""
    if rng.random() < shares.percent_posts_with_mention and (someone := pick(rng, person.store.other_people())):
        mention(person, channel_id, someone, root_id)
        mentioned = f"@{someone.username} "
    message = (mentioned + compose(person, reply=bool(root_id)))[: person.context.capabilities.longest_message]
    type_text(person, channel_id, message, root_id)
    return message


def mention(person: Person, channel_id: str, someone: User, root_id: str = "") -> None:
    """Type @ and a name: a list of people, with their faces, after each letter until only one is left to choose."""
    show_typing(person, channel_id, root_id)
    letters = person.rng.randint(2, MOST_LETTERS_TYPED)
    for term in ("", *growing(someone.username, letters)):
        found = person.api.autocomplete_users(person.store.current_team_id, channel_id, term).everyone()
        person.store.remember_users(found)
        fetch_faces(person, [user.id for user in found])
        if len(found) <= 1:
            return
        pause = seconds_per_key(person)
        person.pause(pause, pause)


def growing(name: str, letters: int) -> list[str]:
    """What is in the box while the telling end of a name is typed: `testuser-12` → `testuser-1`, `testuser-12`. Pure.

    Test accounts share a long prefix that says nothing; a person would type what tells names apart.
    """
    prefix, dash, number = name.rpartition("-")
    if dash and number.isdigit():
        return [f"{prefix}-{number[:end]}" for end in range(1, min(letters, len(number)) + 1)]
    return [name[:end] for end in range(1, min(letters, len(name)) + 1)]


def _permalink(person: Person) -> str:
    post = pick(person.rng, person.store.written_posts())
    team = person.store.teams.get(person.store.current_team_id)
    site_url = person.context.capabilities.site_url
    return f"{site_url}/{team.name}/pl/{post.id}" if post and team and site_url else ""


def is_urgent(person: Person, share: float) -> bool:
    """Whether a new root post is urgent: with probability `share`, where the server has message priority."""
    can = person.context.capabilities
    return can.licensed and can.post_priority and person.rng.random() < share


def send_post(
    person: Person,
    channel_id: str,
    message: str,
    root_id: str = "",
    file_ids: tuple[str, ...] = (),
    *,
    urgent: bool = False,
) -> Post:
    """Send a message and, at the same moment, forget its draft, as the application does; then show it."""
    sent: list[Post] = []

    def post() -> None:
        sent.append(post_message(person, channel_id, message, root_id, file_ids, urgent=urgent))

    if (channel_id, root_id) in person.store.typed:
        drafts.typed(person, channel_id, root_id)
    person.together([post, partial(drafts.forget, person, channel_id, root_id)])
    person.together(pictures.shown(person, sent))
    person.store.remember_posts(sent)
    return sent[0]


def post_message(
    person: Person,
    channel_id: str,
    message: str,
    root_id: str = "",
    file_ids: tuple[str, ...] = (),
    *,
    urgent: bool = False,
) -> Post:
    """Post a message and keep account of it. One without an answer is uncertain: the server may have stored it."""
    account = person.context.deliveries
    status = -1
    pending_post_id = person.pending_post_id()
    channel = person.store.channels.get(channel_id)
    team_id = person.store.current_team_id if channel is not None and channel.personal else ""
    seat = person.seat.number if person.seat is not None else None
    account.sending(pending_post_id, channel_id, seat, channel.direct_user_ids if channel is not None else ())
    try:
        with forget_if_deleted(partial(person.store.forget_post, root_id)):
            post = person.api.create_post(
                channel_id, message, pending_post_id, root_id=root_id, file_ids=file_ids, urgent=urgent, team_id=team_id
            )
        status = 201
        account.accepted(pending_post_id, post.id, post.create_at)
    except RequestFailed as error:
        status = error.status or (_NEVER_SENT if error.reason in NEVER_SENT else 0)
        raise
    finally:
        # Also when this user is stopped in the middle of the request: no exception of ours then.
        if status in (-1, 0) or status >= 500:
            account.unanswered(pending_post_id)
        elif status != 201:
            account.refused(pending_post_id)
    return post
