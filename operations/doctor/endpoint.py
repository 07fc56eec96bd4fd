"""The profile, the engine at its endpoint, and the credentials."""

import socket
from collections.abc import Mapping
from urllib.parse import urlsplit

from emulator import lifecycle
from emulator.engine import DEFAULT_PORT
from emulator.engines import ENGINES
from emulator.identity import identify
from operations.doctor.check import Check, failed, info, ok, warning
from profiles.errors import ProfileError
from profiles.names import REGION
from profiles.session import NOT_AWS, Aws, open_profile
from terminal.untrusted import one_line

_CONNECT_SECONDS = 2.0
_LONGEST_ERROR = 300


def profile(name: str, environ: Mapping[str, str] | None) -> tuple[Check, Aws | None]:
    """The profile exists, is for the right region, and doesn't mix real credentials with an emulator."""
    try:
        aws = open_profile(name, environ=environ)
    except ProfileError as error:
        return failed(str(error), "choose another with --profile, or repair this one"), None
    found = f"{name}: {aws.profile.endpoint_url or 'AWS'}, region {REGION}"
    remark = aws.profile.remark
    return (info(f"{found}; {remark}") if remark else ok(found)), aws


def engine(aws: Aws) -> Check:
    """A known engine answers at the profile's endpoint."""
    endpoint_url = aws.profile.endpoint_url
    if endpoint_url is None:
        return ok("AWS itself")
    url = urlsplit(endpoint_url)
    port = url.port or (443 if url.scheme == "https" else 80)
    if not _listens(url.hostname or "", port):
        return _nothing_there(endpoint_url, port)
    found = identify(endpoint_url)
    if found is None:
        known = " nor ".join(one.title for one in ENGINES.values() if one.health_path)
        return warning(
            f"something listens at {endpoint_url}, and it is neither {known}",
            f"if it is another program: stockpipe emulator start --port {port + 1}, "
            f"and export AWS_ENDPOINT_URL=http://localhost:{port + 1}",
        )
    return ok(f"{found} at {endpoint_url}")


def account(aws: Aws) -> Check:
    """The credentials are accepted."""
    try:
        identity = aws.sts.get_caller_identity()
    except NOT_AWS as error:
        fix = (
            "start an emulator with: stockpipe emulator start"
            if aws.profile.endpoint_url
            else f"log in again: aws sso login --profile {aws.profile.name}, or renew its access key"
        )
        return failed(f"not accepted: {one_line(str(error), _LONGEST_ERROR)}", fix)
    return ok(f"accepted: account {identity['Account']}, {identity['Arn']}")


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False


def _nothing_there(endpoint_url: str, port: int) -> Check:
    option = "" if port == DEFAULT_PORT else f" --port {port}"
    start = f"stockpipe emulator start{option}"
    ended = next((entry for entry in lifecycle.status(port) if entry.state == "gone"), None)
    if ended:
        return failed(
            f"nothing listens at {endpoint_url}: {ended.engine} ended by itself",
            f"why: stockpipe emulator logs{option}; then: {start}",
        )
    running = [entry.endpoint_url for entry in lifecycle.status() if entry.state == "running"]
    elsewhere = f"; one runs elsewhere: export AWS_ENDPOINT_URL={running[0]}" if running else ""
    return failed(f"nothing listens at {endpoint_url}: the emulator isn't running", f"{start}{elsewhere}")
