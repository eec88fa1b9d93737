"""What holds for every connection that mmload makes, whoever makes it: authorities, proxies, headers, sizes.

Needs nothing but the standard library: workers and the coordinator use it alike.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import unquote, urlsplit

from mmload.errors import ConfigurationError

# The default of ConnectionConfiguration.LargestAnswerMB.
LARGEST_ANSWER_BYTES: Final = 64 << 20
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def trusting(verify: bool = True, ca_file: str = "") -> ssl.SSLContext:
    """A new context that trusts the system's authorities, or those of SSL_CERT_FILE and SSL_CERT_DIR, and `ca_file`'s.

    Raises ConfigurationError for a `ca_file` that is none.
    """
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if ca_file:
        try:
            context.load_verify_locations(ca_file)
        except OSError as error:
            reason = error.strerror if not isinstance(error, ssl.SSLError) else "no certificates in PEM form"
            raise ConfigurationError(f"{ca_file}: {reason}: expected a file of certificate authorities") from None
    return context


def trust_advice(reason: str, key: str) -> str:
    """What to do about a certificate that is not trusted, as `transport_reason` names it; else "". Pure."""
    if not reason.startswith("TLS failed: the certificate"):
        return ""
    if "host name" in reason or "address" in reason:
        return "use the name that the certificate was issued for"
    if "expired" in reason or "not valid yet" in reason:
        return "renew the certificate, or correct the clock"
    return f"name its authority's file (PEM) in the variable SSL_CERT_FILE, or set {key}"


def proxy_for(url: str, environ: Mapping[str, str] = os.environ) -> str:
    """The proxy that the environment names for a URL (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY); "" if none.

    A WebSocket goes as the web page that opens it does. Raises ConfigurationError for one that is no http://host:port.
    """
    variable, named = _named_proxy(url, environ)
    if not named:
        return ""
    proxy = named if "://" in named else f"http://{named}"
    try:
        parts = urlsplit(proxy)
        usable = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ConfigurationError(f"{variable}: expected the proxy for {url} as http://host:port")
    return proxy


def unused_proxy(url: str, key: str, environ: Mapping[str, str] = os.environ) -> str:
    """The sentence for somebody whose environment names a proxy that is not used for a URL; "" if it names none."""
    variable, _ = _named_proxy(url, environ)
    return (
        f"{variable} is not used for {url}; set {key} to true if it can only be reached through the proxy"
        if variable
        else ""
    )


def _named_proxy(url: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable that names the proxy for a URL, and what it says. Those in lower case win, as everywhere."""
    parts = urlsplit(url)
    secure = parts.scheme in ("https", "wss")
    names = ("https_proxy" if secure else "http_proxy", "all_proxy")
    if _bypassed(parts.hostname or "", parts.port or (443 if secure else 80), _value("no_proxy", environ)[1]):
        return "", ""
    return next((found for name in names if (found := _value(name, environ))[1]), ("", ""))


def _value(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    variable = name if name in environ else name.upper()
    return variable, environ.get(variable, "").strip()


def _bypassed(host: str, port: int, no_proxy: str) -> bool:
    """Whether NO_PROXY excepts a host: by its name, a name above it, its address, a network, or `*`. Pure."""
    for entry in filter(None, (each.strip().lower() for each in no_proxy.split(","))):
        name = entry.removesuffix(f":{port}").removeprefix("*").removeprefix(".")
        if entry == "*" or host == name.strip("[]") or (name and host.endswith(f".{name}")):
            return True
        try:
            if ip_address(host) in ip_network(name, strict=False):
                return True
        except ValueError:
            continue
    return False


def proxy_headers(proxy: str) -> dict[str, str]:
    """How to log in at a proxy: with the user and the password in its URL, if there are some. Pure."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def filled_in(text: str, what: str, environ: Mapping[str, str] = os.environ) -> str:
    """A text with `${NAME}` replaced by the variable's value. Raises ConfigurationError for one that is not set."""

    def value(found: re.Match[str]) -> str:
        if not environ.get(found[1]):
            raise ConfigurationError(f"{what}: the environment variable {found[1]} is not set")
        return environ[found[1]]

    return _VARIABLE.sub(value, text)


def own_headers(lines: Iterable[str], environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """ConnectionConfiguration.Headers by their names. Raises ConfigurationError; no value is in its text."""
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        filled = filled_in(value.strip(), f"ConnectionConfiguration.Headers: {name}", environ)
        if not filled.isprintable() or not filled.isascii():
            raise ConfigurationError(f"ConnectionConfiguration.Headers: {name}: expected a value of printable ASCII")
        headers[name.strip()] = filled
    return headers
