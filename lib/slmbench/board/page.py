"""What Voilà is given: the notebook with its parameters, and settings under which nothing leads off this machine."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slmbench import paths

NOTEBOOK = "session03_live_board.ipynb"
TITLE = "slmbench: live board"
SHARE = Path(__file__).with_name("share")  # laid out as Jupyter's data folders are
TEMPLATE = "slmbench"
# what a page needs to show widgets: Voilà's manager, and two kinds of widgets. Others stay away with what they ask for
EXTENSIONS = ("@voila-dashboards/widgets-manager8", "@jupyter-widgets/jupyterlab-manager", "anywidget")
ABANDONED_S = 120  # how long a kernel may be without a page: more than one takes to come up on a busy machine
LOOK_S = 5  # how often kernels are looked after


@dataclass(frozen=True)
class Look:
    """theme: light or dark. scale: normal or projector. ground, text: colours of the page, as CSS has them."""

    theme: str
    scale: str
    ground: str
    text: str


@dataclass(frozen=True)
class Door:
    """port: of 127.0.0.1. token: what an address must have. nonce: what the page's own scripts have."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={self.token}"


def parameterised(target: Path, runs: list[Path], look: Look) -> None:
    """Write the board's notebook to `target`, with these values in the cell below its parameters cell.

    runs: absolute; none: the notebook's own default, which looks each time that the page is opened.
    """
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    notebook = load_notebook_node(str(paths.notebook(NOTEBOOK)))
    values: dict[str, Any] = {"theme": look.theme, "scale": look.scale}
    if runs:
        values["runs"] = [str(folder) for folder in runs]  # a list: there may be a comma in a name
    notebook = parameterize_notebook(notebook, values, kernel_name="python3", language="python")
    del notebook.metadata["papermill"]  # the values once more, not escaped as in the cell
    notebook.metadata["title"] = TITLE
    target.write_text(json.dumps(notebook), encoding="utf-8")


def settings(folder: Path, door: Door, look: Look, abandoned_s: int) -> dict[str, Any]:
    """Voilà's configuration, for a file: on its command line, others could read the token.

    folder: of the notebook, and of all that Voilà writes. abandoned_s: as `ABANDONED_S`.
    """
    return {
        "Voila": {
            "ip": "127.0.0.1",
            "port": door.port,
            "port_retries": 0,
            "open_browser": False,
            "token": door.token,
            "root_dir": str(folder),
            "connection_dir_root": str(folder),
            "tornado_settings": {
                # Voilà answers to any name of host; a page elsewhere whose name leads here must not get this one
                "allow_remote_access": False,
                # Voilà never hands out the cookie for this check, so that a page could not end its kernel. The cookie
                # of the log-in is kept from other sites, and what changes anything refuses another page's origin.
                "disable_check_xsrf": True,
                "headers": {
                    "Content-Security-Policy": policy(door),
                    "Referrer-Policy": "no-referrer",
                    "Cross-Origin-Opener-Policy": "same-origin",
                    "Cross-Origin-Resource-Policy": "same-origin",
                },
            },
        },
        "VoilaConfiguration": {
            "template": TEMPLATE,
            "theme": look.theme,
            "allow_template_override": "NO",  # by the address
            "allow_theme_override": "NO",
            "strip_sources": True,
            "multi_kernel_manager_class": "slmbench.board.kernels.Kernels",
            "show_tracebacks": True,  # what fails is told to the one who started it
            "file_allowlist": [],
            "extension_allowlist": list(EXTENSIONS),
            "http_keep_alive_timeout": 3600,  # its sign of life is a script without the nonce
            "resources": {
                TEMPLATE: {"nonce": door.nonce, "theme": look.theme, "ground": look.ground, "text": look.text}
            },
        },
        "IdentityProvider": {"cookie_options": {"samesite": "Strict"}},
        "KernelManager": {"transport_encryption": "auto"},  # else other users can listen to what a kernel sends
        "MappingKernelManager": {
            "root_dir": str(Path.cwd()),  # where kernels work: relative runs/ are looked for from here
            "cull_idle_timeout": abandoned_s,
            "cull_interval": min(LOOK_S, abandoned_s),
        },
    }


def policy(door: Door) -> str:
    """The Content-Security-Policy of the page: this server is asked, and nobody else.

    Scripts are Voilà's files, those with the nonce, and the modules of anywidget, which it imports from blob: URLs.
    Neither inline scripts nor event handlers nor eval run, so that HTML in an output does nothing. (Styles may stand
    inline: JupyterLab writes them.)
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{door.nonce}' blob:",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            f"connect-src 'self' ws://127.0.0.1:{door.port}",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )
