"""The reasons for which a server, or a login at it, is refused for good: trying again would not help.

Before a session begins the client library has no codes for errors, so that they are told apart by their words, which
libpq has in English only where the locale is: an unknown one counts as one that may go away.
"""

from __future__ import annotations

from typing import Final

_TLS: Final = (
    "certificate verify failed",
    "does not match host name",
    "could not get server's host name from server certificate",
    "server does not support SSL",
    "root certificate file",
    "certificate present, but not private key file",
    "could not load private key file",
    "SSL error: sslv3 alert",
    "SSL error: tlsv1 alert",
    "SSL error: unsupported protocol",
    "SSL error: wrong version number",
)
_LOGIN: Final = (
    "password authentication failed",
    "no pg_hba.conf entry",
    "no password supplied",
    "is not permitted to log in",
    "permission denied for database",
)


def tls_problem(text: str) -> bool:
    """Returns True if the words of an error say that the server could not prove who it is."""
    return any(each in text for each in _TLS)


def login_problem(text: str) -> bool:
    """Returns True if the words of an error say that the server knows the login, and refuses it."""
    missing = 'FATAL:  role "' in text or 'FATAL:  database "' in text
    return any(each in text for each in _LOGIN) or (missing and "does not exist" in text)
