"""Terraform as a child process, in a folder that has all of it: module, settings, state. Usable by hand as well."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from mmload.errors import ConfigurationError, ExitCode, MmloadError
from mmload.signals import handling

STATE, LOG, VARIABLES = "terraform.tfstate", "terraform.log", "terraform.tfvars.json"
LOOK_SECONDS = 0.2
# So often something that takes its time is told of.
_TOLD_SECONDS = 60
_CHANGES = ("add", "change", "remove", "import")
ORDERLY = "interrupted: Terraform finishes the operations that it has started, and keeps its state"
INSTALLATION = "https://developer.hashicorp.com/terraform/install"


class TerraformFailed(MmloadError):
    """Terraform could not do it; it says why."""

    exit_code = ExitCode.CONFIGURATION_REFUSED


def module_folder() -> Path:
    """Our module: in the installed package, else in the checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "terraform_aws", package.parent / "deploy" / "terraform" / "aws"):
        if (folder / "versions.tf").is_file():
            return folder
    raise FileNotFoundError("the Terraform module is not part of this installation")


def copy_module(folder: Path) -> None:
    """Into the user's folder; files of an earlier version that are no more are taken away."""
    remove_module(folder)
    unwanted = shutil.ignore_patterns(".terraform*", "*.json")
    shutil.copytree(module_folder(), folder, dirs_exist_ok=True, ignore=unwanted, copy_function=shutil.copyfile)
    # It was given the mode of the module's.
    folder.chmod(0o700)


def remove_module(folder: Path) -> None:
    """Its files, and nothing else."""
    for path in folder.glob("*.tf"):
        path.unlink()
    for below in (each for each in module_folder().iterdir() if each.is_dir()):
        shutil.rmtree(folder / below.name, ignore_errors=True)


class Terraform:
    """Commands in one folder. `environ` has the secrets; what goes on is told."""

    def __init__(self, folder: Path, environ: Mapping[str, str], tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder.resolve(), tell
        self._environ = {
            **environ,
            "TF_DATA_DIR": str(self._folder / ".terraform"),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
        }

    def initialise(self) -> None:
        """Fetch the provider, where it is not there. Raises TerraformFailed."""
        said: list[str] = []
        if self._run(["init", "-no-color"], said.append):
            raise TerraformFailed("terraform init: " + " ".join(_errors(said)))

    def apply(self, *options: str, below: str = "") -> dict[str, Any]:
        """Make it so, and give the outputs. Raises TerraformFailed, KeyboardInterrupt."""
        return self._followed("apply", "-auto-approve", *options, below=below)

    def destroy(self, *options: str, below: str = "") -> None:
        """Take all of it away. Raises TerraformFailed, KeyboardInterrupt."""
        self._followed("destroy", "-auto-approve", *options, below=below)

    def _followed(self, command: str, *options: str, below: str = "") -> dict[str, Any]:
        outputs: dict[str, Any] = {}
        problems: list[str] = []

        def hear(line: str) -> None:
            try:
                event = json.loads(line)
            except ValueError:
                # It broke down: what it says then is no JSON.
                problems.append(line)
                return
            if event.get("type") == "outputs":
                outputs.update({key: each.get("value") for key, each in event["outputs"].items()})
            elif problem := problem_of(event):
                problems.append(problem)
            elif text := progress_of(event):
                self._tell(text)

        if code := self._run([command, "-json", *options], hear, below):
            raise TerraformFailed("\n".join(problems[-10:]) or f"terraform {command} ended with exit code {code}")
        return outputs

    def _run(self, arguments: Sequence[str], hear: Callable[[str], None], below: str = "") -> int:
        """Its exit code; each line that it says is heard. Raises KeyboardInterrupt, when it has come to its end.

        It speaks by way of a file: it comes to an orderly end also when we are gone.
        """
        interrupts: list[int] = []
        log = self._folder / LOG
        with (
            handling(lambda number, _frame: interrupts.append(number)),
            log.open("wb") as written,
            log.open(encoding="utf-8", errors="replace") as said,
        ):
            process = self._started(arguments, written, below)
            rest, told, ended = "", False, False
            while not ended:
                ended = process.poll() is not None
                *lines, rest = (rest + said.read()).split("\n")
                for line in filter(None, lines):
                    hear(line)
                if interrupts and not told:
                    told = True
                    self._tell(ORDERLY)
                    # Once: a second one would make Terraform drop everything.
                    process.send_signal(signal.SIGINT)
                if not ended:
                    time.sleep(LOOK_SECONDS)
        if interrupts:
            raise KeyboardInterrupt
        return process.returncode

    def _started(self, arguments: Sequence[str], log: IO[bytes], below: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                ["terraform", *arguments],
                cwd=self._folder / below,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C comes from us.
                start_new_session=True,
                umask=0o077,
            )
        except FileNotFoundError:
            raise ConfigurationError(
                f"terraform was not found: install Terraform 1.5 or newer ({INSTALLATION})"
            ) from None


def problem_of(event: Mapping[str, Any]) -> str:
    """An error that Terraform tells of, on one line; "" for anything else. Pure."""
    diagnostic = event.get("diagnostic") or {}
    if event.get("type") != "diagnostic" or diagnostic.get("severity") != "error":
        return ""
    where = f"{diagnostic['address']}: " if diagnostic.get("address") else ""
    detail = " ".join(str(diagnostic.get("detail", "")).split())
    return f"{where}{diagnostic.get('summary', '')}{f': {detail}' if detail else ''}"


def progress_of(event: Mapping[str, Any]) -> str:
    """What is worth telling of an event, or "". Pure."""
    hook = event.get("hook") or {}
    address = (hook.get("resource") or {}).get("addr", "")
    seconds = hook.get("elapsed_seconds", 0)
    changes = event.get("changes") or {}
    if event.get("type") == "change_summary" and changes.get("operation") == "plan":
        # Before an error it comes, too: as if there were nothing to do.
        return str(event.get("@message", "")) if any(changes.get(each) for each in _CHANGES) else ""
    if address.startswith("data."):
        return ""
    if event.get("type") == "apply_complete":
        done = {"create": "created", "delete": "destroyed", "update": "changed"}.get(hook.get("action", ""), "done")
        return f"{address} {done} ({seconds:.0f} s)"
    if event.get("type") == "apply_progress" and seconds and seconds % _TOLD_SECONDS == 0:
        return f"{address}: {seconds:.0f} s so far"
    return ""


def standing(folder: Path) -> int | None:
    """How many things Terraform's state knows of; None: it can't be read."""
    try:
        state = json.loads((folder / STATE).read_text())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError):
        return None
    return sum(len(each.get("instances", ())) for each in state.get("resources", ()) if each.get("mode") == "managed")


def has_begun(folder: Path) -> bool:
    """Whether anything was made in a new folder, or may have been: by the state, or by the last command's words."""
    log = folder / LOG
    said = log.read_text(errors="replace").splitlines() if log.exists() else []
    makes = any('"type":"apply_start"' in line and '"action":"read"' not in line for line in said)
    return makes or standing(folder) != 0


def _errors(lines: list[str]) -> list[str]:
    bare = [re.sub(r"^[│╷╵\s]+", "", line) for line in lines]
    begin = next((number for number, line in enumerate(bare) if line.startswith("Error")), 0)
    return [line for line in bare[begin : begin + 12] if line]


def environment(more: Mapping[str, str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What Terraform is started with: ours, but no secret of the load test."""
    return {**{key: value for key, value in environ.items() if not key.startswith("MMLOAD_")}, **more}
