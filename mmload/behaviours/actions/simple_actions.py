"""What only the simple user does: the steps of simplecontroller.json that have no like among people's actions."""

from __future__ import annotations

from mmload import text
from mmload.behaviours.actions.session import reload
from mmload.behaviours.channel_view import view_channel
from mmload.behaviours.composing import compose, content, send_post, show_typing
from mmload.behaviours.login import log_in, open_socket
from mmload.behaviours.page_load import DEFAULT_CHANNEL, fetch_site, first_channel
from mmload.behaviours.person import NothingToDo, Person
from mmload.models import Channel
from mmload.store import pick

MOST_MEMBERS_LISTED = 100
JOB = "message_export"


def sign_up(person: Person) -> None:
    """The account was made when the person came in for the first time: there is nothing left to make."""
    raise NothingToDo("the account is there")


def log_in_once_more(person: Person) -> None:
    """Log in after a log-out, and load the page as everybody does then."""
    if person.api.rest.token:
        raise NothingToDo("logged in already")
    log_in(person)
    open_socket(person)
    reload(person)


def create_post(person: Person) -> None:
    """Write a message into one of one's channels."""
    channel = _some_channel(person)
    show_typing(person, channel.id)
    send_post(person, channel.id, compose(person, channel.id))


def create_post_reply(person: Person) -> None:
    """Answer a message that is known."""
    post = pick(person.rng, [post for post in person.store.posts.values() if not post.type])
    if post is None:
        raise NothingToDo("no message to answer")
    root_id = post.root_id or post.id
    show_typing(person, post.channel_id, root_id)
    send_post(person, post.channel_id, compose(person, post.channel_id, reply=True), root_id)


def join_team(person: Person) -> None:
    """Join the first open team one is not in."""
    store, api = person.store, person.api
    open_teams = [team for team in api.teams() if team.allow_open_invite and not team.delete_at]
    team = next((team for team in open_teams if team.id not in store.teams), None)
    if team is None:
        raise NothingToDo("member of all open teams")
    api.join_team(team.id, person.id)
    store.remember_teams([*store.teams.values(), team])
    store.remember_channels(api.own_channels(person.id, team.id, True), member=True)
    api.own_channel_members(person.id, team.id)


def leave_channel(person: Person) -> None:
    """Leave the first channel of the team that may be left; if it was open, another one is opened."""
    store = person.store
    left = next((channel for channel in store.team_channels() if channel.name != DEFAULT_CHANNEL), None)
    if left is None:
        raise NothingToDo("only in the channel that nobody leaves")
    person.api.remove_channel_member(left.id, person.id)
    store.forget_channel(left.id)
    _forget_what_was_in(person, left)
    if store.current_channel_id == left.id:
        store.look_at("")
        view_channel(person, first_channel(person))


def _forget_what_was_in(person: Person, left: Channel) -> None:
    """Its messages can no longer be answered, nor reactions to them taken back (nor to those long forgotten)."""
    store = person.store
    for post in [post for post in store.posts.values() if post.channel_id == left.id]:
        del store.posts[post.id]
    for key in [key for key in store.reactions if key[0] not in store.posts]:
        del store.reactions[key]


def view_some_channel(person: Person) -> None:
    """Open one of one's channels."""
    view_channel(person, _some_channel(person))


def get_pinned_posts(person: Person) -> None:
    """Open the list of pinned messages."""
    channel_id = person.store.current_channel_id
    if not channel_id:
        raise NothingToDo("no channel is open")
    person.store.remember_posts(person.api.pinned_posts(channel_id).listed())


def view_user(person: Person) -> None:
    """Look up one of the channel's members."""
    channel = _some_channel(person)
    member = pick(person.rng, person.api.channel_members(channel.id, MOST_MEMBERS_LISTED))
    if member is None:
        raise NothingToDo("nobody is in this channel")
    person.store.remember_users(person.api.users_by_ids([member.user_id]))


def update_profile(person: Person) -> None:
    """Change one's names, but not the user name: the next run finds its accounts by it."""
    nickname, first, last = (word.capitalize() for word in text.words(person.rng, 3))
    changes = {"nickname": nickname, "first_name": first, "last_name": last}
    person.store.me = person.api.patch_user(person.id, changes)


def update_profile_image(person: Person) -> None:
    """Set a new picture of oneself."""
    person.api.set_profile_image(person.id, content("photo.png"))


def update_team(person: Person) -> None:
    """Rename a team that one administers."""
    members = person.api.own_team_members(person.id)
    own = [member.team_id for member in members if "team_admin" in member.roles and not member.delete_at]
    team_id = pick(person.rng, own)
    if team_id is None:
        raise NothingToDo("administrator of no team")
    person.api.rename_team(team_id, "Team " + " ".join(text.words(person.rng, 2)))


def fetch_static_assets(person: Person) -> None:
    """Load the application's scripts and style sheets, as a browser with an empty cache."""
    fetch_site(person)


def message_export(person: Person) -> None:
    """A system administrator starts the export of messages, where the server is set up for it."""
    if "system_admin" not in person.store.me.roles:
        raise NothingToDo("not an administrator")
    if not person.api.whole_config().get("MessageExportSettings", {}).get("EnableExport"):
        raise NothingToDo("the server exports no messages")
    person.api.start_job(JOB)


def _some_channel(person: Person) -> Channel:
    channel = pick(person.rng, list(person.store.my_channels()))
    if channel is None:
        raise NothingToDo("member of no channel")
    return channel
