"""The configuration as frozen structs, one per table of the documents, with defaults, limits and meaning at each field.

Names and defaults are those of the peer's documents (config.json, simulcontroller.json, simplecontroller.json,
gencontroller.json), so that they run unchanged; keys marked `ours` are additions.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec

from mmload.config.fields import (
    EMAIL,
    NOT_EMPTY,
    SHARE,
    Check,
    Says,
    at_least,
    between,
    key_name,
    keys,
    matching,
    more_than,
    one_of,
    url,
)

Ours = partial(Says, ours=True)

_LEVEL = one_of("TRACE", "DEBUG", "INFO", "WARN", "ERROR")
# `noop` is the peer's name of our `idle`.
BEHAVIOURS = ("simulative", "simple", "idle", "noop", "cluster", "generative")
_BEHAVIOUR = Check(
    f"one of {', '.join(BEHAVIOURS)} (browser is not: it needs the peer's browser agents)",
    lambda value: value in BEHAVIOURS,
    BEHAVIOURS,
)
SIMPLE_ACTIONS = tuple(
    """AddReaction CreateDirectChannel CreateGroupChannel CreatePost CreatePostReply CreatePrivateChannel
    CreatePublicChannel EditPost FetchStaticAssets GetPinnedPosts JoinChannel JoinTeam LeaveChannel Login Logout
    MessageExport Reload RemoveReaction ScrollChannel SearchChannels SearchPosts SearchPostsAllTeams SearchUsers
    SignUp UpdateProfile UpdateProfileImage UpdateTeam ViewChannel ViewUser""".split()
)
_VERSION = matching(r"(\d+\.\d+(\.\d+)?([-+].*)?)?", "a version such as 11.6.0, or nothing")
# Mattermost refuses user names over 64 characters; ten are left for "-" and the account's number.
_PREFIX = matching(
    r"[a-z][a-z0-9._-]{0,53}",
    "up to 54 lower-case letters, digits, dots, dashes or underscores, a letter first",
)
# bcrypt, and so Mattermost, refuses more than 72 bytes.
_PASSWORD = Check("1 to 72 bytes", lambda value: 0 < len(value.encode()) <= 72)
_ADDRESS = matching(r"(([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5})?", "an address and a port, like 127.0.0.1:9646")
_RUN_NAME = matching(r"([A-Za-z0-9_][A-Za-z0-9._-]{0,99})?", "letters, digits, dots, dashes and underscores")
_COUNT = at_least(0)


class Table(msgspec.Struct, frozen=True, rename=key_name, forbid_unknown_fields=True):
    """A table of a document. Attributes in snake_case, JSON names as the peer writes them."""

    def __repr__(self) -> str:
        """Without the secrets: settings end up in tracebacks."""
        values = ", ".join(
            f"{key.attribute}={'…' if key.says.secret else repr(getattr(self, key.attribute))}"
            for key in keys(type(self))
        )
        return f"{type(self).__name__}({values})"


class ConnectionSettings(Table, frozen=True):
    """ConnectionConfiguration: the server and its administrator."""

    server_url: Annotated[
        str, Says("Where the Mattermost server answers; REST calls go to `/api/v4` below it."), url("http", "https")
    ] = "http://localhost:8065"
    websocket_url: Annotated[
        str,
        Says(
            "Where its WebSocket answers. Left at its default while ServerURL is not at its own, it follows ServerURL "
            "(http: ws, https: wss)."
        ),
        url("ws", "wss"),
    ] = "ws://localhost:8065"
    admin_email: Annotated[str, Says("Log-in of a system administrator."), EMAIL] = "sysadmin@sample.mattermost.com"
    admin_password: Annotated[str, Says("Its password.", secret=True), NOT_EMPTY] = "Sys@dmin-sample1"
    verify_tls: Annotated[bool, Ours("Whether the server's TLS certificate must be valid.")] = True
    request_timeout_seconds: Annotated[
        float, Ours("How long one REST call may take before it counts as failed."), more_than(0)
    ] = 30.0
    connect_timeout_seconds: Annotated[float, Ours("How long a connection may take to open."), more_than(0)] = 10.0
    allow_unsupported_server: Annotated[
        bool, Ours("Go on with a server outside 6.7 to 11.x, or of unknown version.")
    ] = False


class Rate(Table, frozen=True):
    """A share of the users, and how much slower than the mean they act."""

    rate: Annotated[float, Says("Factor on the idle time of these users: 6 is six times slower."), at_least(0)] = 1.0
    percentage: Annotated[float, Says("Their share of all users."), SHARE] = 1.0


class Controller(Table, frozen=True):
    """UserControllerConfiguration: how the simulated users behave."""

    type: Annotated[str, Says("What the users do. `idle` (the peer's `noop`) only stays connected."), _BEHAVIOUR] = (
        "simulative"
    )
    rates_distribution: Annotated[
        tuple[Rate, ...],
        Says(
            "Faster and slower users: a list of {Rate, Percentage}. The percentages add up to 1. None: rate 1 for all."
        ),
    ] = ()
    server_version: Annotated[
        str, Says("The server's version, where it should not be asked for it (`11.6.0`)."), _VERSION
    ] = ""


class Instance(Table, frozen=True):
    """InstanceConfiguration: what `mmload init` makes on the server."""

    num_teams: Annotated[int, Says("Teams."), _COUNT] = 2
    num_channels: Annotated[int, Says("Channels of all four kinds together."), _COUNT] = 10
    num_posts: Annotated[int, Says("Messages of history."), _COUNT] = 200
    num_reactions: Annotated[int, Says("Reactions to them."), _COUNT] = 0
    num_admins: Annotated[int, Says("Accounts that become system administrators."), _COUNT] = 0
    percent_replies: Annotated[float, Says("Share of the messages that answer another one."), SHARE] = 0.5
    percent_replies_in_long_threads: Annotated[float, Says("Share of the replies in long threads."), SHARE] = 0.05
    percent_urgent_posts: Annotated[float, Says("Share of the root messages that are urgent."), SHARE] = 0.001
    percent_public_channels: Annotated[
        float, Says("Share of the public channels. The four shares add up to 1 (to two decimals)."), SHARE
    ] = 0.2
    percent_private_channels: Annotated[float, Says("Share of the private channels."), SHARE] = 0.1
    percent_direct_channels: Annotated[float, Says("Share of the direct messages (two people)."), SHARE] = 0.6
    percent_group_channels: Annotated[float, Says("Share of the group messages (three or more people)."), SHARE] = 0.1
    num_users: Annotated[int, Ours("Accounts that `mmload init` makes."), _COUNT] = 20


class Users(Table, frozen=True):
    """UsersConfiguration: how many users, and which accounts they use."""

    initial_active_users: Annotated[
        int,
        Says("Users at the start, unless the command line says otherwise; at most MaxActiveUsers."),
        _COUNT,
    ] = 4
    users_file_path: Annotated[
        str,
        Says("A file of accounts to use: one `email password` a line. Line k is account number k. None: made-up ones."),
    ] = ""
    max_active_users: Annotated[
        int,
        Says("The most users of one worker process, and so how many account numbers it owns."),
        at_least(1),
    ] = 2000
    max_active_browser_users: Annotated[int, Says("For the peer's browser agents; nothing here reads it."), _COUNT] = 12
    avg_sessions_per_user: Annotated[int, Says("Sessions (clients) of one account, on average."), at_least(1)] = 1
    percent_of_users_are_admin: Annotated[
        float, Says("Share of the users that act as the administrator of ConnectionConfiguration."), SHARE
    ] = 0.0005
    username_prefix: Annotated[
        str, Ours("Account number n is `{prefix}-{n}`, `{prefix}-{n}@example.com`."), _PREFIX
    ] = "testuser"
    password: Annotated[str, Ours("The password of these accounts.", secret=True), _PASSWORD] = "testPass123$"
    number_offset: Annotated[int, Ours("Added to every account number."), _COUNT] = 0
    max_logins_in_flight: Annotated[
        int,
        Ours("Log-ins of one process at the same time: they are the dearest requests there are."),
        at_least(1),
    ] = 2
    login_retry_min_seconds: Annotated[
        float, Ours("The first wait after a failed log-in; it doubles with each one."), more_than(0)
    ] = 2.0
    login_retry_max_seconds: Annotated[
        float, Ours("The longest wait after a failed log-in; at least LoginRetryMinSec."), more_than(0)
    ] = 60.0
    logout_on_farewell: Annotated[bool, Ours("Whether a user that is removed ends its session on the server.")] = False


class LogSettings(Table, frozen=True):
    """LogSettings: what is logged, and where."""

    enable_console: Annotated[bool, Says("Log to the terminal.")] = True
    console_json: Annotated[bool, Says("As JSON.")] = False
    console_level: Annotated[str, Says("From which level on."), _LEVEL] = "ERROR"
    enable_file: Annotated[bool, Says("Log to a file.")] = True
    file_json: Annotated[bool, Says("As JSON.")] = False
    file_level: Annotated[str, Says("From which level on."), _LEVEL] = "ERROR"
    file_location: Annotated[str, Says("That file."), NOT_EMPTY] = "loadtest.log"
    enable_color: Annotated[bool, Says("Colours on the terminal.")] = False


class RunSettings(Table, frozen=True):
    """RunConfiguration: one load test."""

    run_time_seconds: Annotated[int, Ours("How long `mmload run` runs."), at_least(1)] = 60
    spawn_rate: Annotated[float, Ours("New users per second; 0 is all at once."), at_least(0)] = 0.0
    seed: Annotated[
        int, Ours("The seed of all that is left to chance; 0: one is drawn, and reported."), at_least(0)
    ] = 0
    name: Annotated[str, Ours("The name of the run; part of its folder's name."), _RUN_NAME] = ""
    runs_folder: Annotated[str, Ours("Where the folders of the runs are."), NOT_EMPTY] = "runs"
    thresholds: Annotated[
        tuple[str, ...],
        Ours("What must hold for the run to pass: a list such as `p99(CreatePost) < 2s` (docs/measures.md)."),
        NOT_EMPTY,
    ] = ()
    metrics_address: Annotated[
        str,
        Ours("Where `/metrics` is served apart from the web UI, for Prometheus: `127.0.0.1:9646`. None: nowhere."),
        _ADDRESS,
    ] = ""
    late_delivery_ms: Annotated[
        int, Ours("A message that reaches another user's socket after more than this is counted as late."), at_least(1)
    ] = 5000


class Config(Table, frozen=True):
    """config.json."""

    connection: ConnectionSettings = msgspec.field(default=ConnectionSettings(), name="ConnectionConfiguration")
    controller: Controller = msgspec.field(default=Controller(), name="UserControllerConfiguration")
    instance: Instance = msgspec.field(default=Instance(), name="InstanceConfiguration")
    users: Users = msgspec.field(default=Users(), name="UsersConfiguration")
    log: LogSettings = msgspec.field(default=LogSettings(), name="LogSettings")
    run: RunSettings = msgspec.field(default=RunSettings(), name="RunConfiguration")


class SimulController(Table, frozen=True):
    """simulcontroller.json: the pace of the simulative user."""

    min_idle_time_ms: Annotated[int, Says("The shortest wait between two actions."), _COUNT] = 1000
    avg_idle_time_ms: Annotated[
        int, Says("The mean wait, before the user's rate is applied; more than MinIdleTimeMs."), _COUNT
    ] = 20000
    percent_urgent_posts: Annotated[float, Says("Share of the root messages that are urgent."), SHARE] = 0.001
    percent_replies: Annotated[float, Says("Share of all messages that are replies."), SHARE] = 0.18
    enabled_plugins: Annotated[
        tuple[str, ...], Says("Plugins whose actions take part, by their plugin id."), NOT_EMPTY
    ] = ()
    open_model: Annotated[
        bool,
        Ours("Actions begin by the clock: a slow answer delays the next action, but not those planned after it."),
    ] = False
    channel_pick_exponent: Annotated[
        float, Ours("Zipf exponent of the choice among one's channels; 0 picks all alike."), between(0, 5)
    ] = 1.0
    avg_active_minutes: Annotated[
        float, Ours("Mean length of a spell of activity; 0 means that people never pause."), at_least(0)
    ] = 0.0
    avg_pause_minutes: Annotated[float, Ours("Mean length of the pause between two such spells."), at_least(0)] = 0.0
    avg_words_per_post: Annotated[int, Ours("Mean number of words of a message."), at_least(1)] = 35
    avg_words_per_reply: Annotated[int, Ours("Mean number of words of a reply."), at_least(1)] = 24
    percent_posts_with_files: Annotated[float, Ours("Share of the messages with attached files."), SHARE] = 0.02
    percent_posts_with_mention: Annotated[float, Ours("Share of the messages that mention somebody."), SHARE] = 0.1
    percent_posts_with_link: Annotated[float, Ours("Share of the messages with a link."), SHARE] = 0.1
    percent_posts_with_permalink: Annotated[
        float, Ours("Share of the messages with a link to another message."), SHARE
    ] = 0.01


class SimpleAction(Table, frozen=True):
    """One step of the simple user's cycle."""

    action_id: Annotated[str, Says("What is done."), one_of(*SIMPLE_ACTIONS)] = "Login"
    run_period: Annotated[int, Says("In every how-manieth cycle; 0 is never."), _COUNT] = 20
    wait_after_ms: Annotated[int, Says("The wait after it, times the user's rate."), _COUNT] = 1000


class SimpleController(Table, frozen=True):
    """simplecontroller.json: the fixed cycle of the simple user."""

    actions: Annotated[
        tuple[SimpleAction, ...], Says("The steps, in order: a list of {ActionId, RunPeriod, WaitAfterMs}.")
    ] = ()


class ChannelMembers(Table, frozen=True):
    """A share of the generated channels, and how full they get."""

    member_limit: Annotated[int, Says("The most members of these channels; 0: as many as come."), _COUNT] = 0
    percent_channels: Annotated[float, Says("Their share of the channels."), SHARE] = 0.0
    probability: Annotated[float, Says("How likely a new membership is one of theirs."), SHARE] = 0.0


class GenController(Table, frozen=True):
    """gencontroller.json: what the generative users fill a server with, all of them together."""

    num_teams: Annotated[int, Says("Teams."), _COUNT] = 2
    num_channels_dm: Annotated[
        int, Says("Direct channels. Of n users there are n·(n-1)/2 pairs; more is reported as impossible."), _COUNT
    ] = 20
    num_channels_gm: Annotated[int, Says("Group channels (three to eight people)."), _COUNT] = 20
    num_channels_private: Annotated[int, Says("Private channels."), _COUNT] = 20
    num_channels_public: Annotated[int, Says("Public channels."), _COUNT] = 20
    num_cpa_fields: Annotated[
        int, Says("Profile attributes; accepted, but none are made: that takes an administrator."), between(0, 20)
    ] = 2
    num_posts: Annotated[int, Says("Messages, replies among them."), _COUNT] = 1000
    num_reactions: Annotated[int, Says("Reactions to messages."), _COUNT] = 200
    num_post_reminders: Annotated[int, Says("Reminders of messages."), _COUNT] = 200
    num_sidebar_categories: Annotated[int, Says("Sections in people's sidebars."), _COUNT] = 10
    num_followed_threads: Annotated[int, Says("Threads that somebody follows."), _COUNT] = 10
    percent_replies: Annotated[float, Says("Share of the messages that answer another one."), SHARE] = 0.5
    percent_replies_in_long_threads: Annotated[
        float, Says("Share of the replies that go into long threads, at most two of a channel."), SHARE
    ] = 0.05
    percent_urgent_posts: Annotated[
        float, Says("Share of the root messages that are urgent, where the server can."), SHARE
    ] = 0.001
    channel_members_distribution: Annotated[
        tuple[ChannelMembers, ...],
        Says(
            "How full public and private channels get: a list of {MemberLimit, PercentChannels, Probability}. The "
            "percentages and the probabilities add up to 1 each. None: all channels are alike."
        ),
    ] = ()
    enabled_plugins: Annotated[
        tuple[str, ...], Says("Plugins whose actions take part, by their plugin id."), NOT_EMPTY
    ] = ()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it, checked: what every process of a run works with."""

    config: Config = Config()
    simul: SimulController = SimulController()
    simple: SimpleController = SimpleController()
    generate: GenController = GenController()
