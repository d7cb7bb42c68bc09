# ruff: noqa: E501 - inputs and commands are one line each
"""Mutations of bytes: flips, cuts, copies, splices and numbers that break counters."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

_TOKENS = (
    b"\0", b"\n", b"\r\n", b"\r\n\r\n", b":", b",", b'"', b"'", b"\\", b"{", b"}", b"[", b"]", b"-", b"- ", b"&a", b"*a", b"!!",
    b"\xff", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xef\xbb\xbf", b"\xc3\x28", b"99999999999999999999", b"-1", b"1e400",
    b"NaN", b"0x", b"null", b"true", b"{}", b"[[[[[[[[", b"../", b"%00", b"\xe2\x80\xae", b"1" * 400, b"(a+)+$", b"$(x)",
)  # fmt: skip
_LONGEST = 1 << 16


def mutated(rng: Random, seeds: Sequence[bytes]) -> bytes:
    """One of ``seeds``, changed in one to four ways."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(8):
            case 0 if data:
                data[at - 1] ^= 1 << rng.randrange(8)
            case 1 if data:
                data[at - 1] = rng.randrange(256)
            case 2:
                data[at:at] = rng.choice(_TOKENS)
            case 3:
                del data[at : at + rng.randrange(1, 16)]
            case 4:
                del data[at:]
            case 5:
                part = data[at : at + rng.randrange(1, 64)]
                data[at:at] = part * rng.choice((1, 2, 50))
            case 6:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[at : at + rng.randrange(32)] = other[start : start + rng.randrange(64)]
            case _:
                count = rng.choice((1, 2, 4, 8))
                data[at : at + count] = rng.getrandbits(8 * count).to_bytes(count, "little")
        if len(data) > _LONGEST:
            del data[_LONGEST:]
    return bytes(data)
