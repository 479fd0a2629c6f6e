"""What all tests share: nothing is allowed to be imported by name, how often properties are tried, a real browser."""

from __future__ import annotations

import ast
import base64
import gc
import json
import os
import select
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import hypothesis
import pytest

from stratsim.plugins import gate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# A property is tried on few examples, drawn anew each time; `make test-slow` tries many.
hypothesis.settings.register_profile(
    "stratsim", deadline=None, max_examples=int(os.environ.get("STRATSIM_EXAMPLES", "10"))
)
hypothesis.settings.load_profile("stratsim")

# What is collected stays to the end: the garbage collector need not walk through nine thousand tests again and again.
gc.disable()


@pytest.hookimpl(tryfirst=True)  # before `-m` is looked at
def pytest_collection_modifyitems(items):
    """Mark the cases that `slow_cases` names as slow."""
    for item in items:
        named = {case for mark in item.iter_markers("slow_cases") for case in mark.args}
        if named and item.callspec.id in named:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish():
    """Let the garbage collector look after what comes from now on, and less often."""
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()


@pytest.fixture(scope="session")
def imported_by():
    """Return the files that one imports when it runs, itself among them, and those that these import.

    Called with the file, and with the folder that holds each package.
    """

    def imported(file: Path, packages: dict[str, Path]) -> set[Path]:
        found, left = set(), [file]
        while left:
            each = left.pop()
            if each not in found:
                found.add(each)
                left += _imports(each, packages)
        return found

    return imported


def _imports(file: Path, packages: dict[str, Path]) -> Iterator[Path]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    typing = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    left_out = {id(inner) for node in typing for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and id(node) not in left_out:
            folder = packages.get(node.module.partition(".")[0])
            for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)) if folder else ():
                place = folder / name.replace(".", "/")
                yield from (path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file())


_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    "--remote-debugging-pipe",
)
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_CODES = {"Enter": 13, "Tab": 9, "ArrowDown": 40}
_PATIENCE_S = 60.0


def _moved(descriptor: int) -> int:
    """Return a copy of a file descriptor with a number of at least 10, and close it."""
    import fcntl  # not on Windows, where no browser is tried

    copy = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return copy


class Browser:
    """A headless browser, spoken to by the DevTools protocol over two pipes.

    `requests` has the address of everything that was asked for, `errors` what the console complained about.
    """

    def __init__(self, program: str, folder: Path) -> None:
        self._read, write_theirs = os.pipe()
        read_theirs, self._write = os.pipe()
        # The protocol's ends are file descriptors 3 and 4 of the browser, wherever they are here: not on each other.
        read_theirs, write_theirs = (_moved(end) for end in (read_theirs, write_theirs))
        joined = f'exec 3<&{read_theirs} 4>&{write_theirs}; exec "$@"'
        self._process = subprocess.Popen(
            ["bash", "-c", joined, "browser", program, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
            pass_fds=(read_theirs, write_theirs),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_theirs)
        os.close(write_theirs)
        self._buffer = b""
        self._last = 0
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._loaded = False
        self._session = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def open(self, path: Path | str, width: int = 1280, height: int = 900) -> None:
        """Open a file, or an address, and wait until it is there."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.requests.clear()
        self.errors.clear()
        self._loaded = False
        self._call("Page.navigate", url=path if isinstance(path, str) else path.as_uri())
        while not self._loaded:
            self._hear()

    def run(self, script: str):
        """Return the value of an expression in the page."""
        answer = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, selector: str) -> None:
        """Click into the middle of the first element that a selector finds."""
        self.run(f"document.querySelector({json.dumps(selector)}).scrollIntoView({{block: 'center'}})")
        place = self.middle(selector)
        self.pointer("mousePressed", *place)
        self.pointer("mouseReleased", *place)

    def middle(self, selector: str) -> list[float]:
        """Return where the middle of an element is, pixels from the top left of what is to be seen."""
        return self.run(
            f"(r => [r.x + r.width / 2, r.y + r.height / 2])"
            f"(document.querySelector({json.dumps(selector)}).getBoundingClientRect())"
        )

    def pointer(self, kind: str, x: float, y: float) -> None:
        """Move or press the pointer."""
        button = {} if kind == "mouseMoved" else {"button": "left", "clickCount": 1}
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **button)

    def press(self, key: str) -> None:
        """Press a key where the focus is."""
        text = {"text": key} if len(key) == 1 else {}
        if key in _CODES:
            text = {"windowsVirtualKeyCode": _CODES[key]} | ({"text": "\r"} if key == "Enter" else {})
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def type(self, selector: str, text: str) -> None:
        """Replace the content of an input by typing."""
        self.click(selector)
        self.run(f"document.querySelector({json.dumps(selector)}).select()")
        self._call("Input.insertText", text=text)

    def screenshot(self, path: Path) -> None:
        """Save what is to be seen as PNG."""
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def set_scripts(self, *, allowed: bool) -> None:
        """Let pages run scripts or not, from the next that is opened on."""
        self._call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def prefer(self, scheme: str) -> None:
        """Let the system be `light` or `dark`."""
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def close(self) -> None:
        """End the browser and all that it started."""
        os.close(self._write)
        os.close(self._read)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _call(self, method: str, **parameters):
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._hear()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    def _hear(self):
        """Return the next message; keep what it says of the network and the console."""
        until = time.monotonic() + _PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], max(0.0, until - time.monotonic()))
            data = os.read(self._read, 1 << 16) if ready else b""
            if not data:
                raise RuntimeError("the browser is silent" if not ready else "the browser has gone")
            self._buffer += data
        line, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(line)
        found = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(found["request"]["url"])
        elif message.get("method") == "Page.loadEventFired":
            self._loaded = True
        elif message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(found["exceptionDetails"]["text"])
        elif message.get("method") == "Runtime.consoleAPICalled" and found["type"] in {"error", "warning", "assert"}:
            self.errors.append(json.dumps(found["args"]))
        elif message.get("method") == "Log.entryAdded" and found["entry"]["level"] in {"error", "warning"}:
            self.errors.append(found["entry"]["text"])
        return message


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A headless browser; the test is skipped where there is none."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None or os.name != "posix":
        pytest.skip("needs a browser: Debian's package chromium, or any of " + ", ".join(_NAMES))
    opened = Browser(program, tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _nothing_was_typed():
    """Code that one test allows to be imported, the next one must allow anew."""
    token = gate._ALLOWED.set(frozenset())
    yield
    gate._ALLOWED.reset(token)


@pytest.fixture
def _all_was_typed(monkeypatch):
    """Let every file be imported, as if a user had typed its name."""
    monkeypatch.setattr(gate, "_is_allowed", lambda _: True)
