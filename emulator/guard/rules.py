"""Which requests are refused, and why. Pure, and the same for every server.

A web page can make the user's browser send requests to loopback: directly, or under a host name of its own that it
lets point to 127.0.0.1 (DNS rebinding). Emulators execute GET requests, so a page can do harm without reading answers.
Such requests are recognised by headers that the browser sets and that scripts can't change:

- `Host` names another host (DNS rebinding),
- `Origin` or `Referer` names another site,
- `Sec-Fetch-Site` says so. Browsers send it only to loopback names and over https. So a browser's request without it
  has an unknown origin. Like an address that was typed or a link in an email (`none`), it may only open pages.

Clients that aren't browsers send none of these, and are judged by `Host` alone.
https://www.w3.org/TR/fetch-metadata/
"""

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlsplit

# Set in the engine's environment: additional names of the host, and allowed origins, separated by commas.
# The second one is LocalStack's own variable: it answers the origins in it with CORS headers.
HOSTS_VARIABLE: Final = "STOCKPIPE_ALLOW_HOST"
ORIGINS_VARIABLE: Final = "EXTRA_CORS_ALLOWED_ORIGINS"
HINT: Final = (
    "To allow that site: stockpipe emulator start --allow-origin ORIGIN, or STOCKPIPE_ALLOW_ORIGIN with docker compose"
)

_NAME: Final = re.compile(r"([a-z0-9_-]+\.)*(localhost|localhost\.localstack\.cloud)")
_HOST: Final = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
_IPV6_LOOPBACK: Final = ipaddress.IPv6Address("::1")
_SAFE_METHODS: Final = ("GET", "HEAD")

Values = Callable[[str], Sequence[str]]
"""Returns all values of a header, by its name in lower case."""


@dataclass(frozen=True)
class Rules:
    """What one server allows. `pages` are the paths that a person may open in a browser: they only show things.

    `hosts` are names besides the loopback ones, `origins` those that may call, `hint` says how to allow an origin.
    """

    pages: re.Pattern[str]
    hint: str
    hosts: frozenset[str] = field(default_factory=frozenset)
    origins: frozenset[str] = field(default_factory=frozenset)

    def refusal(self, method: str, target: str, values: Values, *, secure: bool) -> str | None:
        """Why the request is refused, in one line of ASCII, or None. `target` is that of the request line, as sent."""
        hosts = values("host")
        if len(hosts) != 1:
            return "refused: a request needs exactly one Host header"
        host = hosts[0].lower()
        if not (_is_loopback(host) or _name_of(host) in self.hosts):
            return (
                f"refused: the Host {hosts[0][:100]!a} is not a loopback name. Use localhost, 127.0.0.1 or [::1]; "
                f"{HOSTS_VARIABLE} in the server's environment allows further names"
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
        return self._refusal_by_metadata(method, target, values)

    def _refusal_by_metadata(self, method: str, target: str, values: Values) -> str | None:
        sites = set(values("sec-fetch-site"))
        if not sites and any(agent.startswith("Mozilla/") for agent in values("user-agent")):
            sites = {"none"}
        if sites <= {"same-origin"}:
            return None
        if sites != {"none"}:
            return f"refused: the browser says that it comes from another site. {self.hint}"
        if method in _SAFE_METHODS and self._is_page(target):
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
def _is_loopback(host: str) -> bool:
    name = _name_of(host)
    if _NAME.fullmatch(name):
        return True
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
