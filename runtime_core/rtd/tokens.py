"""Files of tokens, for a daemon and for its clients."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from runtime_core.errors import UsageError
from runtime_core.files import open_regular

_MAX_BYTES = 64 * 1024
MIN_TOKEN_CHARACTERS = 16
_MAKE = "make one with 'openssl rand -hex 32'"


def read_tokens(path: Path) -> tuple[bytes, ...]:
    """The tokens of a file: one per line; empty lines and lines that begin with "#" are omitted.

    Raises:
        UsageError: the file cannot be read, other users may read it, or it holds no valid token.
    """
    try:
        fd = open_regular(path)
        with os.fdopen(fd, "rb") as file:
            if stat.S_IMODE(os.fstat(fd).st_mode) & 0o007:
                raise UsageError("other users may read the tokens", where=str(path), mend=f"run 'chmod o= {path}'")
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the file: {error.strerror}", where=str(path)) from None
    if len(content) > _MAX_BYTES:
        raise UsageError(f"more than {_MAX_BYTES} bytes", where=str(path))
    tokens = []
    for number, line in enumerate(content.splitlines(), start=1):
        token = line.strip()
        if not token or token.startswith(b"#"):
            continue
        if len(token) < MIN_TOKEN_CHARACTERS or any(not 33 <= byte <= 126 for byte in token):
            # The token itself stays out of the message.
            raise UsageError(
                f"expected a token of {MIN_TOKEN_CHARACTERS} or more printable characters without spaces",
                where=f"{path}, line {number}",
                mend=_MAKE,
            )
        tokens.append(token)
    if not tokens:
        raise UsageError("no token in the file", where=str(path), mend=_MAKE)
    return tuple(tokens)
