"""Takes out of a text what should not leave the house: secrets always, names and addresses of hosts unless kept."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable

SECRET = "[secret]"  # noqa: S105 - what stands for one

_NAME = (  # of something whose value is a secret
    r"[\w-]*(?:pass(?:word|wd|phrase)?|secret|token|credential|auth|(?:api|access|private)[_-]?key)[\w-]*"
)
_VALUE = r"((?!\[secret\])[^\s\"'\\,;&]+)"
_SECRETS = (
    # -----BEGIN ... PRIVATE KEY----- blocks, also with escaped line ends
    re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----)(.*?)(?=-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    # Authorization: Bearer VALUE, NAME=VALUE, "NAME": "VALUE", also inside JSON strings
    re.compile(rf"(?i)({_NAME}\\?[\"']?\s*[=:]\s*\\?[\"']?(?:(?:bearer|basic)\s+)?){_VALUE}"),
    # --NAME VALUE
    re.compile(rf"(?i)(--?{_NAME}\s+\\?[\"']?){_VALUE}"),
    # user:password@host
    re.compile(r"(://[^\s/:@\"']*:)([^\s/@\"']+)(?=@)"),
    # AWS access keys and session tokens, GitHub and JSON web tokens: known by their shapes
    re.compile(r"()(?<![A-Za-z0-9])((?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Za-z0-9])"),
    re.compile(r"()(?<![A-Za-z0-9])(gh[pousr]_[A-Za-z0-9]{20,})"),
    re.compile(r"()(?<![A-Za-z0-9_-])(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*)"),
)
_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?(?![\w:])")
_MAC = re.compile(r"(?<![\w:])[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}(?![\w:])")
_EC2_HOST = re.compile(r"\bip-\d{1,3}(?:-\d{1,3}){3}\b(?:\.[\w-]+)*")
_COMMON_NAMES = {"localhost", "localhost.localdomain", "(none)", ""}


def own_host_names() -> set[str]:
    """The names of this host that are not everybody's."""
    names = {socket.gethostname()}
    names |= {name.partition(".")[0] for name in names}
    return {name for name in names if name.lower() not in _COMMON_NAMES}


class Scrubber:
    """Replaces the same thing by the same word wherever it stands, so that what belongs together still does."""

    def __init__(self, *, keep_hosts: bool = False, host_names: Iterable[str] = (), known: Iterable[str] = ()) -> None:
        """Scrub texts.

        Args:
            keep_hosts: names and addresses of hosts stay.
            host_names: names to take out, wherever they stand as words.
            known: texts that look like addresses and are none, such as versions of four numbers.
        """
        self._keep_hosts = keep_hosts
        names = sorted((re.escape(name) for name in host_names if name), key=len, reverse=True)
        self._names = re.compile(rf"(?<![\w-])(?:{'|'.join(names)})(?:\.[\w-]+)*(?![\w-])") if names else None
        self._known = set(known)
        self._words: dict[tuple[str, str], str] = {}

    def _word(self, kind: str, text: str) -> str:
        number = sum(known == kind for known, _ in self._words) + 1
        return self._words.setdefault((kind, text), f"[{kind}-{number}]")

    def _address(self, match: re.Match[str]) -> str:
        text = match[0]
        try:
            address = ipaddress.ip_address(text.partition("%")[0])
        except ValueError:
            return text
        if text in self._known or address.is_loopback or address.is_unspecified:
            return text
        return self._word("address", text)

    def scrub(self, text: str) -> str:
        """The text without what should not leave the house."""
        for pattern in _SECRETS:
            text = pattern.sub(lambda match: f"{match[1]}{SECRET}", text)
        if self._keep_hosts:
            return text
        text = _EC2_HOST.sub(lambda match: self._word("host", match[0]), text)
        if self._names is not None:
            text = self._names.sub(lambda match: self._word("host", match[0]), text)
        text = _MAC.sub(lambda match: self._word("address", match[0].lower()), text)
        return _IPV6.sub(self._address, _IPV4.sub(self._address, text))
