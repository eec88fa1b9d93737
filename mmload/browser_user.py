"""The Locust user behind a real browser: an account, a browser's process, and its steps, one after the other."""

from __future__ import annotations

import itertools
import logging
import random
import socket
import time
from collections.abc import Iterator

import gevent
from locust import task
from locust.env import Environment

from mmload.behaviours.login import EntryRefused, log_in, log_out, release
from mmload.behaviours.page_load import LOG_IN as START
from mmload.behaviours.page_load import choose_team, load_account
from mmload.browser.messages import StartBrowser, StepDone
from mmload.browser.process import BrowserGone, BrowserProcess
from mmload.browser.start_order import start_order
from mmload.browser.steps import CYCLE, LOG_IN, OPEN, StepFailed
from mmload.client.accounts import Account, account
from mmload.client.http.rules import retry_seconds
from mmload.client.kept_sessions import logs_in
from mmload.context import TestContext
from mmload.errors import ConfigurationError, RequestFailed
from mmload.locust_internals import sleep_as_between_tasks
from mmload.metrics.browser import BrowserFailure
from mmload.metrics.recorder import process_recorder
from mmload.users import AccountUser, context_of, new_person

log = logging.getLogger("mmload.browser_user")
# The kind of these steps in Locust's own tables.
REQUEST_TYPE = "BROWSER"


class BrowserUser(AccountUser):
    """A person at the web application in a real browser, in a process of its own (`mmload.browser`)."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._browser: BrowserProcess | None = None
        self._session = ("", "")  # user id and token
        self._rng = random.Random()
        self._coming: Iterator[str] = iter(())
        self.context: TestContext = None  # type: ignore[assignment] # these two: from on_start on
        self.account: Account = None  # type: ignore[assignment]

    def on_start(self) -> None:
        """Take an account, open the browser and come in; sleeps for good if that never can be."""
        self.context = context_of(self.environment)
        self._take_account(self.context.accounts)
        self._rng = random.Random(f"{self.context.seed}:browser:{self.account_number}")
        self._coming = itertools.islice(itertools.cycle(CYCLE), self._rng.randrange(len(CYCLE)), None)
        self._take_up_session()
        self._held.callback(self._let_go)
        try:
            self._come_in_patiently()
        except (EntryRefused, ConfigurationError) as refusal:
            self.context.recorder.kept_out(str(refusal))
            log.error("browser user with account %d cannot become active: %s", self.account_number, refusal)
            self._stay_outside()
        self._enter_gauges("active")

    def wait_time(self) -> float:
        """The pause of a person who reads what came."""
        return self._rng.uniform(0.5, 1.5) * self.context.settings.config.browser.pause_seconds

    @task
    def do_next_step(self) -> None:
        """One step; after the end of its browser, a new one is opened in its place."""
        try:
            if self._browser is None:
                self._come_in_patiently()
                return
            self._do(self._browser, next(self._coming))
        except BrowserGone as error:
            log.warning("browser user with account %d: %s", self.account_number, error)
            self._close()

    def on_stop(self) -> None:
        """Close the browser; the session goes on, unless users log out when they are stopped."""
        self._enter_gauges()
        self._close(log_out=self.context.settings.config.users.logout_when_stopped)
        process_recorder().sessions.logged_out += 1

    # -- coming in -----------------------------------------------------------------------------------------------

    def _come_in_patiently(self) -> None:
        """Open a browser and come in, until it succeeds; EntryRefused, ConfigurationError: it never will."""
        users, failures = self.context.settings.config.users, 0
        while True:
            try:
                why = self._come_in()
            except BrowserGone as error:
                self._close()
                why = str(error)
            except RequestFailed as error:
                why = str(error)
            if not why:
                return
            failures += 1
            self.context.recorder.kept_out(f"browser: {why}")
            log.warning("browser user with account %d could not log in yet: %s", self.account_number, why)
            wait = retry_seconds(failures, users.login_retry_min_seconds, users.login_retry_max_seconds, self._rng)
            sleep_as_between_tasks(self, wait)

    def _come_in(self) -> str:
        """One try; why it failed, or ""."""
        settings = self.context.settings.config.browser
        if self._browser is None:
            self._browser = BrowserProcess(self._order(), settings.niceness)
        if self._session[1]:
            done = self._do(self._browser, OPEN)
            if not done.failure:
                return ""
            if not done.final:
                # Slow, perhaps, but not without a session.
                return done.failure
            self._forget_session()
        done = self._log_in(self._browser)
        sessions = self.context.recorder.sessions
        if done.failure:
            sessions.logins_failed += 1
            if done.final:
                raise EntryRefused(f"browser: {done.failure}")
            return done.failure
        sessions.logins += 1
        self._session = done.user_id, done.token
        if self.context.kept is not None:
            self.context.kept.began(self.account.email, done.user_id, done.token)
        return ""

    def _log_in(self, browser: BrowserProcess) -> StepDone:
        """By password. EntryRefused, RequestFailed: the account, which nobody knew, or its team could not be had."""
        with self.context.admission.turn():
            done, began = self._perform(browser, LOG_IN)
        if not done.final:
            self._record(done, began)
            return done
        try:
            self._sign_up()
        except EntryRefused:
            self._record(done, began)
            raise
        with self.context.admission.turn():
            return self._do(browser, LOG_IN)

    def _sign_up(self) -> None:
        """Nobody yet, or in no team: become what simulated users become at their first visit, by the API as they do."""
        person = new_person(self.context, self.account_number, self._report)
        person.account = self.account
        try:
            log_in(person)
            load_account(person, START)
            choose_team(person)
            log_out(person)
        finally:
            release(person)

    def _order(self) -> StartBrowser:
        context, seed = self.context, f"{self.context.seed}:steps:{self.account_number}"
        url, who = context.transport.server_url, self.account
        return start_order(context.settings.config, url, who.email, who.password, self._session, seed)

    # -- its session ---------------------------------------------------------------------------------------------

    def _take_up_session(self) -> None:
        context, users, number = self.context, self.context.settings.config.users, self.account_number
        self.account = account(number, users.username_prefix, users.password, users.number_offset, context.credentials)
        if context.kept is None or logs_in(number, users.login_share, context.seed):
            return
        if found := context.kept.take(self.account.email):
            self._session = found
            context.recorder.sessions.kept_sessions += 1

    def _forget_session(self) -> None:
        if self.context.kept is not None:
            self.context.kept.ended(self.account.email, self._session[1])
        self._session = ("", "")

    # -- steps ---------------------------------------------------------------------------------------------------

    def _do(self, browser: BrowserProcess, name: str) -> StepDone:
        done, began = self._perform(browser, name)
        self._record(done, began)
        return done

    def _perform(self, browser: BrowserProcess, name: str) -> tuple[StepDone, float]:
        """A step, and when it began; only the end of the browser is on record yet."""
        began = time.time()
        try:
            return browser.step(name), began
        except BrowserGone as error:
            self._record(StepDone(name, failure=str(error)), began)
            raise

    def _record(self, done: StepDone, began: float) -> None:
        host = socket.gethostname()
        process_recorder().browser_step(done, host)
        if done.skipped:
            log.debug("%s skipped: %s", done.step, done.skipped)
            return
        if done.failure:
            log.warning("browser user with account %d: %s failed: %s", self.account_number, done.step, done.failure)
            failure = BrowserFailure(round(began * 1000), done.step, done.failure, host, done.console)
            self.environment.mmload_browser_failed(failure, done.screenshot)
        self.environment.events.request.fire(
            request_type=REQUEST_TYPE,
            name=done.step,
            response_time=done.usable_ms or 0.0,
            response_length=done.measures.bytes,
            exception=StepFailed(done.failure) if done.failure else None,
            context={},
            response=None,
            start_time=began,
            url=done.step,
        )

    def _close(self, *, log_out: bool = False) -> None:
        browser, self._browser = self._browser, None
        if browser is not None:
            browser.close(log_out=log_out)
        if log_out:
            self._forget_session()

    def _let_go(self) -> None:
        """In the hub, where nothing may wait: the browser ends in a greenlet of its own."""
        browser, self._browser = self._browser, None
        if browser is not None:
            gevent.spawn(browser.end)
        if self.context.kept is not None:
            self.context.kept.give_back(self.account.email, self._session[1])
