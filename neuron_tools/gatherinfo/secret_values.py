"""Find secret values by the name before them and by their form, in one linear pass each.

Names decide first (``DB_PWD=``, ``--api-key``, ``"tokens": [...]``, ``Authorization:``), because most secrets have no
recognisable form. Forms come from detect-secrets if it is installed, and from some patterns of our own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from typing import Protocol

SECRET = "[secret]"  # noqa: S105 - what stands for one

# All quantifiers are possessive, so there is no backtracking.
_NAMED = re.compile(
    r"(?<![\w.$-])(?P<name>-*+\w[\w.-]*+)"
    r"(?P<between>\\*+[\"']?[ \t]*+(?:=>|:=|=|:(?!//))[ \t]*+|\\*+[\"'],[ \t\r\n]*+(?=\\*+[\"'])|[ \t]++(?![=:]))"
)
_SUBSTRINGS = (
    "password", "passwd", "passphrase", "passcode", "secret", "credential", "apikey", "accesskey", "privatekey",
    "accountkey", "sharedaccess", "signingkey", "encryptionkey", "masterkey", "connectionstring", "authorization",
    "cookie", "authtoken", "accesstoken", "bearer",
)  # fmt: skip
_PARTS = frozenset(
    ("pass", "pwd", "pw", "token", "tokens", "auth", "cred", "creds", "otp", "sig", "signature", "dsn", "jwt", "psk",
     "sas", "apitoken", "userpass")
)  # fmt: skip
_NOT_SECRET_ENDS = frozenset(
    ("file", "path", "dir", "folder", "count", "limit", "length", "len", "type", "ttl", "expiry", "expires", "enabled",
     "name", "url", "uri")
)  # fmt: skip
_HARMLESS_NAMES = frozenset(("pwd", "oldpwd"))
_HEADERS = frozenset(
    ("authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token",
     "x-amz-security-token")
)  # fmt: skip
_HARMLESS_VALUES = frozenset(
    ("", "none", "null", "true", "false", "yes", "no", "on", "off", "enabled", "disabled", "required", "optional",
     "missing", "set", "unset", "~", SECRET)
)  # fmt: skip
_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_SCHEME = re.compile(r"(?i)(?:bearer|basic|token|digest|apikey|negotiate)[ \t]++(?=\S)")
_BARE = re.compile(r"[^\s\"'\\&;<>|]++")
_REST = re.compile(r"[^\r\n]*+")
_REST_OF_HEADER = re.compile(r"[^\r\n\"'\\]*+")
_INDENTED = re.compile(r"(?:\r?\n(?:[ \t]++[^\r\n]*+|[ \t]*+-[ \t][^\r\n]*+))++")
_LEAD = re.compile(r"[ \t]*+(?:export[ \t]++|-[ \t]++|[\"'])?+")

_BLOCKS = re.compile(
    r"(-----BEGIN (?:[A-Z0-9 ]{0,40})PRIVATE KEY(?: BLOCK)?-----)(.*?)"
    r"(?=-----END (?:[A-Z0-9 ]{0,40})PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_PUTTY = re.compile(r"(PuTTY-User-Key-File-\d)(.*?)(?=\n\n|\Z)", re.DOTALL)
_URL = re.compile(r"(://[^\s/:@\"'\\]{0,256}:)([^\s/\"'\\]{1,512})(?=@)")
_SHAPES = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{16}(?![A-Za-z0-9])"
    r"|gh[pousr]_[A-Za-z0-9]{20,}+|github_pat_\w{22,}+"
    r"|gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent|oas)-[\w-]{20,}+"
    r"|xox[abcdeoprs]-[\w-]{10,}+|xapp-[\w-]{10,}+"
    r"|[rsp]k_(?:live|test)_[A-Za-z0-9]{16,}+|sk-[\w-]{20,}+"
    r"|hf_[A-Za-z0-9]{20,}+|npm_[A-Za-z0-9]{30,}+|pypi-AgE[\w-]{20,}+|dckr_pat_[\w-]{20,}+"
    r"|AIza[\w-]{35}|ya29\.[\w-]{20,}+|SG\.[\w-]{16,}+\.[\w-]{16,}+|do[por]_v1_[a-f0-9]{32,}+|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}"
    r"|AGE-SECRET-KEY-1[A-Z0-9]{20,}+|NRAK-[A-Z0-9]{20,}+|lin_api_\w{20,}+|hvs\.[\w-]{20,}+|dapi[a-f0-9]{32}"
    r"|eyJ[\w-]{8,}+\.[\w-]{4,}+\.[\w-]*+"
    r")"
)
_HOOKS = re.compile(r"(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/)([\w/-]++)")
_BEARER = re.compile(r"(?i)(?<![\w])(bearer[ \t]++)(?=[\w.~+/-]{12,}+)([\w.~+/=-]++)")

_DETECTORS = frozenset((
    "AWSKeyDetector", "AzureStorageKeyDetector", "DiscordBotTokenDetector", "GitHubTokenDetector",
    "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "OpenAIDetector", "PypiTokenDetector",
    "SendGridDetector", "SlackDetector", "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector",
    "TwilioKeyDetector",
))  # fmt: skip
"""The detectors of detect-secrets that recognise a form. Its others use names, entropy or addresses."""
_LONGEST_LINE = 4096
_LONGEST_LEAD = 64
"""Longest text before a name at the start of its line."""


def is_secret_name(name: str) -> bool:
    """Return whether a value with this name is a secret."""
    bare = name.strip("-.")
    lower = bare.lower()
    if lower in _HARMLESS_NAMES:
        return False
    words = [word.lower() for word in _WORDS.findall(bare[-200:])]
    if words and words[-1] in _NOT_SECRET_ENDS:
        return False
    joined = "".join(words)
    if joined.endswith(("token", "tokens")):
        return True
    return any(part in joined for part in _SUBSTRINGS) or not _PARTS.isdisjoint(words)


def _quoted_end(text: str, at: int) -> tuple[int, int, int] | None:
    """Return content start, content end and end of a quoted value at ``at``, or ``None`` if there is none."""
    start = at
    while start < len(text) and text[start] == "\\":
        start += 1
    if start == len(text) or text[start] not in "\"'":
        return None
    mark = text[at : start + 1]
    begin = end = start + 1
    if len(mark) > 1:
        # Inside a JSON string, quotes have the backslashes of the outer string.
        end = text.find(mark, begin)
    else:
        while end < len(text) and text[end] not in (mark, "\n"):
            end += 2 if text[end] == "\\" else 1
        end = end if end < len(text) and text[end] == mark else -1
    if end < 0:
        found = _REST.match(text, begin)
        return (begin, found.end(), found.end()) if found else None
    return begin, end, end + len(mark)


def _value(text: str, name: re.Match[str]) -> tuple[int, int, str]:
    """Return start and end of the value after a name, and its replacement."""
    at = name.end()
    header = name["name"].strip("-").lower() in _HEADERS
    quoted = _quoted_end(text, at)
    if quoted is not None:
        begin, end, _ = quoted
        scheme = None if header else _SCHEME.match(text, begin, end)
        return (scheme.end() if scheme else begin), end, SECRET
    if text.startswith("[", at):
        end = text.find("]", at)
        if end < 0:
            end = len(text)
        if text[at : end + 1] == SECRET:
            return at, end + 1, SECRET
        mark = next((c for c in "\"'" if c in text[at:end]), "")
        return at + 1, end, f"{mark}{SECRET}{mark}"
    if text.startswith("{", at):
        return at, at, ""
    line = text.rfind("\n", max(0, name.start() - _LONGEST_LEAD), name.start()) + 1
    starts_line = (line > 0 or name.start() < _LONGEST_LEAD) and bool(_LEAD.fullmatch(text, line, name.start()))
    rest = _REST.match(text, at) if starts_line else None
    if rest and ":" in name["between"] and rest[0].strip().rstrip("+-0123456789") in ("", "|", ">"):
        # A list or a block of YAML.
        found = _INDENTED.match(text, rest.end())
        return (found.start(), found.end(), f"\n  {SECRET}") if found else (at, at, "")
    if header:
        found = _REST_OF_HEADER.match(text, at)
    elif starts_line and name["between"].strip():
        found = rest
    else:
        scheme = _SCHEME.match(text, at)
        at = scheme.end() if scheme else at
        found = _BARE.match(text, at)
    end = found.end() if found else at
    while end > at and text[end - 1] in " \t\r":
        end -= 1
    return at, end, SECRET


def _named(text: str) -> Iterator[tuple[int, int, str]]:
    at = 0
    while (found := _NAMED.search(text, at)) is not None:
        at = found.end()
        name, between = found["name"], found["between"]
        by_flag = name.startswith("-")
        if not by_flag and (not between.strip(" \t") or "," in between):
            # Only a flag has its value after a space, or as the next string of a list.
            at = found.end("name")
            continue
        if not is_secret_name(name):
            continue
        start, end, instead = _value(text, found)
        value = text[start:end].strip(" \t\r,")
        first = value.partition(" ")[0]
        if value.lower() in _HARMLESS_VALUES or (first.isdigit() and len(first) <= 5 and not by_flag):
            continue
        if value.startswith("-") and not between.strip(" \t"):
            # Another flag follows: this one has no value.
            continue
        if instead.strip(" \n\"'") == SECRET and value.strip("\"' \n") == SECRET:
            at = max(at, end)
            continue
        yield start, end, instead
        at = max(at, end)


class _Detector(Protocol):
    def analyze_string(self, string: str) -> Iterable[str]: ...


@functools.cache
def _detectors() -> tuple[_Detector, ...]:
    try:
        from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
    except ImportError:
        return ()
    kinds: Iterable[type[_Detector]] = get_mapping_from_secret_type_to_class().values()
    return tuple(kind() for kind in kinds if kind.__name__ in _DETECTORS)


def detector_is_installed() -> bool:
    """Return whether detect-secrets is installed; without it only our own patterns are used."""
    return bool(_detectors())


def _by_detectors(text: str) -> str:
    detectors = _detectors()
    if not detectors:
        return text
    lines = text.split("\n")
    for number, line in enumerate(lines):
        # They process a line at a time; pieces limit the cost of their patterns.
        pieces = [line[at : at + _LONGEST_LINE] for at in range(0, len(line), _LONGEST_LINE)]
        for place, piece in enumerate(pieces):
            for detector in detectors:
                for secret in detector.analyze_string(piece):
                    if secret and SECRET not in secret:
                        pieces[place] = pieces[place].replace(secret, SECRET)
        lines[number] = "".join(pieces)
    return "\n".join(lines)


def without_secrets(text: str) -> str:
    """Return the text with each secret replaced by ``[secret]``."""
    for pattern in (_BLOCKS, _PUTTY, _HOOKS, _BEARER):
        text = pattern.sub(lambda match: f"{match[1]}{SECRET}" if match[2] else match[1], text)
    text = _URL.sub(lambda match: f"{match[1]}{SECRET}", text)
    text = _SHAPES.sub(SECRET, text)
    parts: list[str] = []
    at = 0
    for start, end, instead in _named(text):
        parts += (text[at:start], instead)
        at = end
    return _by_detectors("".join((*parts, text[at:])))
