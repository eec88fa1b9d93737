// Fills the tabs Delivery, Health and Actions of Locust's page. Locust draws the tabs and says in the address which one
// is chosen; what it draws below them we leave alone, and add a panel of ours at the end of its container.

import { chart, count, el, ms, percent, section, table, tiles, when } from "./parts.js";

const POLL_MS = 2000;
const TABS = { delivery: drawDelivery, health: drawHealth, actions: drawActions };
const FIGURES = { cpu: "CPU", lag_ms: "lag", backlog: "backlog", gc_ms: "garbage collection", steal: "stolen CPU", throttled_ms: "quota" };

const panel = el("div", { id: "mmload" });
let shown = ""; // the tab in the panel
let latest = ""; // what it was drawn from

function chosen() {
  const tab = new URLSearchParams(location.search).get("tab");
  return Object.hasOwn(TABS, tab ?? "") ? tab : "";
}

function container() {
  const list = document.querySelector('#root [role="tablist"]');
  return list?.closest(".MuiContainer-root") ?? null;
}

// Called whenever Locust has drawn something: cheap, and changes nothing where all is in its place.
function place() {
  const home = container();
  const tab = home ? chosen() : "";
  if (!tab) {
    panel.remove();
    shown = "";
    return;
  }
  if (panel.parentElement !== home) home.append(panel);
  followTheme();
  if (tab !== shown) {
    shown = tab;
    latest = "";
    panel.replaceChildren();
    look();
  }
}

function followTheme() {
  const [red, green, blue] = getComputedStyle(document.body).backgroundColor.match(/\d+/g).map(Number);
  const dark = red + green + blue < 382;
  if (panel.classList.contains("dark") === dark && panel.style.colorScheme) return;
  panel.classList.toggle("dark", dark);
  panel.style.colorScheme = dark ? "dark" : "light";
}

async function look() {
  const tab = shown;
  if (!tab || document.hidden) return;
  try {
    const answer = await fetch(`./mmload/${tab}`, { signal: AbortSignal.timeout(10000) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(said(text) || `HTTP ${answer.status}`);
    if (tab !== shown || text === latest) return;
    latest = text;
    TABS[tab](JSON.parse(text));
  } catch (error) {
    latest = "";
    if (tab === shown) complain(`Locust does not respond: ${error.message}`);
  }
}

function said(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return "";
  }
}

function complain(text) {
  if (shown === "actions" && panel.firstChild) result(text, true);
  else panel.replaceChildren(section("", el("p", { class: "bad", role: "alert" }, text)));
}

function drawDelivery(found) {
  const { account, outcomes, times } = found;
  panel.replaceChildren(
    section(
      "Posts and their deliveries",
      tiles({
        "Posts": count(found.posts),
        "Deliveries expected": count(account.expected),
        "Delivered": count(account.delivered),
        "Missing": [count(account.missing), account.missing > 0],
        "Receiver logged out first": count(account.withdrawn),
        "Posts without an answer": [count(found.uncertain), found.uncertain > 0],
      }),
    ),
    section(
      "Delivery time: from sending a post to the socket of another user",
      table(
        ["", "Deliveries", "Median (ms)", "95 % (ms)", "99 % (ms)", "Longest (ms)"],
        [["whole test", count(times.count), ms(times.p50), ms(times.p95), ms(times.p99), ms(times.longest)]],
      ),
      chart(found.series, ["median", "95 %"], "ms", ms),
    ),
    section(
      "Anomalies",
      table(
        ["What", "Deliveries"],
        [
          ["late", count(outcomes.late)],
          ["sent again after a reconnect", count(outcomes.resumed)],
          ["unexpected receiver", count(outcomes.extra)],
          ["duplicate", count(outcomes.duplicated)],
          ["out of order", count(outcomes.out_of_order)],
          ...Object.entries(found.missing).map(([reason, number]) => [`missing: ${reason}`, count(number)]),
        ],
      ),
    ),
  );
}

function drawHealth(found) {
  const { users } = found;
  const verdict = found.saturated
    ? "The generator is saturated: the figures of this test cannot be trusted."
    : "The generator keeps up.";
  panel.replaceChildren(
    section(
      "Users",
      tiles({
        "Target": count(users.target),
        "Started": count(users.spawned),
        "Active": count(users.active),
        "Waiting to log in": count(users.waiting),
        "Gave up": [count(users.gave_up), users.gave_up > 0],
        "Phase": found.phase || "–",
      }),
    ),
    section(
      "Processes",
      el("p", { class: found.saturated ? "bad" : "" }, found.processes.some((one) => one.health) ? verdict : "Not measured yet."),
      ...found.sentences.map((text) => el("p", { class: "quiet" }, text)),
      processes(found.processes),
      el("p", { class: "quiet" }, "Worst values of the last ten seconds. 100 % CPU is one core, the most that a process can use."),
    ),
    section("CPU of the busiest process", chart(found.series.map(([at, cpu]) => [at, cpu]), ["CPU"], "", percent)),
    section("Event-loop lag of the slowest process", chart(found.series.map(([at, , lag]) => [at, lag]), ["lag"], "ms", ms)),
  );
}

function processes(all) {
  const name = (one) => (one.name !== "local" ? one.name : all.length > 1 || one.users === null ? "master" : "this process");
  const rows = all.map((one) => {
    const health = one.health ?? {};
    const marked = (figure, text) => [text, one.crossed.includes(figure), `${FIGURES[figure]}: above its limit, the figures cannot be trusted`];
    return [
      name(one),
      one.state,
      one.users === null ? "–" : count(one.users),
      marked("cpu", percent(health.cpu)),
      marked("lag_ms", ms(health.lag_ms)),
      marked("backlog", count(health.backlog)),
      marked("gc_ms", ms(health.gc_ms)),
      marked("steal", percent(health.steal)),
      marked("throttled_ms", ms(health.throttled_ms)),
      health.rss_bytes ? count(Math.round(health.rss_bytes / 1e6)) : "–",
    ];
  });
  const head = ["Process", "State", "Users", "CPU", "Lag (ms)", "Backlog", "GC (ms)", "Stolen CPU", "Throttled (ms)", "Memory (MB)"];
  return table(head, rows);
}

// The forms are made once, so that nobody's typing is lost; what changes is below them.
function drawActions(found) {
  if (!panel.querySelector("form")) panel.replaceChildren(...forms(found), el("div", { id: "mmload-done" }));
  const idle = found.state !== "running";
  for (const button of panel.querySelectorAll("button")) button.disabled = idle;
  panel.querySelector("#mmload-state").textContent = idle
    ? `No test is running (${found.state}): start one first.`
    : `${count(found.users)} users are running; the maximum is ${count(found.most_users)}.`;
  const head = ["Action", "Done", "Failed", "Skipped", "Median (ms)", "95 % (ms)"];
  const rows = found.actions.map((one) => [
    one.name,
    count(one.done),
    [count(one.failed), one.failed > 0],
    count(one.skipped),
    ms(one.p50),
    ms(one.p95),
  ]);
  const storms = found.storms.map(([at, text]) => el("p", {}, `${when(at)} ${text}`));
  panel.querySelector("#mmload-done").replaceChildren(
    ...(storms.length ? [section("Storms", ...storms)] : []),
    section("Actions so far", table(head, rows)),
  );
}

function forms(found) {
  const amount = number("amount", "Number of users", 1, 1, 32767);
  const change = el("form", {}, amount.label, el("button", { value: "1" }, "Add users"), el("button", { value: "-1" }, "Remove users"));
  change.addEventListener("submit", (event) => {
    event.preventDefault();
    send("users", { amount: Number(event.submitter?.value ?? 1) * amount.input.valueAsNumber });
  });
  const action = el("select", { name: "action" }, ...found.choices.map((name) => el("option", {}, name)));
  const users = number("users", "Users (0: all)", 0, 0, 1e9);
  const within = number("within", "Spread over (seconds)", 0, 0, 3600);
  const inject = el("form", {}, el("label", {}, "Action", action), users.label, within.label, el("button", {}, "Trigger"));
  inject.addEventListener("submit", (event) => {
    event.preventDefault();
    send("inject", { action: action.value, users: users.input.valueAsNumber, within_seconds: within.input.valueAsNumber });
  });
  const kind = el("select", { name: "kind" }, ...found.kinds.map((name) => el("option", {}, name)));
  const hit = number("hit", "Users affected (0: all)", 0, 0, 32767);
  const span = number("span", "Spread over (seconds)", 0, 0, 3600);
  const storm = el("form", {}, el("label", {}, "Storm", kind), hit.label, span.label, el("button", {}, "Trigger storm"));
  storm.addEventListener("submit", (event) => {
    event.preventDefault();
    send("storm", { kind: kind.value, users: hit.input.valueAsNumber, within_seconds: span.input.valueAsNumber });
  });
  const hint = el("p", { class: "quiet" }, "restart: restart the server yourself; its recovery is measured from the moment you press the button.");
  const state = el("p", { id: "mmload-state", class: "quiet" });
  const output = el("output", { id: "mmload-result", "aria-live": "polite" });
  return [section("Change the load", state, change), section("Trigger an action", inject), section("Trigger a storm", storm, hint), section("", output)];
}

function number(name, text, value, min, max) {
  const input = el("input", { type: "number", name, value, min, max, step: 1, required: "" });
  return { input, label: el("label", {}, text, input) };
}

async function send(path, body) {
  result("…");
  try {
    const answer = await fetch(`./mmload/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (answer.ok) result(`${when(Date.now())} ${JSON.parse(text).message}`);
    else result(said(text) || `HTTP ${answer.status}`, true);
  } catch (error) {
    result(`Locust does not respond: ${error.message}`, true);
  }
  look();
}

function result(text, bad = false) {
  const output = panel.querySelector("#mmload-result");
  if (!output) return;
  output.textContent = text;
  output.className = bad ? "bad" : "";
}

new MutationObserver(place).observe(document.getElementById("root"), { childList: true, subtree: true });
addEventListener("popstate", place);
setInterval(() => {
  place();
  look();
}, POLL_MS);
place();
