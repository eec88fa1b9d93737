"""The configuration as frozen structs, one per table of the documents, with defaults, limits and meaning at each field.

Names and defaults are those of the peer's documents (config.json, simulcontroller.json, simplecontroller.json,
gencontroller.json), so that they run unchanged; keys marked `Ours` are additions.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar

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

# `noop` is the peer's name of our `idle`.
BEHAVIOURS = ("simulative", "simple", "idle", "noop", "cluster", "generative")
_BEHAVIOUR = Check(
    f"one of {', '.join(BEHAVIOURS)} (browser is not supported: it needs the peer's browser agents)",
    lambda value: value in BEHAVIOURS,
    BEHAVIOURS,
)
SIMPLE_ACTIONS = tuple(
    """AddReaction CreateDirectChannel CreateGroupChannel CreatePost CreatePostReply CreatePrivateChannel
    CreatePublicChannel EditPost FetchStaticAssets GetPinnedPosts JoinChannel JoinTeam LeaveChannel Login Logout
    MessageExport Reload RemoveReaction ScrollChannel SearchChannels SearchPosts SearchPostsAllTeams SearchUsers
    SignUp UpdateProfile UpdateProfileImage UpdateTeam ViewChannel ViewUser""".split()
)
SIMULATIVE_ACTIONS = tuple(
    """SwitchChannel ScrollChannel DeleteDraft UnreadCheck CreatePost OpenDirectOrGroupChannel ViewGlobalThreads
    UpsertDraft UpdateThreadRead ClickPermalink ViewThread ReconnectWebSocket AddReaction EditPost GetDrafts
    SearchUsers ClickUserProfile SearchPosts SearchGroupChannels SearchChannels SearchPostsAllTeams
    CreateDirectChannel UnfollowThread JoinChannel DeletePost UpdateSidebarCategory CreateGroupChannel
    UpdateCustomStatus RemoveCustomStatus FullReload LogoutLogin CreatePostReminder FollowThread
    CreatePrivateChannel CreateScheduledPost UpdateScheduledPost DeleteScheduledPost SendScheduledPost
    UpdateCustomAttribute AddChannelBookmark UpdateChannelBookmark UpdateChannelBookmarkSortOrder
    DeleteChannelBookmark CreateAckPost AckToPost CreatePersistentNotificationPost GenerateUserReport
    RemoveReaction SwitchTeam CreateSidebarCategory CreatePublicChannel MarkAllThreadsInTeamAsRead
    LeaveChannel BrowseChannels MarkUnread UpdateStatus Reload MentionAll OpenTownSquare PostInTownSquare""".split()
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
_HEADER = matching(
    r"(?!(?i:host|connection|upgrade|authorization|accept-encoding|transfer-encoding|content-[a-z]+|sec-[a-z-]+)\s*:)"
    r"[A-Za-z0-9!#$%&'*+.^_`|~-]+:[ -~]+",
    "`Name: value` in printable ASCII, and none of the headers that mmload sets itself (Host, Authorization, …)",
)
Count = Annotated[int, at_least(0)]
Share = Annotated[float, SHARE]
Positive = Annotated[float, more_than(0)]


class Table(msgspec.Struct, frozen=True, rename=key_name, forbid_unknown_fields=True):
    """A table of a document. Attributes in snake_case, JSON names as the peer writes them."""

    # The peer's keys that nothing here implements: accepted, and named in a notice.
    unsupported: ClassVar[tuple[str, ...]] = ()

    def __repr__(self) -> str:
        """Without the secrets: settings end up in tracebacks."""
        values = ", ".join(
            f"{key.attribute}={'…' if key.says.secret else repr(getattr(self, key.attribute))}"
            for key in keys(type(self))
        )
        return f"{type(self).__name__}({values})"


class ConnectionSettings(Table, frozen=True):
    """ConnectionConfiguration: the server and its administrator."""

    unsupported = ("DriverName", "DataSource", "MaxIdleConns", "MaxIdleConnsPerHost", "IdleConnTimeoutMilliseconds")

    server_url: Annotated[str, Says("URL of the Mattermost server, without `/api/v4`."), url("http", "https")] = (
        "http://localhost:8065"
    )
    websocket_url: Annotated[
        str,
        Says("URL of the server's WebSocket. By default derived from ServerURL (http: ws, https: wss)."),
        url("ws", "wss"),
    ] = "ws://localhost:8065"
    admin_email: Annotated[str, Says("Email address with which a system administrator logs in."), EMAIL] = (
        "sysadmin@sample.mattermost.com"
    )
    admin_password: Annotated[str, Says("The administrator's password.", secret=True), NOT_EMPTY] = "Sys@dmin-sample1"
    verify_tls: Annotated[bool, Ours("Verify the server's TLS certificate.")] = True
    request_timeout_seconds: Annotated[Positive, Ours("Timeout of a REST call.")] = 30.0
    connect_timeout_seconds: Annotated[Positive, Ours("Timeout for opening a connection.")] = 10.0
    largest_answer_mb: Annotated[
        int,
        Ours("Largest response to a REST call in MB, also when decompressed; a larger one counts as a failure."),
        between(1, 1024),
    ] = 64
    use_proxy: Annotated[
        bool, Ours("Connect to the server through the proxy that the environment names, if any (see below).")
    ] = False
    headers: Annotated[
        tuple[str, ...],
        Ours(
            "Headers for every request: a list of `Name: value`; `${NAME}` stands for an environment variable's value.",
            secret=True,
        ),
        _HEADER,
    ] = ()
    allow_unsupported_server: Annotated[
        bool, Ours("Accept a server whose version is unknown or outside 6.7 to 11.x.")
    ] = False


class Rate(Table, frozen=True):
    """A share of the users, and how much slower than average they act."""

    rate: Annotated[float, Says("Factor for the idle time of these users: 6 is six times slower."), at_least(0)] = 1.0
    percentage: Annotated[Share, Says("Their share of all users.")] = 1.0


class Controller(Table, frozen=True):
    """UserControllerConfiguration: how the simulated users behave."""

    type: Annotated[str, Says("What the users do. `idle` (the peer's `noop`) only stays connected."), _BEHAVIOUR] = (
        "simulative"
    )
    rates_distribution: Annotated[
        tuple[Rate, ...],
        Says(
            "Slower and faster users: a list of {Rate, Percentage}; the percentages add up to 1. Empty: rate 1 for all."
        ),
    ] = ()
    server_version: Annotated[str, Says("The server's version, in case the server reports a wrong one."), _VERSION] = ""


class Instance(Table, frozen=True):
    """InstanceConfiguration: what `mmload init` creates on the server."""

    num_teams: Annotated[Count, Says("Number of teams.")] = 2
    num_channels: Annotated[Count, Says("Number of channels of all four types.")] = 10
    num_posts: Annotated[Count, Says("Number of posts, including replies.")] = 200
    num_reactions: Annotated[Count, Says("Number of reactions to posts.")] = 0
    num_admins: Annotated[Count, Says("Number of accounts with the system administrator role.")] = 0
    percent_replies: Annotated[Share, Says("Share of posts that are replies.")] = 0.5
    percent_replies_in_long_threads: Annotated[Share, Says("Share of replies that are in long threads.")] = 0.05
    percent_urgent_posts: Annotated[Share, Says("Share of root posts that are urgent.")] = 0.001
    percent_public_channels: Annotated[
        Share, Says("Share of public channels. The four shares add up to 1 (rounded to two decimals).")
    ] = 0.2
    percent_private_channels: Annotated[Share, Says("Share of private channels.")] = 0.1
    percent_direct_channels: Annotated[Share, Says("Share of direct channels (two users).")] = 0.6
    percent_group_channels: Annotated[Share, Says("Share of group channels (three or more users).")] = 0.1
    num_users: Annotated[Count, Ours("Number of accounts.")] = 20


class DeviceShare(Table, frozen=True):
    """A share of the people, and how many devices each of them has."""

    devices: Annotated[
        int, Says("Number of devices (sessions with a WebSocket) that each of these people has."), between(1, 10)
    ] = 1
    percentage: Annotated[Share, Says("Their share of all people.")] = 1.0


class Users(Table, frozen=True):
    """UsersConfiguration: how many users, and which accounts they use."""

    unsupported = ("MaxActiveBrowserUsers",)

    initial_active_users: Annotated[Count, Says("Number of users, unless the command line sets it.")] = 4
    users_file_path: Annotated[
        str,
        Says("File of accounts in order, one `email password` (or CSV) per line. Empty: accounts are generated."),
    ] = ""
    accounts_beyond_file: Annotated[bool, Ours("Generate accounts for users beyond the file's last line.")] = False
    max_active_users: Annotated[
        int,
        Says("Maximum number of users per worker process, which is also the number of accounts that it owns."),
        at_least(1),
    ] = 2000
    avg_sessions_per_user: Annotated[int, Says("Mean number of sessions (clients) per account."), at_least(1)] = 1
    devices_per_user: Annotated[
        tuple[DeviceShare, ...],
        Ours(
            "Devices that people have: a list of {Devices, Percentage}; the percentages add up to 1 (docs/devices.md). "
            "Empty: one device each."
        ),
    ] = ()
    percent_of_users_are_admin: Annotated[Share, Says("Share of users who log in as AdminEmail.")] = 0.0005
    username_prefix: Annotated[
        str, Ours("Account n has the name `{prefix}-{n}` and the address `{prefix}-{n}@example.com`."), _PREFIX
    ] = "testuser"
    password: Annotated[str, Ours("Password of these accounts.", secret=True), _PASSWORD] = "testPass123$"
    number_offset: Annotated[Count, Ours("Added to every account number.")] = 0
    max_logins_in_flight: Annotated[
        int,
        Ours("Maximum number of concurrent logins per process."),
        at_least(1),
    ] = 2
    login_retry_min_seconds: Annotated[
        Positive, Ours("Wait after a first failed login; it doubles with each further failure.")
    ] = 2.0
    login_retry_max_seconds: Annotated[Positive, Ours("Longest wait after failed logins.")] = 60.0
    static_files: Annotated[
        str,
        Ours(
            "What browsers request from the server besides the API. `all`: the HTML page and, with an empty cache, its "
            "static files; `page`: only the HTML page, if static files come from elsewhere (a CDN, a web server in "
            "front); `none`: neither."
        ),
        one_of("all", "page", "none"),
    ] = "all"
    percent_cold_browsers: Annotated[
        Share,
        Ours(
            "Share of logins in a browser with an empty cache, which fetches about 100 static files (4 MB). Each new "
            "version of the application empties all caches: 0.05 is one of the 20 working days per monthly release."
        ),
    ] = 0.05
    static_file_paths: Annotated[
        tuple[str, ...],
        Ours(
            "Static files in addition to those that the page references, such as `/static/17.2f1c0a9b.js`. Empty: "
            "those that the application's scripts reference."
        ),
        matching(r"/[!-~]+", "a path that begins with a slash"),
    ] = ()
    logout_when_stopped: Annotated[bool, Ours("Log out users when they are stopped, which ends their session.")] = False
    login_share: Annotated[
        Share,
        Ours("Share of users who log in by password even though they have a kept session (docs/sessions.md)."),
    ] = 0.02


class RunSettings(Table, frozen=True):
    """RunConfiguration: one load test."""

    run_time_seconds: Annotated[int, Ours("Duration of `mmload run`."), at_least(1)] = 60
    stages: Annotated[
        str,
        Ours(
            "Stages of the load, instead of the initial users and RunTimeSec: "
            "`0>200 in 5m; peak: 200 for 10m; 200>50 in 2m` (docs/stages.md). Empty: none."
        ),
    ] = ""
    profiles_folder: Annotated[
        str, Ours("Folder of the load profiles that the start form of the web UI offers (docs/stages.md)."), NOT_EMPTY
    ] = "profiles"
    spawn_rate: Annotated[float, Ours("Users started per second; 0: all at once."), at_least(0)] = 0.0
    seed: Annotated[int, Ours("Random seed; 0: one is drawn and reported."), at_least(0)] = 0
    name: Annotated[str, Ours("Name of the run, which becomes part of its folder's name."), _RUN_NAME] = ""
    runs_folder: Annotated[str, Ours("Folder for the results of all runs."), NOT_EMPTY] = "runs"
    sessions_folder: Annotated[
        str, Ours("Folder for kept sessions (docs/sessions.md). Empty: `mmload/sessions` in the user's state folder.")
    ] = ""
    thresholds: Annotated[
        tuple[str, ...],
        Ours("Conditions that a run must meet to pass: a list such as `p99(CreatePost) < 2s` (docs/measures.md)."),
        NOT_EMPTY,
    ] = ()
    metrics_address: Annotated[
        str,
        Ours(
            "Address for a separate Prometheus `/metrics`, outside the web UI, such as `127.0.0.1:9646`. Empty: none."
        ),
        _ADDRESS,
    ] = ""
    late_delivery_ms: Annotated[int, Ours("A delivery that takes longer is counted as late."), at_least(1)] = 5000


class BrowserSettings(Table, frozen=True):
    """BrowserConfiguration: users of the real web application in a real browser (docs/browser.md)."""

    users: Annotated[int, Ours("Number of browser users, in addition to the simulated ones."), between(0, 100)] = 0
    executable_path: Annotated[
        str, Ours("The Chromium or Chrome to use. Empty: the first one found; none is downloaded.")
    ] = ""
    pause_seconds: Annotated[Positive, Ours("Mean pause between two steps of a browser user.")] = 5.0
    step_timeout_seconds: Annotated[
        Positive, Ours("Timeout of a step: if the user cannot continue by then, the step has failed.")
    ] = 30.0
    niceness: Annotated[
        int,
        Ours("Niceness of the browsers' processes: above 0, load generators on the same machine get the CPU first."),
        between(0, 19),
    ] = 10


class Config(Table, frozen=True):
    """config.json."""

    unsupported = ("DeploymentConfiguration", "LogSettings")

    connection: ConnectionSettings = msgspec.field(default=ConnectionSettings(), name="ConnectionConfiguration")
    controller: Controller = msgspec.field(default=Controller(), name="UserControllerConfiguration")
    instance: Instance = msgspec.field(default=Instance(), name="InstanceConfiguration")
    users: Users = msgspec.field(default=Users(), name="UsersConfiguration")
    run: RunSettings = msgspec.field(default=RunSettings(), name="RunConfiguration")
    browser: BrowserSettings = msgspec.field(default=BrowserSettings(), name="BrowserConfiguration")


class ActionFrequency(Table, frozen=True):
    """How often the simulative user does one action."""

    action_id: Annotated[str, Says("The action."), one_of(*SIMULATIVE_ACTIONS)] = "CreatePost"
    frequency: Annotated[
        float, Says("Frequency relative to the other actions; 0: only when triggered."), at_least(0)
    ] = 1.0


class SimulController(Table, frozen=True):
    """simulcontroller.json: the pace of the simulative user, and the frequencies of its actions."""

    unsupported = ("EnabledPlugins",)

    min_idle_time_ms: Annotated[Count, Says("Shortest wait between two actions.")] = 1000
    avg_idle_time_ms: Annotated[Count, Says("Mean wait between two actions, before the user's rate is applied.")] = (
        20000
    )
    percent_urgent_posts: Annotated[
        Share, Says("Share of root posts that are urgent, on servers with message priority.")
    ] = 0.001
    percent_replies: Annotated[Share, Says("Share of posts that are replies.")] = 0.18
    open_model: Annotated[
        bool, Ours("Start actions by the clock: a slow response delays the next action, but not those after it.")
    ] = False
    channel_pick_exponent: Annotated[
        float, Ours("Zipf exponent for choosing a channel; 0 is uniform."), between(0, 5)
    ] = 1.0
    avg_active_minutes: Annotated[
        float, Ours("Mean length of an active period, in minutes; 0: no pauses."), at_least(0)
    ] = 0.0
    avg_pause_minutes: Annotated[
        float, Ours("Mean length of the pause between two active periods, in minutes."), at_least(0)
    ] = 0.0
    percent_time_in_front: Annotated[
        float,
        Ours(
            "Share of the time in which a user's window has the focus. Without the focus, users do not act or mark "
            "anything as read; with it, they act more often, so that the mean idle time stays the same."
        ),
        between(0.01, 1),
    ] = 0.75
    avg_minutes_in_front: Annotated[
        float,
        Ours("Mean time for which the window keeps the focus, in minutes; the mean time without it follows."),
        more_than(0),
    ] = 6.0
    avg_words_per_post: Annotated[int, Ours("Mean number of words in a root post."), at_least(1)] = 35
    avg_words_per_reply: Annotated[int, Ours("Mean number of words in a reply."), at_least(1)] = 24
    avg_typing_ms_per_key: Annotated[
        int,
        Ours(
            "Mean time for typing one character of a message (each user has its own speed, from half to one and a half "
            "of that). Users who wait less than 20 s on average type faster in the same proportion."
        ),
        at_least(0),
    ] = 150
    percent_posts_with_files: Annotated[Share, Ours("Share of posts with attachments.")] = 0.02
    percent_posts_with_mention: Annotated[Share, Ours("Share of posts that mention a user.")] = 0.1
    percent_posts_with_link: Annotated[Share, Ours("Share of posts with a link.")] = 0.1
    percent_posts_with_permalink: Annotated[Share, Ours("Share of posts with a link to another post.")] = 0.01
    action_frequencies: Annotated[
        tuple[ActionFrequency, ...],
        Ours(
            "Frequencies that replace the defaults (docs/behaviours.md): a list of {ActionId, Frequency}. Other "
            "actions keep their default. `mmload learn` writes this list."
        ),
    ] = ()


class SimpleAction(Table, frozen=True):
    """One step of the simple user's cycle."""

    action_id: Annotated[str, Says("The action."), one_of(*SIMPLE_ACTIONS)] = "Login"
    run_period: Annotated[Count, Says("Run it in every Nth cycle; 0: never.")] = 20
    wait_after_ms: Annotated[Count, Says("Wait after the action, multiplied by the user's rate.")] = 1000


class SimpleController(Table, frozen=True):
    """simplecontroller.json: the fixed cycle of the simple user."""

    actions: Annotated[
        tuple[SimpleAction, ...], Says("The steps, in order: a list of {ActionId, RunPeriod, WaitAfterMs}.")
    ] = ()


class ChannelMembers(Table, frozen=True):
    """A share of the generated channels, and their number of members."""

    member_limit: Annotated[Count, Says("Maximum number of members of these channels; 0: no limit.")] = 0
    percent_channels: Annotated[Share, Says("Their share of the channels.")] = 0.0
    probability: Annotated[Share, Says("Probability that a new membership is in one of these channels.")] = 0.0


class GenController(Table, frozen=True):
    """gencontroller.json: what the generative users create, in total."""

    unsupported = ("EnabledPlugins", "NumCPAFields")

    num_teams: Annotated[Count, Says("Number of teams.")] = 2
    num_channels_dm: Annotated[
        Count,
        Says("Number of direct channels. n users form n·(n-1)/2 pairs; a higher number is reported as impossible."),
    ] = 20
    num_channels_gm: Annotated[Count, Says("Number of group channels (three to eight users).")] = 20
    num_channels_private: Annotated[Count, Says("Number of private channels.")] = 20
    num_channels_public: Annotated[Count, Says("Number of public channels.")] = 20
    num_posts: Annotated[Count, Says("Number of posts, including replies.")] = 1000
    num_reactions: Annotated[Count, Says("Number of reactions to posts.")] = 200
    num_post_reminders: Annotated[Count, Says("Number of post reminders.")] = 200
    num_sidebar_categories: Annotated[Count, Says("Number of sidebar categories.")] = 10
    num_followed_threads: Annotated[Count, Says("Number of followed threads.")] = 10
    percent_replies: Annotated[Share, Says("Share of posts that are replies.")] = 0.5
    percent_replies_in_long_threads: Annotated[
        Share, Says("Share of replies that are in long threads, of which there are at most two per channel.")
    ] = 0.05
    percent_urgent_posts: Annotated[
        Share, Says("Share of root posts that are urgent, on servers with message priority.")
    ] = 0.001
    channel_members_distribution: Annotated[
        tuple[ChannelMembers, ...],
        Says(
            "Sizes of public and private channels: a list of {MemberLimit, PercentChannels, Probability}. The "
            "percentages add up to 1, and so do the probabilities. Empty: all channels are alike."
        ),
    ] = ()


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of it, checked: what every process of a run works with."""

    config: Config = Config()
    simul: SimulController = SimulController()
    simple: SimpleController = SimpleController()
    generate: GenController = GenController()
