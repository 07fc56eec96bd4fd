"""Which requests are refused, and why. Pure, and the same for every server.

A web page can make the user's browser send requests to loopback: directly, or under a host name of its own that it
lets point to 127.0.0.1 (DNS rebinding). Emulators execute GET requests, so a page can do harm without reading answers.
Such requests are recognised by headers that the browser sets and that scripts can't change:

- `Host` names another host (DNS rebinding),
- `Origin` or `Referer` names another site,
- `Sec-Fetch-Site` says so. An address that was typed, or a link in an email (`none`), may only open pages, and only by
  a name that has no objects or functions below it: such an object could answer at the path of a page.

Browsers send `Sec-Fetch-Site` only to loopback names and over https. A browser's request without it could come from
anywhere, so it is refused. (Chromium sends none with a WebSocket. On a loopback name its `Origin` is enough.)

Clients that aren't browsers send none of these, and are judged by `Host` alone.
https://www.w3.org/TR/fetch-metadata/
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlsplit

# Set in the engine's environment: additional names of the host, and allowed origins, separated by commas.
# The second one is LocalStack's own variable: it answers the origins in it with CORS headers.
HOSTS_VARIABLE: Final = "STOCKPIPE_ALLOW_HOST"
ORIGINS_VARIABLE: Final = "EXTRA_CORS_ALLOWED_ORIGINS"
_HINT: Final = (
    "To allow that site: stockpipe emulator start --allow-origin ORIGIN, or STOCKPIPE_ALLOW_ORIGIN with docker compose"
)
_HOST_HINT: Final = f"; {HOSTS_VARIABLE} in docker-compose.yml allows further names"

_LOCALHOST: Final = re.compile(r"([a-z0-9_-]+\.)*localhost")
_ENGINE_NAMES: Final = re.compile(r"([a-z0-9_-]+\.)*(localhost|localhost\.localstack\.cloud)")
_HOST: Final = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
_IPV6_LOOPBACK: Final = ipaddress.IPv6Address("::1")
_SAFE_METHODS: Final = ("GET", "HEAD")

Values = Callable[[str], Sequence[str]]
"""Returns all values of a header, by its name in lower case."""


@dataclass(frozen=True)
class Rules:
    """What one server allows. `pages` are the paths that a person may open in a browser: they only show things.

    `names` are those of the machine, `hosts` further ones, `origins` those that may call. `hint` says how to allow an
    origin, `host_hint` how to allow a name.
    """

    pages: re.Pattern[str]
    hint: str
    host_hint: str = ""
    names: re.Pattern[str] = _LOCALHOST
    hosts: frozenset[str] = field(default_factory=frozenset)
    origins: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of_engine(cls, pages: re.Pattern[str], environ: Mapping[str, str]) -> "Rules":
        """What an engine with these environment variables allows."""
        hosts, origins = (listed(environ.get(name, "")) for name in (HOSTS_VARIABLE, ORIGINS_VARIABLE))
        return cls(pages, _HINT, _HOST_HINT, _ENGINE_NAMES, hosts, frozenset(filter(is_origin, origins)))

    def refusal(self, method: str, target: str, values: Values, *, secure: bool) -> str | None:
        """Why the request is refused, in one line of ASCII, or None. `target` is that of the request line, as sent."""
        hosts = values("host")
        if len(hosts) != 1:
            return "refused: a request needs exactly one Host header"
        host = hosts[0].lower()
        name = _name_of(host)
        if not (self.names.fullmatch(name) or name in self.hosts or _is_loopback_address(name)):
            return (
                f"refused: the Host {hosts[0][:100]!a} is not a loopback name. Use localhost, 127.0.0.1 or [::1]"
                f"{self.host_hint}"
            )
        if not target.startswith("/") and target != "*":
            return "refused: the request line names a host, as for a proxy. Send the path only"
        senders = {value.lower() for value in values("origin")} | {_origin_of(value) for value in values("referer")}
        own = f"{'https' if secure else 'http'}://{host}"
        foreign = senders - {own} - self.origins
        if foreign:
            return f"refused: it comes from another site, {min(foreign)[:100]!a}. {self.hint}"
        if senders & self.origins:
            return None
        is_own_name = name == "localhost" or _is_loopback_address(name)
        sites = set(values("sec-fetch-site"))
        return (
            self._refusal_by_site(sites, method, target, is_own_name=is_own_name)
            if sites
            else self._refusal_without_site(values, senders, is_own_socket=is_own_name and senders == {own})
        )

    def _refusal_without_site(self, values: Values, senders: set[str], *, is_own_socket: bool) -> str | None:
        if not senders and not any(agent.startswith("Mozilla/") for agent in values("user-agent")):
            return None  # not a browser
        if is_own_socket and [value.lower() for value in values("upgrade")] == ["websocket"]:
            return None
        return "refused: the browser doesn't say which site it comes from. It does so for http://localhost"

    def _refusal_by_site(self, sites: set[str], method: str, target: str, *, is_own_name: bool) -> str | None:
        if sites == {"same-origin"}:
            return None
        if sites != {"none"}:
            return f"refused: the browser says that it comes from another site. {self.hint}"
        if method in _SAFE_METHODS and is_own_name and self._is_page(target):
            return None
        return "refused: a browser may open this server's pages only. Use an AWS client or curl for everything else"

    def _is_page(self, target: str) -> bool:
        path, _, query = target.partition("?")
        # A service adds its pages when it is loaded. Before that, the request would be taken for a call to AWS.
        actions = (name for name, _ in parse_qsl(query, keep_blank_values=True) if name.lower() == "action")
        return self.pages.fullmatch(path) is not None and next(actions, None) is None

    def allowed_origin(self, values: Values) -> str | None:
        """The origin of the request if it is one of `origins`: its answer gets CORS headers."""
        return next((value for value in values("origin") if value.lower() in self.origins), None)


def listed(text: str) -> frozenset[str]:
    """The items of a list separated by commas, in lower case."""
    return frozenset(item.strip().lower() for item in text.split(",") if item.strip())


def is_origin(text: str) -> bool:
    """Whether `text` is an origin as browsers send it: a scheme, a host and perhaps a port, without a path."""
    return _ORIGIN.fullmatch(text.lower()) is not None


def values_in(headers: Iterable[tuple[bytes, bytes]]) -> Values:
    """Access to raw headers, as ASGI has them."""
    listed_headers = [(name.lower(), value) for name, value in headers]

    def values(name: str) -> list[str]:
        wanted = name.encode()
        return [value.decode("latin-1") for key, value in listed_headers if key == wanted]

    return values


def _name_of(host: str) -> str:
    """The name in a Host header, without its port; empty if it isn't one."""
    match = _HOST.fullmatch(host)
    return match["name"] if match else ""


@lru_cache(maxsize=256)
def _is_loopback_address(name: str) -> bool:
    try:
        if name.startswith("["):
            return ipaddress.IPv6Address(name[1:-1]) == _IPV6_LOOPBACK
        return ipaddress.IPv4Address(name).is_loopback
    except ValueError:
        return False


def _origin_of(url: str) -> str:
    """The origin of a Referer; a Referer that can't be read counts as foreign, like `null`."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "null"
    return f"{parts.scheme}://{parts.netloc}".lower()
