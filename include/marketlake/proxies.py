"""What the environment says of proxies, as curl reads it, written so that every library here reads the same.

httpx, by which Airflow's tasks speak to its API server, fails on a list that curl takes (``[::1]``, ``fd00::/8``);
requests knows networks of IPv4 addresses only, and neither takes a space for a comma. So nothing may be left to them.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

from marketlake.errors import SettingsError

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
THIS_MACHINE = ("127.0.0.1", "localhost", "::1")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HIGHEST_PORT = 65_535
_BRACKETS = re.compile(r"\[([^\[\]]+)\](/\d+)?")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*", re.IGNORECASE)
_PROXY = re.compile(
    r"(?:(?P<scheme>[a-z][a-z0-9+.-]*):/{1,3}|(?![a-z][a-z0-9+.-]*:/))"
    r"(?:(?P<login>[^/?#]*)@)?"
    r"(?P<host>\[[^\[\]/?#@]+\]|[^\s:/?#@\[\]]+)"
    r"(?::(?P<port>[0-9]*))?"
    r"(?:[/?#][^@]*)?",  # an @ behind it: what stands before was part of a password
    re.IGNORECASE,
)
_PLAIN = frozenset({"http", "https"})
_BY_PACKAGE = frozenset({"socks5", "socks5h"})
_TOO_OLD = frozenset({"socks", "socks4", "socks4a"})
_PACKAGES = {"socksio": "socksio", "PySocks": "socks"}
"""What SOCKS needs, by name on the package index, and the module by which each is known."""


class _Malformed(ValueError):
    """What is wrong with the address of a proxy. Never holds any of it."""


@dataclass(frozen=True)
class _Proxy:
    """One proxy. ``login`` is empty, or percent-encoded and ends in ``@``."""

    scheme: str
    login: str
    place: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.login}{self.place}"


def normalised(
    environment: Mapping[str, str], direct: Iterable[str] = (), served: Iterable[str] = ()
) -> dict[str, str]:
    """The variables of proxies to set over ``environment``, in lower and upper case. Never raises.

    This machine and the hosts of the addresses ``direct`` go past every proxy; so do those of ``served`` that are an
    IP address in a network of ``NO_PROXY``, since no library here knows networks of IPv6. An address of a proxy that
    nobody could use stays as it is: ``require_usable`` tells it.
    """
    hosts = _past_proxies(_effective(environment, "NO_PROXY"), direct, served)
    written = {"NO_PROXY": hosts, "no_proxy": hosts}
    for name in PROXY_VARIABLES:
        given = _effective(environment, name)
        with suppress(_Malformed):
            written |= {name: proxy, name.lower(): proxy} if given and (proxy := str(_parsed(given))) else {}
    return written


def require_usable(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a proxy that curl would refuse, or that the libraries here cannot speak to."""
    if normalised(environment)["NO_PROXY"] == "*":
        return  # nobody looks at a proxy
    for name in PROXY_VARIABLES:
        given = _effective(environment, name)
        if not given:
            continue
        try:
            proxy = _parsed(given)
        except _Malformed as exc:
            raise SettingsError(
                f"{_spelling(environment, name)}=**** is no address of a proxy: {exc}. Write it as http://HOST:PORT, or"
                " http://USER:PASSWORD@HOST:PORT with  @ : / ? #  of both percent-encoded; or unset it."
            ) from None
        if trouble := _trouble_with(proxy):
            shown = f"{_spelling(environment, name)}={_shown(proxy)}"
            raise SettingsError(f"{shown}: {trouble}, or unset it.")


def _effective(environment: Mapping[str, str], name: str) -> str:
    """The value that counts: of the lower case, as for curl, unless that is empty."""
    return (environment.get(name.lower()) or environment.get(name) or "").strip()


def _spelling(environment: Mapping[str, str], name: str) -> str:
    return name.lower() if environment.get(name.lower()) else name


def _past_proxies(given: str, direct: Iterable[str], served: Iterable[str]) -> str:
    """A list for ``NO_PROXY``, with commas, that every library reads as it was meant."""
    entries = [entry for entry in re.split(r"[,\s]+", given) if entry]
    if entries == ["*"]:  # beside others it means nothing to curl, and everything to httpx
        return "*"
    networks = [network for entry in entries if (network := _network(entry))]
    within = [host for host in _hosts_of(served) if _is_in(host, networks)]
    known = [text for entry in entries if (text := _written(entry))]
    return ",".join(dict.fromkeys([*known, *THIS_MACHINE, *_hosts_of(direct), *within]))


def _written(entry: str) -> str | None:
    """One entry as every library takes it. None for a network of IPv6, and for what is no host, nor is to curl."""
    if network := _network(entry):
        if network.num_addresses == 1:
            return str(network.network_address)
        return str(network) if isinstance(network, ipaddress.IPv4Network) else None
    name, colon, port = entry.removeprefix(".").removesuffix(".").partition(":")
    if colon and not (port.isascii() and port.isdecimal() and 0 < int(port) <= _HIGHEST_PORT):
        return None
    host = _host_name(name)
    return f"{host}{colon}{port}" if host else None


def _network(entry: str) -> _Network | None:
    """An address, with or without brackets, or a network of them."""
    bracketed = _BRACKETS.fullmatch(entry)
    text, _, bits = (f"{bracketed[1]}{bracketed[2] or ''}" if bracketed else entry).partition("/")
    if bits and not (bits.isascii() and bits.isdecimal()):
        return None
    with suppress(ValueError):
        address = _address(text)
        return ipaddress.ip_network((address, int(bits or address.max_prefixlen)), strict=False)
    return None


def _address(text: str) -> _Address:
    """An address without its zone, which no library compares. Raises ValueError."""
    return ipaddress.ip_address(text.partition("%")[0])


def _host_name(name: str) -> str | None:
    """A name as it goes over the wire, in lower case; None if it cannot be one."""
    with suppress(UnicodeError):
        wire = name.encode("idna").decode("ascii").lower()
        return wire if _HOST.fullmatch(wire) else None
    return None


def _hosts_of(addresses: Iterable[str]) -> list[str]:
    """The hosts of addresses; one that cannot be read has none."""
    hosts = []
    for address in addresses:
        with suppress(ValueError):
            hosts.append(_written(urlsplit(address).hostname or ""))
    return [host for host in hosts if host]


def _is_in(host: str, networks: Iterable[_Network]) -> bool:
    with suppress(ValueError):
        address = _address(host)
        return any(address in network for network in networks)
    return False


def _parsed(given: str) -> _Proxy:
    """A proxy out of its address, with or without a scheme. Raises _Malformed."""
    parts = _PROXY.fullmatch(given)
    if parts is None:
        raise _Malformed("it cannot be taken apart into user, password, host and port")
    port = int(parts["port"] or 0)
    if port > _HIGHEST_PORT:
        raise _Malformed(f"its port is above {_HIGHEST_PORT}")
    place = _place(parts["host"]) + (f":{port}" if parts["port"] else "")
    return _Proxy((parts["scheme"] or "http").lower(), _login(parts["login"]), place)


def _place(host: str) -> str:
    if host.startswith("["):
        with suppress(ValueError):
            return f"[{_address(host[1:-1])}]"
        raise _Malformed("in its brackets stands no IPv6 address")
    name = _host_name(host)
    if name is None:
        raise _Malformed("its host is no name")
    return name


def _login(given: str | None) -> str:
    """User and password, with every odd character percent-encoded once, and a colon: requests wants one."""
    user, _, password = (given or "").partition(":")
    return f"{_encoded(user)}:{_encoded(password)}@" if user or password else ""


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text.encode("utf-8", "surrogateescape")), safe="")


def _trouble_with(proxy: _Proxy) -> str:
    """Why a well-formed proxy cannot be used, and what to do; empty if it can be."""
    if proxy.scheme in _TOO_OLD:
        return f"{proxy.scheme} is not spoken by httpx, on which Airflow's tasks rely: write socks5:// or socks5h://"
    if proxy.scheme in _BY_PACKAGE:
        missing = [package for package, module in _PACKAGES.items() if importlib.util.find_spec(module) is None]
        install = f".venv/bin/uv pip install --python .venv {' '.join(missing)}"
        return f"{' and '.join(missing)} not installed, which {proxy.scheme} needs:  {install}" if missing else ""
    if proxy.scheme not in _PLAIN:
        return "that scheme is none of a proxy: write http://, https://, socks5:// or socks5h://"
    return ""


def _shown(proxy: _Proxy) -> str:
    """Without login. An unknown scheme before one may be a user's name."""
    known = proxy.scheme in _PLAIN | _BY_PACKAGE | _TOO_OLD
    return f"{proxy.scheme}://{proxy.place}" if known or not proxy.login else "****"
