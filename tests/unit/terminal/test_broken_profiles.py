"""A profile that can't be used is one line and exit code 2, through the command line, and never a traceback."""

import re
import shlex
import sys
from pathlib import Path

import pytest
from botocore.exceptions import CredentialRetrievalError

from profiles import credentials
from stockpipe.cli import app
from terminal.commands import run

ROLE = "role_arn = arn:aws:iam::123456789012:role/r\n"


def process(program: str) -> str:
    """A profile `p` whose credential_process runs this Python program."""
    return f"[profile p]\ncredential_process = {shlex.join([sys.executable, '-c', program])}\n"


ISSUED = '{"Version": 1, "AccessKeyId": "ASIAIOSFODNN7EXAMPLE", "SecretAccessKey": "s"'

BROKEN = {
    "not found": (
        "[profile p]\ncredential_process = /no/such/program\n",
        "with its credential_process: FileNotFoundError: .*No such file.*'/no/such/program'",
    ),
    "not executable": ("[profile p]\ncredential_process = /\n", "with its credential_process: PermissionError"),
    "exit code 1 and many lines": (
        process("import sys; sys.exit(chr(10).join(chr(27) + '[31mline %s' % n for n in range(999)))"),
        r"with its credential_process: .*\\x1b\[31mline 0 \\x1b\[31mline 1 ",
    ),
    "exit code 1 and bytes": (
        process("import sys; sys.stderr.buffer.write(b'%c' % 255); sys.exit(1)"),
        "with its credential_process: UnicodeDecodeError",
    ),
    "not JSON": (process("print('<html>')"), "with its credential_process: JSONDecodeError: Expecting value"),
    "JSON, but no object": (process("print('[]')"), "with its credential_process: AttributeError"),
    "nothing": (process(""), "with its credential_process: JSONDecodeError"),
    "no keys": (process("""print('{"Version": 1}')"""), "Missing required key in response: 'AccessKeyId'"),
    "no version": (process("print('{}')"), "Unsupported version"),
    "keys that aren't text": (
        process("""print('{"Version": 1, "AccessKeyId": 7, "SecretAccessKey": 7}')"""),
        "no access key that AWS could have issued",
    ),
    "expired": (
        process(f"""print('{ISSUED}, "SessionToken": "t", "Expiration": "2001-01-01T00:00:00Z"}}')"""),
        "with its credential_process: .*expired",
    ),
    "hangs": (process("import time; time.sleep(600)"), "with its credential_process: .*it was ended after"),
    "quotes that don't match": ('[profile p]\ncredential_process = "x\n', "with its credential_process: ValueError"),
    "half of the keys": ("[profile p]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n", "Partial credentials"),
    "no keys at all": ("[profile p]\n", "profile p has no credentials"),
    "not an INI file": ("profile p\n", "the AWS configuration can't be read: Unable to parse config file"),
    "twice the same profile": ("[profile p]\n[profile p]\n", "the AWS configuration can't be read"),
    "bytes that aren't text": (b"[profile p]\nx = \xff\n", "the AWS configuration can't be read"),
    "a broken section": ("[profile p]\ns3 =\n  nonsense\n", "the AWS configuration can't be read"),
    "another profile": ("[profile q]\n", "there is no AWS profile 'p'; known: local, q"),
    "a role loop": (
        f"[profile p]\n{ROLE}source_profile = q\n[profile q]\n{ROLE}source_profile = p\n",
        "with its role_arn: Infinite loop",
    ),
    "an unknown source_profile": (
        f"[profile p]\n{ROLE}source_profile = q\n",
        'with its role_arn: .*"q" referenced .* does not exist',
    ),
    "a role without a source": (
        f"[profile p]\n{ROLE}",
        "with its role_arn: .*missing: source_profile or credential_source",
    ),
    "a token that isn't there": (
        f"[profile p]\n{ROLE}web_identity_token_file = /no/token\n",
        "with its role_arn: FileNotFoundError",
    ),
    "an sso-session that isn't there": (
        "[profile p]\nsso_session = s\nsso_account_id = 1\nsso_role_name = r\n",
        "with its sso_session: .*s",
    ),
    "an empty file": ("", "there is no AWS profile 'p'; known: local. Make one with: aws configure --profile p"),
    **{
        f"{setting} on lines of its own": (
            f"[profile p]\n{setting} =\n  a = b\n",
            f"the value of {setting} on the same line",
        )
        for setting in ("region", "endpoint_url", "services", "ignore_configured_endpoint_urls", "aws_access_key_id")
    },
    "another region": ("[profile p]\nregion = eu-west-1\n", "profile p is for region eu-west-1"),
}


@pytest.mark.parametrize(("config", "said"), BROKEN.values(), ids=BROKEN)
def test_it_is_one_line(
    config: str | bytes,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # given
    (tmp_path / "config").write_bytes(config if isinstance(config, bytes) else config.encode())
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setattr(credentials, "PROCESS_SECONDS", 0.5 if "sleep" in str(config) else 60)
    monkeypatch.setattr("sys.argv", ["stockpipe", "status", "--profile", "p"])

    # when
    with pytest.raises(SystemExit) as exited:
        run(app)

    # then
    shown = capsys.readouterr()
    assert (exited.value.code, shown.out, len(shown.err.splitlines())) == (2, "", 1)
    assert re.fullmatch(f"error: .*{said}.*\n", shown.err), shown.err
    assert len(shown.err) < 700
    assert "\x1b" not in shown.err


def test_a_process_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "PROCESS_SECONDS", 0.05)
    with credentials.Process([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        with pytest.raises(CredentialRetrievalError):
            process.communicate()
        assert process.wait(10) < 0


def test_a_profile_named_local_is_remarked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], free_port: int
) -> None:
    (tmp_path / "config").write_text("[profile local]\nregion = us-east-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port}")
    monkeypatch.setattr("sys.argv", ["stockpipe", "status", "--json"])

    with pytest.raises(SystemExit):
        run(app)

    shown = capsys.readouterr()
    note, error = shown.err.splitlines()
    assert note.startswith("note: the profile 'local' in your AWS configuration is not used")
    assert error.startswith("error: nothing answers as AWS at")
    assert shown.out == ""
