"""Every shell block of the README and the tutorials runs, page by page, as a reader would type it."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs/tutorials").glob("*.md"))]
BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<reason>.+) -->\n)?```(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
RUN_SECONDS = 100


class Block(NamedTuple):
    """A fenced block: its language, the file that it shows, the reason not to run it, and its text."""

    language: str
    title: str | None
    reason: str | None
    text: str


def blocks(page):
    for found in BLOCK.finditer(page.read_text()):
        language, _, rest = found["info"].partition(" ")
        title = re.fullmatch(r'title="([\w.-]+)"', rest)
        yield Block(language, title and title[1], found["reason"], found["text"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_says_what_it_is(page):
    for block in blocks(page):
        assert block.language in {"bash", "python", "yaml", "json", "text"}, block.text
        if block.language in {"python", "yaml"}:
            assert block.title or block.reason, f"neither a file nor marked as not run: {block.text}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_shell_blocks_run(page, tmp_path):
    script = ["set -eux"]
    for block in blocks(page):
        if block.title:
            (tmp_path / block.title).write_text(block.text)
        elif block.language == "bash" and block.reason is None:
            script.append(block.text)
    home = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{home}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    # A file instead of a pipe, which a background job of the page would keep open.
    with (tmp_path / ".output").open("w+") as output:
        process = subprocess.Popen(
            ["bash", "-c", "\n".join(script)], cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            process.wait(RUN_SECONDS)
        finally:
            for child in sessions(process.pid):
                os.kill(child, signal.SIGKILL)
        output.seek(0)
        text = output.read()
    assert process.returncode == 0, text
    assert "Traceback" not in text


def sessions(leader):
    """The processes of the session of the page's shell, including its background jobs."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader:
                yield int(entry.name)


def keys(value, path=""):
    """The paths of a JSON tree, without numbers of cores and devices."""
    if isinstance(value, dict):
        for key, inner in value.items():
            place = f"{path}/{'*' if key.isdigit() else key}"
            yield place
            yield from keys(inner, place)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, path)


def test_readme_shows_what_the_tools_print(tmp_path):
    shown = list(blocks(README))
    listing, scrape = (block.text for block in shown if block.language == "text")
    assert (REPOSITORY / "tests/neuron_ls/golden/inf1.xlarge-busy.txt").read_text().startswith(listing)
    names = set(re.findall(r"^\| `(\w+)`", (REPOSITORY / "docs/reference/metrics.md").read_text(), re.MULTILINE))
    for line in scrape.splitlines():
        assert re.match(r"\w+", line)[0] in names
    (report,) = (block.text for block in shown if block.language == "json")
    schema = subprocess.run([sys.executable, "-m", "neuron_monitor", "--json-schema"], capture_output=True, check=True)
    known = schema.stdout.decode()
    for path in keys(msgspec.json.decode(report)):
        name = path.rpartition("/")[2]
        assert name == "*" or f'"{name}"' in known, path


def test_readme_fits_two_screens_of_text_and_its_links_lead_somewhere():
    text = README.read_text()
    assert len(text.splitlines()) <= 130
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (REPOSITORY / target).exists(), target


def test_readme_lists_every_extra_of_users_and_all_has_them():
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    of_users = set(extras) - {"all", "bench", "docs", "audit", "dev"}
    _, _, table = README.read_text().partition("## Extras")
    listed = {name for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert listed == of_users
    assert Requirement(extras["all"][0]).extras == of_users - {"torch"}
