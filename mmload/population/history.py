"""The history: what the channels contain is read, and what the plan has more is posted by its authors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mmload.population.channels import ServerChannel
from mmload.population.init_job import InitJob
from mmload.population.plan import PlannedPost, PlannedReaction, text_of

POSTS_PER_PAGE = 200
_NONE: Iterator[str] = iter(())
# Who said it, what, and whether it answers something.
Said = tuple[str, str, bool]


@dataclass(slots=True)
class ChannelHistory:
    """What a channel contains, as far as it was read: ids of posts by author and text, oldest first, and reactions.

    Posts that were edited since (simulated users do that) are known by their author only.
    """

    messages: defaultdict[Said, list[str]] = field(default_factory=lambda: defaultdict(list))
    edited: defaultdict[tuple[str, bool], list[str]] = field(default_factory=lambda: defaultdict(list))
    reactions: set[tuple[str, str, str]] = field(default_factory=set)  # (post id, user id, emoji)

    def add(self, posts: Iterable[Mapping[str, Any]]) -> None:
        """Take in posts, oldest first."""
        for post in posts:
            if post.get("type") or post.get("delete_at"):
                continue
            author, text, reply = post["user_id"], post["message"], bool(post["root_id"])
            ids = self.edited[author, reply] if post.get("edit_at") else self.messages[author, text, reply]
            if post["id"] not in ids:
                ids.append(post["id"])
            for reaction in (post.get("metadata") or {}).get("reactions") or ():
                self.reactions.add((post["id"], reaction["user_id"], reaction["emoji_name"]))


def matched(planned: Sequence[tuple[PlannedPost, str, str]], found: ChannelHistory) -> dict[int, str]:
    """Which of the planned (post, author's id, text) are there: post number → id. Pure.

    Posts are the same by author, text and being a reply; of those that say the same, as many count as there are. What
    is left over may have been edited since.
    """
    unused = {said: iter(ids) for said, ids in found.messages.items()}
    edited = {author: iter(ids) for author, ids in found.edited.items()}
    ids: dict[int, str] = {}
    for post, author_id, text in planned:
        ids[post.number] = next(unused.get((author_id, text, post.root is not None), _NONE), "")
    for post, author_id, _ in planned:
        ids[post.number] = ids[post.number] or next(edited.get((author_id, post.root is not None), _NONE), "")
    return {number: post_id for number, post_id in ids.items() if post_id}


def write_history(job: InitJob, channels: Sequence[ServerChannel], *, urgent: bool) -> None:
    """Write the posts and reactions that are missing, channel by channel. `urgent`: the server knows priorities."""
    posts: defaultdict[int, list[PlannedPost]] = defaultdict(list)
    reactions: defaultdict[int, list[PlannedReaction]] = defaultdict(list)
    place = {}
    for post in job.plan.posts:
        posts[post.channel].append(post)
        place[post.number] = post.channel
    for reaction in job.plan.reactions:
        reactions[place[reaction.post]].append(reaction)
    # The longest first: they end last, and the threads should end together.
    histories = [
        _History(job, channels[index], posts[index], reactions[index], urgent)
        for index in sorted(posts, key=lambda index: -len(posts[index]))
    ]
    job.each("messages and reactions", histories, _History.write, size=lambda history: history.size)


@dataclass(frozen=True, slots=True)
class _History:
    job: InitJob
    channel: ServerChannel
    posts: Sequence[PlannedPost]
    reactions: Sequence[PlannedReaction]
    urgent: bool

    @property
    def size(self) -> int:
        return len(self.posts) + len(self.reactions)

    def write(self) -> None:
        job = self.job
        planned = [(post, job.user_ids[post.author], text_of(job.plan.seed, post)) for post in self.posts]
        found = self._read(planned)
        ids = matched(planned, found)
        job.tally.found("posts", len(ids))
        job.progress.advance(len(ids))
        for post, author_id, text in planned:
            if post.number not in ids:
                job.patience.check()
                ids[post.number] = self._write(post, author_id, text, ids)
                job.tally.new("posts")
                job.progress.advance()
        for reaction in self.reactions:
            job.patience.check()
            self._react(reaction, ids[reaction.post], found)
            job.progress.advance()

    def _read(self, planned: Sequence[tuple[PlannedPost, str, str]]) -> ChannelHistory:
        """What the channel holds, from its oldest page on, until all that is planned was seen.

        A load test writes more behind our history: of a channel with a million posts only the first pages are read.
        """
        pages = []
        number = self.channel.messages // POSTS_PER_PAGE
        while page := self._page(number):
            pages.append(page)
            number += 1
        found = ChannelHistory()
        for page in reversed(pages):
            found.add(page)
        for number in range(self.channel.messages // POSTS_PER_PAGE - 1, -1, -1):
            if len(matched(planned, found)) == len(planned):
                break
            found.add(self._page(number))
        return found

    def _page(self, number: int) -> list[dict[str, Any]]:
        """The posts of a page (0: the newest), oldest first."""
        path = f"/channels/{self.channel.id}/posts?page={number}&per_page={POSTS_PER_PAGE}"
        listed = self.job.admin.call("GET", path, step="reading history")
        return [listed["posts"][post_id] for post_id in reversed(listed["order"] or ())]

    def _write(self, post: PlannedPost, author_id: str, text: str, ids: Mapping[int, str]) -> str:
        """Write one post, once: after an attempt without an answer the channel is read before the next one."""
        body = self._body(post, author_id, text, ids)
        tried = False

        def attempt() -> str:
            nonlocal tried
            if tried and (stored := self._stored((author_id, text, post.root is not None), set(ids.values()))):
                return stored
            tried = True
            author, step = self.job.session(post.author), "writing history"
            return str(author.call("POST", "/posts?set_online=false", body, step=step, repeatable=False)["id"])

        return self.job.patience.run("writing history", attempt)

    def _body(self, post: PlannedPost, author_id: str, text: str, ids: Mapping[int, str]) -> dict[str, Any]:
        body: dict[str, Any] = {"channel_id": self.channel.id, "user_id": author_id, "message": text}
        # The server answers with the post it has made when the same pending id comes again.
        body["pending_post_id"] = f"{author_id}:{self.channel.id}-{post.number}"
        if post.root is not None:
            body["root_id"] = ids[post.root]
        if post.urgent and self.urgent:
            body["metadata"] = {"priority": {"priority": "urgent", "requested_ack": False}}
        return body

    def _stored(self, said: Said, accounted: set[str]) -> str:
        """The id of a post that was stored though its answer was lost, or "". It is among the newest."""
        found = ChannelHistory()
        found.add(self._page(0))
        return next((post_id for post_id in found.messages[said] if post_id not in accounted), "")

    def _react(self, reaction: PlannedReaction, post_id: str, found: ChannelHistory) -> None:
        user_id = self.job.user_ids[reaction.account]
        if (post_id, user_id, reaction.emoji) in found.reactions:
            self.job.tally.found("reactions")
            return
        body = {"user_id": user_id, "post_id": post_id, "emoji_name": reaction.emoji}
        self.job.session(reaction.account).call("POST", "/reactions", body, step="reacting")
        self.job.tally.new("reactions")
