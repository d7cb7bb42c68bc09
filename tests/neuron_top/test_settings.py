"""What is remembered between runs."""

import json
import stat

from hypothesis import given
from hypothesis import strategies as st

from neuron_top.settings import Settings, load_settings, parse_settings, save_settings, settings_path

VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers())


def test_settings_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "neuron-top" / "settings.json"
    settings = Settings("cores", "nord", True, 4, True, 1, 2, True, True)
    save_settings(path, settings)
    assert load_settings(path) == settings
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [p.name for p in path.parent.iterdir()] == ["settings.json"]


@given(st.dictionaries(st.sampled_from([*Settings._fields, "other"]), VALUES))
def test_what_is_of_another_type_is_left_at_its_default(found):
    settings = parse_settings(json.dumps(found))
    for name, value in settings._asdict().items():
        default = getattr(Settings(), name)
        assert type(value) is type(default)
        assert value == (found[name] if type(found.get(name)) is type(default) else default)


@given(st.text(max_size=60))
def test_garbage_is_no_settings(text):
    assert isinstance(parse_settings(text), Settings)


def test_a_file_that_is_not_there_or_not_text_is_no_failure(tmp_path):
    assert load_settings(tmp_path / "none") == Settings()
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    assert load_settings(tmp_path / "binary") == Settings()
    assert parse_settings("[" * 100_000) == Settings()


def test_a_directory_that_cannot_be_written_is_no_failure(tmp_path):
    (tmp_path / "file").touch()
    save_settings(tmp_path / "file" / "settings.json", Settings())


def test_the_place_follows_xdg(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_path() == tmp_path / "neuron-top" / "settings.json"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert settings_path() == tmp_path / "home" / ".config" / "neuron-top" / "settings.json"
