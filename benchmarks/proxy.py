"""A real nginx in front of a server, with an access log: what `mmload learn` is held against."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmload.errors import MmloadError

_ANSWER_SECONDS = 20.0
_CONFIGURATION = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 8192; }}
http {{
  log_format timed '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" $request_time';
  access_log {folder}/access.log timed;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 50m;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream application {{ server {server}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://application;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 600s;
    }}
  }}
}}
"""


@contextmanager
def nginx(server_url: str, folder: Path) -> Iterator[str]:
    """The address of an nginx in front of this server; its log is `folder`/access.log. `MmloadError` without nginx."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise MmloadError("there is no nginx on this machine (Debian: apt install nginx-light)")
    port = _free_port()
    configuration = folder / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    server = server_url.removeprefix("http://").rstrip("/")
    configuration.write_text(_CONFIGURATION.format(folder=folder, user=user, server=server, port=port))
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(configuration)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port, process, folder)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=_ANSWER_SECONDS)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _ANSWER_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                log = folder / "error.log"
                told = log.read_text().strip()[-300:] if log.exists() else "it said nothing"
                raise MmloadError(f"nginx did not start: {told}") from None
            time.sleep(0.05)
