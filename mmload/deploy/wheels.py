"""What a host needs to run workers, as wheels: made once, kept by content, for its Python and its machine.

For a host like this machine they are made from what is installed here, without the internet; for another one pip
fetches the same versions.
"""

from __future__ import annotations

import hashlib
import importlib.metadata as metadata
import io
import os
import platform
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mmload
from mmload.config.coordinator_tables import DOCUMENTS
from mmload.config.documents import default_document
from mmload.errors import MmloadError

# What workers never import (tests/test_light_workers.py).
NOT_FOR_WORKERS = frozenset({"aiohttp", "jinja2", "numpy", "prometheus-api-client", "rich"})
_OLDEST_GLIBC = 17
# The same content has to be the same file: zip's first date.
_DATE = (1980, 1, 1, 0, 0, 0)
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
_EXTRA = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")
_FETCH_SECONDS = 600


@dataclass(frozen=True, slots=True)
class HostPlatform:
    """What wheels must fit: a host's Python, machine and C library."""

    python: tuple[int, int]
    machine: str
    libc: tuple[str, str]

    def __str__(self) -> str:
        return f"Python {self.python[0]}.{self.python[1]} on {self.machine} ({' '.join(filter(None, self.libc))})"


@dataclass(frozen=True, slots=True)
class Wheel:
    path: Path
    sha256: str


def target_of(answer: Mapping[str, Any]) -> HostPlatform:
    """The target that a host's examination describes. Pure."""
    major, minor, *_ = answer["python"]
    name, version = answer["libc"]
    return HostPlatform((major, minor), answer["machine"], (name, version))


def this_machine() -> HostPlatform:
    return HostPlatform(sys.version_info[:2], platform.machine(), (platform.libc_ver()[0], platform.libc_ver()[1]))


def is_like(target: HostPlatform, here: HostPlatform) -> bool:
    """Whether what is installed here runs there: its C library may be newer. Pure."""
    same = (target.python, target.machine, target.libc[0]) == (here.python, here.machine, here.libc[0])
    return same and here.libc[0] == "glibc" and _numbers(target.libc[1]) >= _numbers(here.libc[1])


def _numbers(version: str) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", version)]


def cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mmload" / "wheels"


def environment_name(wheels: Iterable[Wheel], target: HostPlatform) -> str:
    """The name of the environment that these wheels make: by its content. Pure."""
    text = "\n".join([str(target), *sorted(wheel.sha256 for wheel in wheels)])
    return f"env-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def wheels_for(target: HostPlatform, cache: Path) -> list[Wheel]:
    """All wheels of the environment. Raises MmloadError."""
    cache.mkdir(parents=True, exist_ok=True)
    needed = requirements()
    if is_like(target, this_machine()):
        others = [_kept(cache, packed(each)) for each in needed]
    else:
        others = fetched(target, [f"{each.name}=={each.version}" for each in needed], cache)
    return [_kept(cache, packed_mmload()), *others]


def requirements() -> list[metadata.Distribution]:
    """The distributions that a worker needs, as installed here, each once."""
    found: dict[str, metadata.Distribution] = {}
    pending = [(name, extras) for name, extras in _required("mmload", frozenset()) if name not in NOT_FOR_WORKERS]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        name, extras = pending.pop()
        if (name, extras) not in seen:
            seen.add((name, extras))
            try:
                found[name] = metadata.distribution(name)
            except metadata.PackageNotFoundError:
                # For another system or an older Python.
                continue
            pending += _required(name, extras)
    return [found[name] for name in sorted(found)]


def _required(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in metadata.distribution(name).requires or ():
        requirement, _, marker = text.partition(";")
        asked = _EXTRA.search(marker)
        if (asked is None or asked[1] in extras) and (found := _REQUIREMENT.match(requirement)):
            named = frozenset(each.strip() for each in (found[2] or "").split(",") if each.strip())
            yield re.sub(r"[-_.]+", "-", found[1]).lower(), named


def packed(distribution: metadata.Distribution) -> bytes:
    """An installed distribution as the content of a wheel; commands are left out."""
    if distribution.files is None:
        raise MmloadError(f"{distribution.name}: its list of files (RECORD) is missing: install it with pip")
    inside = [each for each in distribution.files if ".." not in each.parts and each.suffix != ".pyc"]
    return zipped({str(each): Path(str(each.locate())).read_bytes() for each in inside})


def packed_mmload() -> bytes:
    """This package, from an installation or a checkout."""
    folder = Path(mmload.__file__).parent
    paths = (each for each in folder.rglob("*") if each.is_file() and "__pycache__" not in each.parts)
    files = {f"mmload/{each.relative_to(folder)}": each.read_bytes() for each in paths}
    documents = [f"{name}.default.json" for name in DOCUMENTS]
    return zipped(files | {f"mmload/default_documents/{name}": default_document(name) for name in documents})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """The same files are always the same bytes. Pure."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, _DATE), files[name], zipfile.ZIP_DEFLATED, 1)
    return content.getvalue()


def _kept(cache: Path, content: bytes) -> Wheel:
    digest = hashlib.sha256(content).hexdigest()
    path = cache / digest
    if not path.exists():
        part = cache / f"{digest}.{os.getpid()}.part"
        part.write_bytes(content)
        part.rename(path)
    return Wheel(path, digest)


def fetched(target: HostPlatform, pins: list[str], cache: Path) -> list[Wheel]:
    """These versions for another Python or machine, by pip; fetched once. Raises MmloadError."""
    key = hashlib.sha256("\n".join([str(target), *pins]).encode()).hexdigest()[:16]
    folder = cache / f"fetched-{key}"
    if not (folder / "complete").exists():
        folder.mkdir(exist_ok=True)
        command = [sys.executable, *pip_arguments(target, pins, folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise MmloadError(f"no wheels for {target}: pip did not download them within {_FETCH_SECONDS} s") from None
        if done.returncode:
            raise MmloadError(f"no wheels for {target}: {_why(done.stderr)}")
        (folder / "complete").touch()
    return [Wheel(each, hashlib.sha256(each.read_bytes()).hexdigest()) for each in sorted(folder.glob("*.whl"))]


def pip_arguments(target: HostPlatform, pins: Iterable[str], folder: Path) -> list[str]:
    """pip's command line. Pure."""
    platforms = [part for each in platforms_of(target) for part in ("--platform", each)]
    version = ".".join(map(str, target.python))
    return [
        *("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"),
        *("--only-binary", ":all:", "--implementation", "cp", "--python-version", version, *platforms),
        *("--dest", str(folder), *pins),
    ]


def platforms_of(target: HostPlatform) -> list[str]:
    """The platforms, in pip's words, whose wheels run there, newest first. Pure."""
    name, version = target.libc
    if name != "glibc":
        return [f"musllinux_1_{minor}_{target.machine}" for minor in (2, 1)]
    newest = [*_numbers(version), 0, 0][1]
    return [f"manylinux_2_{minor}_{target.machine}" for minor in range(newest, _OLDEST_GLIBC - 1, -1)] + [
        f"manylinux2014_{target.machine}"
    ]


def _why(said: str) -> str:
    errors = [line for line in said.splitlines() if line.startswith("ERROR")]
    return (errors or said.splitlines() or ["pip gave no reason"])[0].removeprefix("ERROR: ")
