"""The environment variables of a function: Lambda's, the function's own, and nothing of the host's.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from .interpreters import Interpreter

# Messages from LocalStack to the init program of its Docker images; a function never sees them there either.
_INTERNAL = frozenset(
    {
        "AWS_LAMBDA_FUNCTION_TIMEOUT",
        "LOCALSTACK_FUNCTION_ACCOUNT_ID",
        "LOCALSTACK_INIT_LOG_LEVEL",
        "LOCALSTACK_MAX_PAYLOAD_SIZE",
        "LOCALSTACK_POST_INVOKE_WAIT_MS",
        "LOCALSTACK_RUNTIME_ENDPOINT",
        "LOCALSTACK_RUNTIME_ID",
        "LOCALSTACK_USER",
    }
)


# Pure Python stand-in for awslambdaric's compiled part, for interpreters that lack it (macOS).
_STAND_IN = Path(__file__).parent / "stand_in"


def build(
    from_localstack: Mapping[str, object],
    own: Mapping[str, str],
    folder: Path,
    *,
    runtime: str,
    interpreter: Interpreter,
    code: Path,
    layers: Sequence[Path] = (),
) -> dict[str, str]:
    """All variables of a function's process except `AWS_LAMBDA_RUNTIME_API`.

    `from_localstack` is what LocalStack gives an executor (the function's own included), `own` only what the user set
    on the function: that wins, as it does on AWS for everything that is not reserved. `folder` stands for /tmp, `code`
    for /var/task, `layers` for /opt (one folder per layer, later ones win).
    """
    layers = layers[::-1]
    variables = {
        "LANG": "en_US.UTF-8",
        "PATH": _joined(
            interpreter.path.parent, "/usr/local/bin", "/usr/bin", "/bin", *(layer / "bin" for layer in layers)
        ),
        # A home of its own keeps the host's ~/.aws/config and user site-packages out.
        "HOME": str(folder),
        "TMPDIR": str(folder),
    }
    if layers:
        variables["LD_LIBRARY_PATH"] = _joined(*(layer / "lib" for layer in layers))
    variables |= {key: str(value) for key, value in from_localstack.items() if key not in _INTERNAL or key in own}
    variables |= {
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
        "LAMBDA_RUNTIME_DIR": str(interpreter.packages),
        "LAMBDA_TASK_ROOT": str(code),
    }
    stand_in = [] if interpreter.compiled else [_STAND_IN]
    modules: list[Path | str] = [*stand_in, *filter(None, [own.get("PYTHONPATH")])]
    for layer in layers:
        modules += [layer / "python" / "lib" / runtime / "site-packages", layer / "python"]
    if modules:
        variables["PYTHONPATH"] = _joined(*modules)
    return variables


def _joined(*folders: Path | str) -> str:
    return os.pathsep.join(map(str, folders))
