"""The image: what it is made of, who runs in it, and when it is healthy."""

from __future__ import annotations

import http.server
import importlib.util
import re
import socket
import threading
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from mmload import __version__

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
INSTRUCTIONS = re.findall(r"^([A-Z]+) (.*)$", DOCKERFILE.replace("\\\n", " "), re.MULTILINE)


def instructions(name: str) -> list[str]:
    return [rest for each, rest in INSTRUCTIONS if each == name]


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("healthy", ROOT / "deploy" / "healthy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


healthy = script()
MASTER = ["python", "-m", "locust", "-f", "locustfile.py", "--web-port", "4000", "--master"]
WORKER = ["python", "-m", "locust", "-f", "locustfile.py", "--worker", "--master-host", "master"]
RUN = ["python", "-m", "locust", "-f", "locustfile.py", "--headless", "-u", "10"]


def test_all_its_stages_begin_with_the_same_base_by_its_digest() -> None:
    (image,) = [rest for rest in instructions("ARG") if rest.startswith("PYTHON_IMAGE=")]

    assert re.search(r"=docker\.io/library/python:3\.\d+\.\d+-slim-\w+@sha256:[0-9a-f]{64}$", image)
    assert {rest.split()[0] for rest in instructions("FROM")} == {"${PYTHON_IMAGE}"}


def test_what_it_installs_is_that_of_the_lock_file() -> None:
    installs = re.findall(r"pip install [^\n]*", DOCKERFILE)

    assert len(installs) == 2
    assert all("--constraint requirements.lock" in each for each in installs)


def test_it_runs_as_a_number_that_is_not_root_and_ends_what_it_starts() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert instructions("ENTRYPOINT") == ['["tini", "--", "mmload"]']
    assert len(instructions("HEALTHCHECK")) == 1
    assert f"VERSION={__version__}" in instructions("ARG")


def test_only_what_the_wheel_is_made_of_is_sent_to_the_builder() -> None:
    lines = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    sent = {line.removeprefix("!").split("/*")[0] for line in lines if line.startswith("!")}
    copied = [part for rest in instructions("COPY") if "--from" not in rest for part in rest.split()[:-1]]

    assert "**" in lines
    assert set(copied) == sent
    forced = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {*forced["packages"], *forced["force-include"]} <= set(copied), "the wheel can't be built in the image"


@pytest.mark.parametrize(
    ("commands", "connected", "answering", "wrong"),
    [
        ([MASTER], [], [4000], ""),
        ([MASTER], [], [], "nobody answers on port 4000"),
        ([WORKER], [5557], [], ""),
        ([WORKER], [8065], [], "a worker is not connected to port 5557 of its master"),
        ([[*WORKER, "--master-port", "7000"]], [5557], [], "a worker is not connected to port 7000 of its master"),
        ([WORKER, WORKER], [5557], [], ""),
        ([RUN], [], [], ""),
        ([], [], [], ""),
    ],
)
def test_a_master_answers_and_a_worker_is_connected(
    commands: list[list[str]], connected: list[int], answering: list[int], wrong: str
) -> None:
    assert healthy.problem(commands, connected, answering) == wrong


def test_any_answer_will_do_and_a_closed_port_is_none() -> None:
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    assert healthy.does_answer(server.server_port)  # with 501: it knows no HEAD
    with socket.create_connection(("127.0.0.1", server.server_port)):
        assert server.server_port in set(healthy.connected())
    server.shutdown()
    server.server_close()
    assert not healthy.does_answer(server.server_port)
