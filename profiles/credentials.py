"""Credentials of a profile for AWS: from its files, or fetched by botocore."""

import subprocess
from collections.abc import Mapping
from typing import Any

from botocore.credentials import ProcessProvider
from botocore.exceptions import CredentialRetrievalError
from botocore.session import Session

from profiles.errors import ProfileError

# Settings that make botocore fetch credentials, with requests of its own or by running a program.
_FETCHED_BY = (
    *("role_arn", "credential_source", "source_profile", "web_identity_token_file", "credential_process"),
    *("sso_session", "sso_start_url", "login_session"),
)

# botocore waits for a credential_process without any limit. AWS's SDK for Go has this one.
PROCESS_SECONDS = 60.0

_LONGEST_REASON = 300  # characters


def fetched_by(settings: Mapping[str, Any]) -> str | None:
    """The setting that makes botocore fetch the credentials of a profile with these settings, if there is one."""
    return next((setting for setting in _FETCHED_BY if setting in settings), None)


def access_key_id(session: Session, name: str) -> str:
    """The access key id of the profile `name`, which `session` is for. Fetches it now. Raises `ProfileError`."""
    session.get_component("credential_provider").insert_before(
        ProcessProvider.METHOD, ProcessProvider(name, lambda: session.full_config, Process)
    )
    try:
        credentials = session.get_credentials()
        if credentials is not None:
            return str(credentials.get_frozen_credentials().access_key)
    except ProfileError:
        raise
    except Exception as error:  # the output of another program can make botocore raise any error
        said = str(error) if type(error).__module__.startswith("botocore.") else f"{type(error).__name__}: {error}"
        cause = fetched_by(session.full_config["profiles"][name]) or ""
        log_in = f"Try: aws sso login --profile {name}, or see" if cause.startswith("sso_") else "See"
        raise ProfileError(
            f"profile {name} gets no credentials{cause and f' with its {cause}'}: "
            f"{said[:_LONGEST_REASON].rstrip('.')}. {log_in} why with: aws sts get-caller-identity --profile {name}"
        ) from error
    raise ProfileError(f"profile {name} has no credentials. Try: aws configure --profile {name}, or aws sso login")


class Process(subprocess.Popen[bytes]):
    """A credential_process that is killed after `PROCESS_SECONDS`."""

    def communicate(self, input: bytes | None = None, timeout: float | None = None) -> tuple[bytes, bytes]:  # noqa: A002
        """Raises `CredentialRetrievalError`."""
        try:
            return super().communicate(input, timeout or PROCESS_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            said = f"it was ended after {PROCESS_SECONDS:.0f} s without an answer"
            raise CredentialRetrievalError(provider=ProcessProvider.METHOD, error_msg=said) from None
