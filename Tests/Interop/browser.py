"""A headless Chromium, spoken to by its DevTools protocol over a pipe: what a page looks like, and what it complains of."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

from lab import STOP_TIMEOUT, tool

ANSWER_TIMEOUT = 60
#: Puts two descriptors where the protocol wants them, and becomes the browser. Either may be in the other's place.
WITH_DESCRIPTORS = """
import fcntl, os, sys
spare = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[1:3]]
for wanted, number in zip((3, 4), spare):
    os.dup2(number, wanted)
os.execvp(sys.argv[3], sys.argv[3:])
"""


class Browser:
    """One process with one page."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        # The protocol's places: the browser reads commands from descriptor 3 and writes answers to 4.
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        command = [
            tool("chromium", "chromium"), "--headless", "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}",
            "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars",
        ]
        if os.geteuid() == 0:
            command.append("--no-sandbox")  # Chromium refuses to be root with one
        with (folder / "chromium.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", WITH_DESCRIPTORS, str(to_browser), str(from_browser), *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(to_browser, from_browser),
                env={**os.environ, "HOME": str(folder)},
            )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer, self._number, self.events, self._session = b"", 0, [], None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.call(f"{domain}.enable")

    def close(self):
        os.close(self._commands)
        os.close(self._answers)
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, method: str, **parameters):
        """Sends a command and returns its result; events that come before it are kept."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def open(self, page: Path, width: int, height: int, *, phone: bool = False, scheme: str = "light", scripts: bool = True):
        """Loads the page as a screen of this size shows it, and waits until it has been loaded."""
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )
        self.call("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url=page.resolve().as_uri())
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline, "the page is not loaded"
            self.events.append(self._next())

    def evaluate(self, expression: str):
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def screenshot(self, file: Path):
        """The page, its first eight screens or so."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8_000), "scale": 1}
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def print(self, file: Path):
        """The page as it would be printed on A4."""
        answer = self.call("Page.printToPDF", paperWidth=8.27, paperHeight=11.69, printBackground=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(answer["data"]))

    def complaints(self) -> list[str]:
        """What the console shows of errors and warnings, exceptions, and requests for anything but the page."""
        found = []
        for event in self.events:
            method, parameters = event["method"], event.get("params", {})
            if method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                found.append(parameters["entry"]["text"])
            elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(parameters["args"]))
            elif method == "Runtime.exceptionThrown":
                found.append(parameters["exceptionDetails"]["text"])
            elif method == "Network.loadingFailed":
                found.append(parameters["errorText"])
            elif method == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith(("file:", "data:")):
                found.append(f"asked for {parameters['request']['url']}")
        return found

    def accessibility(self) -> list[dict]:
        """What a screen reader is told: the nodes of the page's accessibility tree that are not ignored."""
        return [node for node in self.call("Accessibility.getFullAXTree")["nodes"] if not node.get("ignored")]

    def _next(self) -> dict:
        deadline = time.monotonic() + ANSWER_TIMEOUT
        while b"\0" not in self._buffer:
            readable, _, _ = select.select([self._answers], [], [], max(0, deadline - time.monotonic()))
            chunk = os.read(self._answers, 1 << 16) if readable else b""
            assert chunk, f"Chromium says no more; it ended with {self.process.poll()}"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)
