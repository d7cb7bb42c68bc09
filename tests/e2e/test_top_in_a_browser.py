"""neuron-top --serve in a real browser, on a real busy node."""

import base64
import re
import shutil
import signal

import pytest

from runtime_core.telemetry import open_source

pyte = pytest.importorskip("pyte")
webdriver = pytest.importorskip("selenium.webdriver")

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="chromium and chromium-driver are not installed"),
]

# The page draws on a canvas. The data of its socket is recorded, to reconstruct the screen of the terminal.
KEEP_MESSAGES = """
window.brought = [];
const Original = window.WebSocket;
window.WebSocket = class extends Original {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", async (event) => {
      if (event.data instanceof Blob || event.data instanceof ArrayBuffer) {
        const bytes = new Uint8Array(await new Response(event.data).arrayBuffer());
        window.brought.push(btoa(String.fromCharCode(...bytes)));
      }
    });
    this.addEventListener("open", () => { window.opened = given[0]; });
  }
};
"""


class Page:
    """A headless Chromium on a page, with the terminal that the page shows."""

    def __init__(self, address, profile):
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         "--window-size=1300,800", f"--user-data-dir={profile}"):  # fmt: skip
            options.add_argument(argument)
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": KEEP_MESSAGES})
        self.driver.get(address)
        self._screen, self._read = None, 0

    def text(self):
        """The current screen, line by line."""
        if self._screen is None:
            opened = self.driver.execute_script("return window.opened")
            if not opened:
                return ""
            size = {k: int(v) for k, v in re.findall(r"(width|height)=(\d+)", opened)}
            self._screen = pyte.Screen(size["width"], size["height"])
            self._stream = pyte.ByteStream(self._screen)
        new = self.driver.execute_script("return window.brought.slice(arguments[0])", self._read)
        self._read += len(new)
        for message in new:
            self._stream.feed(base64.b64decode(message))
        return "\n".join(self._screen.display)

    def pixels(self):
        """The current content of the canvas."""
        return self.driver.execute_script("return document.querySelector('canvas.xterm-text-layer').toDataURL()")

    def press(self, keys):
        """Type."""
        self.driver.find_element("css selector", ".xterm-helper-textarea").send_keys(keys)


@pytest.fixture
def served(spawn, tmp_path):
    """Start neuron-top --serve on a free port; yields the link that it prints."""
    process = spawn("neuron_top", "--serve", "--port", "0", "--interval", "0.2", XDG_CONFIG_HOME=str(tmp_path))
    line = process.stdout.readline()
    yield re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line).group()
    process.send_signal(signal.SIGTERM)
    process.wait(10)


@pytest.fixture
def page(served, tmp_path):
    made = Page(served, tmp_path / "profile")
    yield made
    made.driver.quit()


def test_a_browser_shows_live_values_and_its_keys_work(node, spawn, wait, squeezenet_neff, page):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0-1", "--no-numerics", "--duration", "0",
          "--rate", "700", "--tag", "web")  # fmt: skip
    wait(lambda: any(r.executions.completed for r in open_source().snapshot().runtimes))
    seen = set()

    def values_change():
        found = re.search(r"ND0\s+NC0 \S*\s+([1-9]\d?\.\d\d)%", page.text())
        if found:
            seen.add((found.group(1), page.pixels()))
        return len({value for value, _ in seen}) >= 3 and len({pixels for _, pixels in seen}) >= 3

    wait(values_change, 60, "three values of a busy core, drawn in three ways")
    assert "inf1.6xlarge" in page.text()
    page.press("p")
    wait(lambda: re.search(r"PID.*TAG.*CORES", page.text()), what="the view of processes")
    assert re.search(r"web\s+0-1", page.text())
    page.press("k")
    wait(lambda: "signals are off" in page.text(), what="the refusal of a signal")
    # Scripts, styles and the socket comply with the content security policy.
    assert [entry for entry in page.driver.get_log("browser") if "Content Security" in entry["message"]] == []
