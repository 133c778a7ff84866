"""A real server in a process of its own, and a real Chromium."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Error, sync_playwright

ROOT = Path(__file__).parents[2]


class Server:
    """`python app.py` on a free port of this machine, with its own runs folder."""

    def __init__(self, runs: Path, **variables: str):
        self.runs, self.log = runs, runs.parent / "server.log"
        self.environment = os.environ | {"CHARRNN_RUNS": str(runs), "PYTHONPATH": str(ROOT)} | variables
        self.start()

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py", "--port", str(self.port)],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, f"the server ended: {self.log.read_text()}"
                assert time.monotonic() < until, f"the server does not answer: {self.log.read_text()}"
                time.sleep(0.2)

    def kill(self) -> None:
        """As a crash does it."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """As Ctrl-C does it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server") / "runs", CHARRNN_MAX_MEGABYTES="1")
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text()


def browser_path() -> str | None:
    """The Chromium on PATH; None stands for Playwright's own."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        except Error as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no browser: {error}")
        yield browser
        browser.close()


@pytest.fixture
def visitor(browser, server):
    """A new visitor's page, at the size of a small laptop. Fails on any error in the page's console."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    faults = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.goto(server.url)
    page.get_by_role("button", name="Train", exact=True).wait_for()
    yield page
    context.close()
    assert not [fault for fault in faults if "favicon" not in fault and "ERR_CONNECTION_REFUSED" not in fault]
