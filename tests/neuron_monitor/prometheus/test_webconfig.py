"""TLS and users: files that the toolkit's checker accepts, and errors with the place."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_prometheus import program

from neuron_monitor.prometheus.tls import tls_context
from neuron_monitor.prometheus.webconfig import ClientAuth, WebConfig, WebConfigError, load_web_config, parse_web_config

# The hash of "secret". It is constant, because it is part of test names, which must be equal in parallel workers.
HASH = "$2b$04$sh17TepqH6ngSVxKvIOX/uCwev3ArfFn4ub325xVjlFJTzqJ5wB86"
WHOLE = f"""
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  client_allowed_sans: [scraper.example]
  min_version: TLS12
  max_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  prefer_server_cipher_suites: true
http_server_config:
  http2: false
  headers:
    X-Frame-Options: deny
basic_auth_users:
  alice: {HASH}
"""


def test_every_field_is_read():
    config = parse_web_config(WHOLE.encode(), "web.yml")
    assert config.tls_server_config.client_auth_type is ClientAuth.REQUIRED
    assert config.tls_server_config.client_allowed_sans == ("scraper.example",)
    assert config.http_server_config.headers == {"X-Frame-Options": "deny"}
    assert config.basic_auth_users == {"alice": HASH}


def test_an_empty_file_is_plain_text_for_everybody():
    assert parse_web_config(b"", "web.yml") == WebConfig()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "web.yml: expected YAML at line 1"),
        ("- a", "web.yml: Expected `object`, got `array`"),
        ("tls_config: {}", "unknown field `tls_config`"),
        ("tls_server_config: {cert_file: a}", "missing required field `key_file` - at `$.tls_server_config`"),
        ("basic_auth_users: {bob: plain}", "expected a bcrypt hash"),
        ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequestClientCert}", "RequestClientCert"),
        ("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}", "require each other"),
        ("tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [x]}", "client_allowed_sans requires"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}", "TLS10"),
        (
            "tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}",
            "min_version is above",
        ),
        ("http_server_config: {headers: {Server: x}}", "'Server' cannot be set"),
        ('http_server_config: {headers: {X-Frame-Options: "a\\nb"}}', "one printable line"),
        ('tls_server_config: {cert_file: "a\\0b", key_file: b}', "cert_file must be one printable line"),
        ("[" * 5000, "nested too deeply"),
        ("\x00", "expected YAML"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_in_one_line(text, told):
    with pytest.raises(WebConfigError) as caught:
        parse_web_config(text.encode(), "web.yml")
    assert told in str(caught.value)
    assert str(caught.value).startswith("web.yml: ")
    assert "\n" not in str(caught.value)


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_a_configuration_or_an_error(content):
    try:
        parse_web_config(content, "web.yml")
    except WebConfigError:
        return


@pytest.mark.parametrize(
    ("files", "more", "told"),
    [
        ((), "", "server.pem: cannot be read"),
        (("server.pem", "server.key"), "", "not a certificate with its key in PEM"),
        ((), ", cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]", "'TLS_RSA_WITH_RC4_128_SHA' is not supported"),
    ],
)
def test_files_that_make_no_context(tmp_path, files, more, told):
    for name in files:
        (tmp_path / name).write_text("no PEM")
    text = f"tls_server_config: {{cert_file: server.pem, key_file: server.key{more}}}"
    with pytest.raises(WebConfigError, match=told):
        tls_context(parse_web_config(text.encode(), "web.yml").tls_server_config, tmp_path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(WebConfigError, match="cannot be read: No such file"):
        load_web_config(tmp_path / "none.yml")


def test_the_toolkits_own_checker_takes_the_same_file(tmp_path, authority):
    authority.write_to(tmp_path)
    path = tmp_path / "web.yml"
    # Debian's promtool is older than client_allowed_sans.
    path.write_text("".join(line for line in WHOLE.splitlines(True) if "client_allowed_sans" not in line))
    subprocess.run([program("promtool"), "check", "web-config", path], check=True, capture_output=True)
    assert tls_context(load_web_config(path).tls_server_config, tmp_path).cert_store_stats()["x509_ca"] == 1
