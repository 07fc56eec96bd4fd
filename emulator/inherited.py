"""Which of the user's variables are passed to the programs that set up an engine: what they need, and no secrets.

They run code from a package index, and the pythons that they find on PATH. A private index's own credentials are among
what they need (`UV_INDEX_<NAME>_PASSWORD`, or within a URL).
"""

import os

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_NAMES = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TERM", "LANG", "LANGUAGE", "TZ"),
    *_PROXIES,
    *map(str.upper, _PROXIES),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NIX_SSL_CERT_FILE", "NETRC"),
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),  # some pythons don't start without
}
# Of uv's settings: where packages and pythons come from, and how they are reached. Not those that would check fewer
# hashes, or install something else or somewhere else.
_OF_UV = (
    *("UV_DEFAULT_INDEX", "UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_KEYRING_PROVIDER", "UV_OFFLINE"),
    *("UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_INSECURE_HOST", "UV_HTTP_", "UV_REQUEST_TIMEOUT", "UV_CONFIG_FILE"),
    *("UV_CACHE_DIR", "UV_NO_CACHE", "UV_LINK_MODE", "UV_CONCURRENT_", "UV_PYTHON_INSTALL_", "UV_PYTHON_DOWNLOADS"),
)
_PREFIXES = ("LC_", "XDG_", "PYENV_", *_OF_UV)
_REFUSED_NAMES = {"DOCKER_PASSWORD", "DOCKER_AUTH_CONFIG"}

# For `docker` in addition: its own, those of our docker-compose.yml, and the agent for an engine reached over SSH.
DOCKER = ("DOCKER_", "COMPOSE_", "BUILDKIT_", "BUILDX_", "STOCKPIPE_", "SSH_AUTH_SOCK")


def inherited(*further: str) -> dict[str, str]:
    """The variables to pass on; also those that start with one of `further`."""
    return {
        name: value
        for name, value in os.environ.items()
        if (name in _NAMES or name.startswith((*_PREFIXES, *further))) and name not in _REFUSED_NAMES
    }
