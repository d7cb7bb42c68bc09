"""Basic authentication with bcrypt: slow for guesses, but fast for clients that scrape repeatedly."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from neuron_console.extras import requires

_CACHED = 256
_MAX_WAITING = 32
_MAX_PASSWORD_BYTES = 72
"""bcrypt ignores further bytes."""


class TooManyGuessesError(Exception):
    """Too many passwords are waiting to be checked."""


class Users:
    """Checks ``Authorization`` headers. Hashes are computed one at a time, in a thread beside server and collection."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """Create a checker; ``hashes``: user -> bcrypt hash of the password.

        Raises:
            MissingExtraError: bcrypt is not installed.
        """
        with requires("web"):
            from bcrypt import checkpw
        self._checkpw = checkpw
        self._hashes = {user.encode(): text.encode() for user, text in hashes.items()}
        # Refusing an unknown user takes as long as refusing a wrong password, so timing does not reveal user names.
        self._nobody = max(self._hashes.values(), key=lambda text: text[4:6])
        self._secret = secrets.token_bytes(32)
        self._known: dict[bytes, bool] = {}
        self._worker = ThreadPoolExecutor(1, "passwords")
        self._waiting = 0

    def close(self) -> None:
        """Stop the thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def knows(self, header: str) -> bool:
        """Return whether a header has a user with the right password.

        Raises:
            TooManyGuessesError: too many checks are waiting; the client may retry later.
        """
        credentials = _credentials(header)
        if credentials is None:
            return False
        # The cache contains no passwords, and its keys cannot be computed from outside.
        key = hmac.digest(self._secret, b"\0".join((hashlib.sha256(credentials[0]).digest(), credentials[1])), "sha256")
        known = self._known.get(key)
        if known is not None:
            return known
        if self._waiting >= _MAX_WAITING:
            raise TooManyGuessesError
        self._waiting += 1
        try:
            right = await asyncio.get_running_loop().run_in_executor(self._worker, self._check, *credentials)
        finally:
            self._waiting -= 1
        if len(self._known) >= _CACHED:
            # Wrong passwords are evicted first, so they cannot displace known users.
            stale = next((k for k, good in self._known.items() if not good), next(iter(self._known)))
            del self._known[stale]
        self._known[key] = right
        return right

    def _check(self, user: bytes, password: bytes) -> bool:
        wanted = self._hashes.get(user)
        try:
            right = self._checkpw(password[:_MAX_PASSWORD_BYTES], wanted or self._nobody)
        except ValueError:
            return False
        return right and wanted is not None and len(password) <= _MAX_PASSWORD_BYTES


def _credentials(header: str) -> tuple[bytes, bytes] | None:
    kind, _, text = header.partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None
