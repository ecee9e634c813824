"""JupyterLab and Voilà in headless Chromium, driven by commands rather than menus: start, open, run, look."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHROMIUM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync"]
READY_S = 60
# what an image shows, as text: a page's policy may keep scripts from reading its address
PIXELS = """img => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
  canvas.getContext('2d').drawImage(img, 0, 0);
  return canvas.toDataURL();
}"""


@contextmanager
def lab(folder: Path, env: dict[str, str] | None = None, *, whole: bool = False) -> Iterator[str]:
    """A JupyterLab server on `folder`, its settings kept in it, too. Gives the address of the lab with its token.

    whole: cells that are out of sight are rendered, too.
    """
    port, token = _free_port(), secrets.token_hex(8)
    _set(folder, "apputils-extension/notification", fetchNews="false", checkForUpdates=False)
    if whole:
        _set(folder, "notebook-extension/tracker", windowingMode="none")
    command = ["jupyter", "lab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}"]
    command += ["--LabApp.expose_app_in_browser=True", f"--LabApp.user_settings_dir={folder / 'settings'}"]
    command += [f"--LabApp.workspaces_dir={folder / 'workspaces'}", "--allow-root"]
    command += ["--LanguageServerManager.autodetect=False"]  # which starts npm, to look for what isn't there
    base = f"http://127.0.0.1:{port}"
    with _serving(command, folder, f"{base}/api?token={token}", env):
        yield f"{base}/lab/tree/{{}}?token={token}&reset"


def _set(folder: Path, plugin: str, **values: object) -> None:
    file = folder / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(values), encoding="utf-8")


@contextmanager
def voila(folder: Path, env: dict[str, str] | None = None) -> Iterator[str]:
    """A Voilà server on `folder`. Gives the address of its pages; each visit runs the notebook afresh."""
    port = _free_port()
    command = ["voila", "--no-browser", "--Voila.ip=127.0.0.1", f"--port={port}", f"--Voila.root_dir={folder}"]
    base = f"http://127.0.0.1:{port}"
    with _serving(command, folder, f"{base}/voila/files/__probe__", env):  # which starts no kernel
        yield f"{base}/voila/render/{{}}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def _serving(command: list[str], folder: Path, url: str, env: dict[str, str] | None) -> Iterator[None]:
    """A server in `folder`, once `url` answers, to the end of the block. command: a module and its options."""
    command = [sys.executable, "-m", *command]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={**os.environ, **(env or {})})
    try:
        _await(url, server)
        yield
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await(url: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except urllib.error.HTTPError as e:  # an answer, too: Voilà hands out no such file
            if e.code < 500:
                return
            time.sleep(0.2)
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError("the server did not start")


@contextmanager
def browser_page(width: int = 1400, height: int = 1000) -> Iterator:
    """A page of headless Chromium; `page.foreign`: requests to other hosts; `page.errors`: its errors."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        page = chromium.new_page(viewport={"width": width, "height": height})
        page.foreign, page.errors = [], []
        page.on("request", lambda r: page.foreign.append(r.url) if _is_foreign(r.url) else None)
        page.on("pageerror", lambda e: page.errors.append(str(e)))
        yield page
        chromium.close()


def _is_foreign(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:", "about:"))


def open_notebook(page, address: str, name: str) -> None:
    """Open it and wait for its kernel: idle is shown before there is one, so its name is awaited, too."""
    page.goto(address.format(name), wait_until="domcontentloaded")
    page.wait_for_selector(".jp-NotebookPanel .jp-Toolbar-kernelName", timeout=60_000)
    page.wait_for_function(
        "() => document.querySelector('.jp-NotebookPanel .jp-Toolbar-kernelName')?.innerText.includes('Python')",
        timeout=60_000,
    )
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)


def start_all(page) -> None:
    """Run all cells; `await_all` waits for the last one."""
    page.evaluate("() => { window.ran = window.jupyterapp.commands.execute('notebook:run-all-cells') }")


def await_all(page, timeout_s: float) -> None:
    """Wait until all cells have run, and the notebook is saved."""
    page.wait_for_function("() => window.ran.then(() => true)", timeout=timeout_s * 1000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")


@contextmanager
def run_all(folder: Path, name: str, timeout_s: float = 120) -> Iterator:
    """A copy of one of the kit's notebooks in `folder`, opened in JupyterLab, all of its cells run and rendered.

    Gives the page; in the end no request may have left, and no error of the page's be there.
    """
    shutil.copy(NOTEBOOKS / name, folder)
    with lab(folder, whole=True) as address, browser_page() as page:
        open_notebook(page, address, name)
        start_all(page)
        await_all(page, timeout_s)
        yield page
        foreign, errors = page.foreign, page.errors
    assert (foreign, errors) == ([], [])


def outputs(file: Path) -> list:
    """All outputs of a saved notebook, none of them an error."""
    found = [o for cell in nbformat.read(file, 4).cells for o in cell.get("outputs", [])]
    assert [o for o in found if o.output_type == "error"] == []
    return found
