"""Does the endpoint have a service at all? Emulators don't have every one, and their own answer says so."""

from botocore.exceptions import ClientError

_STATUSES = frozenset({404, 501})
_CODES = frozenset({"NotImplemented", "UnknownOperationException"})


def is_missing_service(error: ClientError) -> bool:
    """Whether an answer means that the endpoint doesn't have the service, rather than that it refuses the call.

    AWS's JSON services (Athena and Glue among them) answer neither status for anything else.
    """
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status in _STATUSES or error.response.get("Error", {}).get("Code") in _CODES
