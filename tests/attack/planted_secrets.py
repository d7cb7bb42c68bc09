# ruff: noqa: E501 - one planted secret is one string
"""Texts with planted secrets, as in environments, command lines, configurations and logs."""

from __future__ import annotations

import json
import string
from random import Random

NAMES = (
    "DB_PASSWORD", "DB_PWD", "PGPASSWORD", "MYSQL_ROOT_PASSWD", "API_KEY", "apiKey", "client-secret", "AWS_SECRET_ACCESS_KEY",
    "AUTH_TOKEN", "accessToken", "SSH_PASSPHRASE", "REDIS_AUTH", "JWT_SECRET", "private_key", "sasToken", "encryptionKey",
    "SMTP_PASS", "credentials", "user.password", "spring.datasource.password",
)  # fmt: skip
PLAIN, SPACED, ODD = "hunter2Zx9", "correct horse Zx9 staple", "p@ss,w0rd;Zx9&x"


def _named() -> list[tuple[str, str]]:
    found = []
    for name in NAMES:
        found += [
            (f"{name}={PLAIN}", PLAIN),
            (f"{name}={SPACED}", "horse Zx9 staple"),
            (f'{name}="{SPACED}"', "horse Zx9 staple"),
            (f"{name}: '{ODD}'", "w0rd;Zx9"),
            (json.dumps({"env": {name: ODD}, "port": 80}), "w0rd;Zx9"),
            (json.dumps({"command": f'serve --{name.lower().replace("_", "-")} "{SPACED}" --port 80'}), "horse Zx9"),
        ]
    return found


def _drawn(rng: Random, count: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def _shaped() -> list[tuple[str, str]]:
    rng = Random(21)
    digits, lower, hexa, upper = (
        string.digits,
        string.ascii_lowercase + string.digits,
        "0123456789abcdef",
        string.ascii_uppercase + string.digits,
    )
    secrets = [
        "AKIA" + _drawn(rng, 16, upper), "ASIA" + _drawn(rng, 16, upper), "ghp_" + _drawn(rng, 36), "gho_" + _drawn(rng, 36),
        "ghs_" + _drawn(rng, 36), "github_pat_" + _drawn(rng, 22) + "_" + _drawn(rng, 59), "glpat-" + _drawn(rng, 20),
        "glrt-" + _drawn(rng, 20), f"xoxb-{_drawn(rng, 12, digits)}-{_drawn(rng, 12, digits)}-{_drawn(rng, 24)}",
        f"xoxp-{_drawn(rng, 12, digits)}-{_drawn(rng, 24, lower)}", "sk_live_" + _drawn(rng, 24), "rk_live_" + _drawn(rng, 24),
        "sk-proj-" + _drawn(rng, 48), "hf_" + _drawn(rng, 34), "npm_" + _drawn(rng, 36), "dckr_pat_" + _drawn(rng, 27),
        "pypi-AgEIcHlwaS5vcmc" + _drawn(rng, 80), "AIza" + _drawn(rng, 35), "ya29." + _drawn(rng, 60),
        f"SG.{_drawn(rng, 22)}.{_drawn(rng, 43)}", "dop_v1_" + _drawn(rng, 64, hexa), "shpat_" + _drawn(rng, 32, hexa),
        "hvs." + _drawn(rng, 40), "dapi" + _drawn(rng, 32, hexa), "NRAK-" + _drawn(rng, 27, upper),
        f"eyJhbGciOiJIUzI1NiJ9.{_drawn(rng, 30)}.{_drawn(rng, 43)}", "AGE-SECRET-KEY-1" + _drawn(rng, 58, upper),
        _drawn(rng, 32, hexa) + "-us12",
    ]  # fmt: skip
    return [
        pair
        for secret in secrets
        for pair in ((f"started with {secret} on port 80", secret), (f'["{secret}"]', secret))
    ]


_SECRET = "Zx9secretZx9"
_FORMS = (
    f"Authorization: Token {_SECRET}", f"authorization: {_SECRET}", f'-H "Authorization: Bearer {_SECRET}"',
    f"Proxy-Authorization: Basic {_SECRET}", f"X-Api-Key: {_SECRET}", f"Cookie: session={_SECRET}; other={_SECRET}",
    f"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, SignedHeaders=host, Signature={_SECRET}",
    f"https://bucket.s3.amazonaws.com/x?X-Amz-Credential=abc&X-Amz-Signature={_SECRET}&x=1",
    f"postgres://me:p@ss@{_SECRET}@db.example:5432/x".replace("@db", "@db"), f"https://me:{_SECRET}@example.com/",
    f"redis://:{_SECRET}@cache:6379/0", f"tokens: [{_SECRET}, b]", f'"tokens": ["{_SECRET}", "b"]', f"API_TOKENS=a,b,{_SECRET}",
    f"tokens:\n  - a\n  - {_SECRET}\n  - b\n", f"password: |\n  a\n  {_SECRET}\nport: 80\n", f'["serve", "--token", "{_SECRET}"]',
    f"serve --password {_SECRET} --port 80", f"serve --password={_SECRET}", f"serve --password '{SPACED} {_SECRET}'",
    f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{_SECRET}\n-----END PGP PRIVATE KEY BLOCK-----",
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_SECRET}\n-----END OPENSSH PRIVATE KEY-----",
    f"-----BEGIN ENCRYPTED PRIVATE KEY-----\\n{_SECRET}\\n-----END ENCRYPTED PRIVATE KEY-----",
    f"-----BEGIN EC PRIVATE KEY-----\n{_SECRET}", f"PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 1\n{_SECRET}\n\n",
    f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={_SECRET};EndpointSuffix=core.windows.net",
    f"Server=db;User Id=sa;Password={_SECRET};Encrypt=true", f"https://hooks.slack.com/services/T0/B0/{_SECRET}",
    f"https://discord.com/api/webhooks/1/{_SECRET}", f"curl -H 'Private-Token: {_SECRET}'", f"export GITHUB_TOKEN={_SECRET}",
    f"token => '{_SECRET}'", f"secret := {_SECRET}", f"Config(user='me', password='{_SECRET}')",
    json.dumps({"a": json.dumps({"b": json.dumps({"password": f"x {_SECRET} y"})})}),
    f"sshpass --passphrase={_SECRET} ssh host", f"//registry.npmjs.org/:_authToken={_SECRET}",
)  # fmt: skip


def corpus() -> list[tuple[str, str]]:
    """A text, and the part of it that must be removed."""
    return [*_named(), *_shaped(), *((form, "Zx9") for form in _FORMS)]


HOSTS = (
    "ec2-3-80-1-2.compute-1.amazonaws.com", "EC2-3-80-1-2.COMPUTE-1.AMAZONAWS.COM", "ip-10-0-0-7.ec2.internal", "BUILD7",
    "Build7.Corp.Example", "02-42-AC-11-00-02", "02:42:ac:11:00:02", "10.1.2.3", "2001:db8::7",
)  # fmt: skip

CLEAN = (
    "PWD=/root/work OLDPWD=/root", "AWS_WEB_IDENTITY_TOKEN_FILE=/var/run/secrets/token", "max_tokens=512 tokens: 128",
    '{"pass": 12, "warn": 3, "fail": 0}', "tokenizer: bert-base", "author: Bob Smith", "auth: none", '"auth": null',
    "password authentication failed for user x", "neuron-top --interval 0.5 --view processes", "keyboard: us",
    "NEURON_RT_VISIBLE_CORES=0-3", "driver 2.0.1, python 3.11.7", "PCI 0000:00:1d.0 numa 0", "compass: north, bypass=1",
    '{"cores": [0, 1], "status": "pass"}', "https://awsdocs-neuron.readthedocs-hosted.com/en/latest/", "http://127.0.0.1:8000/metrics",
    "pass  source  sim:/tmp/node", "secret_name=db token_url=https://example.com/x", "12:30:45 2026-01-02 0x1f",
    "--- a list\n- one\n- two\n", "passed 12 tests; signal SIGTERM", "cookie_file: /tmp/x  # where it is",
)  # fmt: skip
