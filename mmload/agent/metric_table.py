"""The metrics of `/metrics`: names, types, labels, meanings (docs/metrics.md describes each). Names once given stay."""

from __future__ import annotations

from mmload.metrics.exposition import Kind, Metric

_GAUGE, _COUNTER, _HISTOGRAM = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

INFO = Metric(
    "mmload_info", _GAUGE, ("version", "locust", "python", "server", "server_version", "run"), "Who tests whom."
)
RUNNING = Metric("mmload_test_running", _GAUGE, (), "1 while a test goes on.")
STARTED = Metric("mmload_test_start_timestamp_seconds", _GAUGE, (), "When the last test began, since 1970.")
SECONDS = Metric("mmload_test_seconds_total", _COUNTER, (), "Seconds of the test that are in its record.")
PHASE = Metric("mmload_test_phase", _GAUGE, ("phase",), "1 for the phase of the last recorded second.")
USERS = Metric("mmload_users", _GAUGE, ("state",), "Simulated users by state.")
WORKERS = Metric("mmload_workers", _GAUGE, ("state",), "Worker processes by Locust's state.")
REQUESTS = Metric("mmload_requests_total", _COUNTER, ("kind", "route"), "REST calls that ended, good or not.")
FAILURES = Metric(
    "mmload_request_failures_total", _COUNTER, ("kind", "route", "reason"), "REST calls that failed, by reason."
)
REQUEST_SECONDS = Metric(
    "mmload_request_seconds",
    _HISTOGRAM,
    ("kind", "route", "outcome"),
    "From the first byte sent to the last byte read.",
)
ACTIONS = Metric("mmload_actions_total", _COUNTER, ("action", "outcome"), "Actions of people that ended.")
ACTION_SECONDS = Metric("mmload_action_seconds", _HISTOGRAM, ("action", "outcome"), "What an action took.")
DELIVERY_SECONDS = Metric(
    "mmload_delivery_seconds", _HISTOGRAM, (), "From sending a post to its arrival on another socket."
)
SPAN_SECONDS = Metric("mmload_span_seconds", _HISTOGRAM, ("span",), "Other spans of time that are measured.")
DELIVERED = Metric("mmload_deliveries_total", _COUNTER, ("outcome",), "Deliveries that came.")
# No counters: what was expected, given up or unanswered may be taken back.
ACCOUNT = Metric("mmload_delivery_account", _GAUGE, ("part",), "The account of messages as it stands.")
MISSING = Metric("mmload_deliveries_missing", _GAUGE, ("reason",), "Deliveries given up, by reason.")
POSTS = Metric("mmload_posts_total", _COUNTER, (), "Posts that the server accepted.")
POSTS_UNANSWERED = Metric("mmload_posts_uncertain", _GAUGE, (), "Posts without an answer that nobody has seen.")
LOGINS_ENDED = Metric("mmload_logins_total", _COUNTER, ("outcome",), "Log-ins of users.")
EVENTS = Metric("mmload_events_total", _COUNTER, ("event",), "WebSocket events received.")
SOCKETS = Metric("mmload_sockets", _GAUGE, (), "WebSockets open.")
SOCKET_CHANGES = Metric("mmload_socket_changes_total", _COUNTER, ("change",), "What became of WebSockets.")
COUNTS = Metric("mmload_counts_total", _COUNTER, ("what",), "Whatever else is counted.")
UNAVAILABLE = Metric(
    "mmload_feature_unavailable", _GAUGE, ("feature", "reason"), "1 for each feature that the server lacks."
)
SATURATED = Metric("mmload_generator_saturated", _GAUGE, (), "1 if the test's figures of late can't be trusted.")
CPU = Metric("mmload_generator_cpu_ratio", _GAUGE, ("process",), "CPU seconds per second; 1 is a whole core.")
LAG = Metric(
    "mmload_generator_loop_lag_seconds", _GAUGE, ("process",), "How long the event loop kept something waiting."
)
BACKLOG = Metric("mmload_generator_backlog_sockets", _GAUGE, ("process",), "Sockets found readable at once.")
GC = Metric("mmload_generator_gc_seconds", _GAUGE, ("process",), "Garbage collection in one second.")
RSS = Metric("mmload_generator_rss_bytes", _GAUGE, ("process",), "Memory.")
STEAL = Metric("mmload_generator_steal_ratio", _GAUGE, ("process",), "CPU time of the machine that its host gave away.")
THROTTLED = Metric(
    "mmload_generator_throttled_seconds", _GAUGE, ("process",), "Held back for the CPU quota in one second."
)
PEER_TIME = Metric("loadtest_http_request_time", _HISTOGRAM, (), "The time taken by all REST calls, good or not.")
PEER_ERRORS = Metric(
    "loadtest_http_errors_total", _COUNTER, ("path", "method", "status_code"), "Answers with a status of 400 or more."
)
PEER_TIMEOUTS = Metric("loadtest_http_timeouts_total", _COUNTER, ("path", "method"), "Requests that timed out.")
PEER_SOCKETS = Metric("loadtest_websocket_connections_total", _GAUGE, (), "WebSockets open.")
