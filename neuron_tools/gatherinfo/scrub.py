"""Remove confidential data from a text: secrets always, names and addresses of hosts unless kept."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections import Counter
from collections.abc import Iterable

from neuron_tools.gatherinfo.secret_values import SECRET, without_secrets

__all__ = ["SECRET", "Scrubber", "own_host_names"]

_IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)")
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:%\w+)?(?![\w:])")
_MAC = re.compile(r"(?<![\w:-])[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})(?![\w:-])")
_EC2_HOST = re.compile(r"(?i)(?<![\w-])(?:ip|ec2)-\d{1,3}(?:-\d{1,3}){3}(?![\w-])(?:\.[\w-]++)*+")
_COMMON_NAMES = {"localhost", "localhost.localdomain", "(none)", ""}


def own_host_names() -> set[str]:
    """Return the names of this host, without common ones such as localhost."""
    names = {socket.gethostname()}
    names |= {name.partition(".")[0] for name in names}
    return {name for name in names if name.lower() not in _COMMON_NAMES}


class Scrubber:
    """Replaces equal values by equal words, so that related occurrences can still be matched."""

    def __init__(self, *, keep_hosts: bool = False, host_names: Iterable[str] = (), known: Iterable[str] = ()) -> None:
        """Create a scrubber.

        Args:
            keep_hosts: keep names and addresses of hosts.
            host_names: names to remove wherever they appear as words.
            known: texts that look like addresses but are not, such as versions with four numbers.
        """
        self._keep_hosts = keep_hosts
        names = sorted((re.escape(name) for name in host_names if name), key=len, reverse=True)
        self._names = re.compile(rf"(?i)(?<![\w-])(?:{'|'.join(names)})(?![\w-])(?:\.[\w-]++)*+") if names else None
        self._known = set(known)
        self._words: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()

    def _word(self, kind: str, text: str) -> str:
        known = self._words.get((kind, text))
        if known is None:
            self._counts[kind] += 1
            known = self._words[kind, text] = f"[{kind}-{self._counts[kind]}]"
        return known

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
        """Return the text without secrets, and without hosts unless they are kept."""
        text = without_secrets(text)
        if self._keep_hosts:
            return text
        text = _EC2_HOST.sub(lambda match: self._word("host", match[0].lower()), text)
        if self._names is not None:
            text = self._names.sub(lambda match: self._word("host", match[0].lower()), text)
        text = _MAC.sub(lambda match: self._word("address", match[0].lower().replace("-", ":")), text)
        return _IPV6.sub(self._address, _IPV4.sub(self._address, text))
