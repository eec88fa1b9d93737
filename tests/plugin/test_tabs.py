"""Our tabs in Locust's page: what a person sees and presses there, in a real browser; and who may not press it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from mmload.cli.locust_process import free_port
from tests.plugin.browser import Browser, chromium, is_installed
from tests.plugin.driven import Driven, agent, assert_no_faults, await_that, connected, counts, mmload
from tests.support import Admin

in_a_browser = pytest.mark.skipif(
    not is_installed(), reason="chromium or chromium-driver is not installed (make system-packages)"
)
TOKEN = "a token of sixteen characters or more"
HASTE = {"MMLOAD_SIMULCONTROLLER_MINIDLETIMEMS": "100", "MMLOAD_SIMULCONTROLLER_AVGIDLETIMEMS": "700"}
READ = (
    "/mmload/delivery",
    "/mmload/health",
    "/mmload/actions",
    "/mmload/tabs.js",
    "/mmload/parts.js",
    "/mmload/tabs.css",
)


@pytest.fixture(scope="module")
def server(sandbox: str) -> str:
    Admin(sandbox).team()
    return sandbox


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def driven(server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driven]:
    """A single process; each test ends the test that it began."""
    with agent(tmp_path_factory.mktemp("tabs"), server, **HASTE) as one:
        yield one
        assert_no_faults(one)


def gone(server: str) -> None:
    await_that(lambda: connected(server).total() == 0, "everybody has left")


@in_a_browser
def test_a_test_is_begun_changed_and_ended_by_clicks(driven: Driven, server: str, browser: Browser) -> None:
    """Locust's own buttons begin and end it; ours add and remove users, who come and leave at the server."""
    browser.driver.get(driven.url)
    browser.press("Start")
    await_that(lambda: connected(server).total() == 1, "one is in")
    browser.tab("Actions")

    browser.type("Number of users", 4)
    browser.press("Add users")
    browser.reads("4 users added")
    await_that(lambda: connected(server).total() == 5, "five are in")
    browser.type("Number of users", 2)
    browser.press("Remove users")
    browser.reads("2 users removed")
    await_that(lambda: connected(server).total() == 3, "three are left")

    browser.press("Stop")
    browser.reads("No test is running")
    assert browser.attribute("//button[normalize-space()='Trigger']", "disabled")
    gone(server)
    assert browser.complaints() == []


@in_a_browser
def test_an_action_is_injected_by_a_click(driven: Driven, server: str, browser: Browser) -> None:
    driven.swarm(3)
    await_that(lambda: driven.ask("GET", "/mmload/health").json()["users"]["active"] == 3, "three are in")
    browser.driver.get(f"{driven.url}/?tab=actions")
    teams = counts(server)["channels"].get("P", 0)

    browser.choose("Action", "CreatePrivateChannel")
    browser.type("Users", 2)
    browser.press("Trigger")

    browser.reads("CreatePrivateChannel triggered: 2 users")
    await_that(lambda: counts(server)["channels"].get("P", 0) >= teams + 2, "two private channels more")
    browser.find("//td[text()='CreatePrivateChannel']")
    driven.ask("POST", "/stop")
    gone(server)


@in_a_browser
def test_a_storm_is_raised_by_a_click(driven: Driven, server: str, browser: Browser) -> None:
    """All sockets are lost and come back; the page goes on telling how."""
    driven.swarm(3)
    await_that(lambda: driven.ask("GET", "/mmload/health").json()["users"]["active"] == 3, "three are in")
    browser.driver.get(f"{driven.url}/?tab=actions")
    resumed = counts(server)["sockets_resumed"]

    browser.choose("Storm", "reconnect")
    browser.press("Trigger storm")

    browser.reads("reconnect storm")
    await_that(lambda: counts(server)["sockets_resumed"] >= resumed + 3, "three sockets are back")
    browser.find("//section[h2='Storms' or h3='Storms']//p[contains(., 'reconnect storm')]")
    driven.ask("POST", "/stop")
    gone(server)


@in_a_browser
def test_what_was_typed_stays_while_the_figures_are_renewed(driven: Driven, server: str, browser: Browser) -> None:
    driven.swarm(2)
    browser.driver.get(f"{driven.url}/?tab=actions")
    browser.type("Number of users", 77)
    before = browser.text("//section[last()]//table")

    await_that(
        lambda: browser.script("return document.querySelector('#mmload-done').innerText") != before, "newer figures"
    )

    assert browser.attribute("//label[contains(., 'Number of users')]//input", "value") == "77"
    driven.ask("POST", "/stop")
    gone(server)


@in_a_browser
def test_the_tabs_of_a_master_tell_of_deliveries_and_of_each_worker(
    server: str, browser: Browser, tmp_path: Path
) -> None:
    """Below a base path, too; and Locust's own tabs are as they were."""
    port = free_port()
    options = ("agent", "--server", server, "--port", str(port), "--workers", "2", "--", "--web-base-path", "/load")
    with mmload(tmp_path, *options, **HASTE) as driven:
        driven.url = f"http://127.0.0.1:{port}/load"
        await_that(driven.answers, "the agent answers")
        await_that(lambda: driven.ask("GET", "/worker-count").json()["worker_count"] == 2, "two workers are there")
        driven.swarm(8)
        await_that(lambda: connected(server).total() == 8, "eight are in")
        assert (
            driven.ask("POST", "/mmload/inject", json={"action": "CreatePost"})
            .json()["message"]
            .startswith("CreatePost")
        )
        browser.driver.get(f"{driven.url}/")
        browser.tab("Health")
        browser.reads("The generator")
        rows = ("master running – ", "worker 0 running 4 ", "worker 1 running 4 ")
        await_that(lambda: all(f"\n{row}" in browser.text("//table") for row in rows), "a row for each of them")

        await_that(lambda: driven.ask("GET", "/mmload/delivery").json()["account"]["delivered"] > 0, "a delivery")
        browser.tab("Delivery")
        browser.find("//dt[text()='Delivered']/following-sibling::dd[text()!='0']")
        browser.find("//*[local-name()='polyline']")
        browser.tab("Actions")
        browser.type("Number of users", 3)
        browser.press("Add users")
        await_that(lambda: connected(server).total() == 11, "eleven are in")

        browser.tab("Workers")
        browser.reads("# users")
        assert not browser.script("return document.querySelector('#mmload')")
        assert browser.complaints() == []
    gone(server)


@in_a_browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_in_either_theme(driven: Driven, server: str, browser: Browser, theme: str) -> None:
    """A contrast of 4.5 to 1, as the guidelines for accessible pages ask for."""
    driven.swarm(1)
    browser.driver.get(driven.url)
    browser.script(f"localStorage.theme = '{theme}'")
    browser.driver.get(f"{driven.url}/?tab=actions")
    browser.find("//td")

    assert browser.script("return document.querySelector('#mmload').classList.contains('dark')") is (theme == "dark")
    paper = luminance(browser.script("return getComputedStyle(document.body).backgroundColor"))
    for element in ("h2", "td", "label", "input", "select"):
        ink = luminance(browser.script(f"return getComputedStyle(document.querySelector('#mmload {element}')).color"))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) > 4.5, element
    browser.script("localStorage.removeItem('theme')")
    driven.ask("POST", "/stop")
    gone(server)


def luminance(colour: str) -> float:
    """Of a computed colour: `rgb(…)` in 255ths, `color(srgb …)` in parts of 1 (a mix; its alpha is weighed in)."""
    numbers = [float(each) for each in re.findall(r"[\d.]+", colour)]
    scale = 1 if colour.startswith("color(") else 255
    parts = [each / scale for each in numbers[:3]]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@in_a_browser
def test_a_page_of_another_site_can_press_nothing(driven: Driven, server: str, browser: Browser) -> None:
    """Neither by a form nor by a script, though the browser runs on the agent's own machine."""
    driven.swarm(2)
    await_that(lambda: connected(server).total() == 2, "two are in")
    with other_site(driven.url) as site:
        browser.driver.get(site)
        browser.reads("all asked")
        browser.press("swarm")
        browser.reads("requests from other sites are refused")

    # One of them may be reconnecting by itself.
    await_that(lambda: connected(server).total() == 2, "there are still two")
    assert driven.ask("GET", "/mmload/actions").json()["users"] == 2
    driven.ask("POST", "/stop")
    gone(server)
    assert browser.complaints()  # forgotten now: the next test begins anew


EVIL = """<form method=post action="AGENT/swarm"><input name=user_count value=9><input name=spawn_rate value=9>
<button>swarm</button></form><p></p><script type=module>
const form = {method: "POST", mode: "no-cors", body: new URLSearchParams({user_count: 9, spawn_rate: 9})};
const json = {method: "POST", headers: {"Content-Type": "application/json"}, body: '{"amount": 5}'};
const text = {method: "POST", mode: "no-cors", headers: {"Content-Type": "text/plain"}, body: '{"amount": 5}'};
await Promise.allSettled([
  fetch("AGENT/swarm", form), fetch("AGENT/mmload/users", json), fetch("AGENT/mmload/users", text),
  fetch("AGENT/loadagent/create?id=evil", text), fetch("AGENT/stop", form)]);
document.querySelector("p").textContent = "all asked";
</script>"""


class OtherSite(BaseHTTPRequestHandler):
    """A page that would drive the agent."""

    page = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(self.page.encode())

    def log_message(self, *_: object) -> None:
        """Nothing of this is of interest."""


class other_site:  # noqa: N801
    """Serves that page; gives its address."""

    def __init__(self, url: str) -> None:
        handler = type("Site", (OtherSite,), {"page": EVIL.replace("AGENT", url)})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://localhost:{self._server.server_port}/"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@in_a_browser
def test_who_knows_the_token_can_press_the_buttons(server: str, browser: Browser, tmp_path: Path) -> None:
    """A browser asks for it once; without it the tabs tell nothing and do nothing."""
    port = free_port()
    options = ("agent", "--server", server, "--host", "0.0.0.0", "--port", str(port))
    with mmload(tmp_path, *options, MMLOAD_AGENT_TOKEN=TOKEN) as driven:
        driven.url = f"http://127.0.0.1:{port}"
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        await_that(lambda: _answers(driven), "the agent answers")
        assert {driven.ask("GET", path).status_code for path in READ} == {401}
        assert {
            driven.ask("POST", f"/mmload/{path}", json={}).status_code for path in ("users", "inject", "storm")
        } == {401}
        driven.ask("POST", "/swarm", data={"user_count": 1, "spawn_rate": 1}, headers=bearer)

        browser.driver.get(f"http://anybody:{quote(TOKEN)}@127.0.0.1:{port}/version")  # in place of the dialogue
        browser.driver.get(f"{driven.url}/?tab=actions")
        browser.type("Number of users", 2)
        browser.press("Add users")

        browser.reads("2 users added")
        await_that(lambda: connected(server).total() == 3, "three are in")
    gone(server)


def _answers(driven: Driven) -> bool:
    try:
        return driven.ask("GET", "/").status_code == 401
    except OSError:
        return False


@pytest.mark.parametrize(
    ("path", "sent", "status", "said"),
    [
        ("users", {"amount": 0}, 400, "a number other than 0"),
        ("users", {"amount": 40000}, 400, "amount"),
        ("users", {"amount": "many"}, 400, "Expected `int`"),
        ("users", {}, 400, "amount"),
        ("users", {"amount": 1}, 409, "0 users added: LoadTester is not running"),
        ("inject", {"action": "Reload"}, 409, "LoadTester is not running"),
        ("inject", {"action": "Reload", "users": -1}, 400, "users"),
        ("inject", {"action": "Reload", "within_seconds": 1e9}, 400, "within_seconds"),
        ("inject", {"action": "Reload", "whom": "all"}, 400, "whom"),
        ("storm", {"kind": "reconnect"}, 409, "LoadTester is not running"),
        ("storm", {"kind": "rain"}, 400, "kind"),
        ("storm", {"kind": "spike", "users": -1}, 400, "users"),
    ],
)
def test_what_cannot_be_done_is_refused_in_words(
    driven: Driven, path: str, sent: object, status: int, said: str
) -> None:
    answer = driven.ask("POST", f"/mmload/{path}", json=sent)

    assert answer.status_code == status and said in answer.json()["error"]


def test_only_json_is_taken(driven: Driven) -> None:
    """What a form of another site could send is none."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = driven.ask("POST", "/mmload/users", data='{"amount": 1}', headers={"Content-Type": kind})
        assert (answer.status_code, answer.json()["error"]) == (400, "expected application/json")
    assert (
        driven.ask("POST", "/mmload/users", data="{", headers={"Content-Type": "application/json"}).status_code == 400
    )
