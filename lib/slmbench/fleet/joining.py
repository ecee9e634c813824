"""A laptop joins: its worker is started, and started again whenever it ends, until its owner has had enough."""

from __future__ import annotations

import json
import secrets
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from slmbench.config.reading import clean
from slmbench.fleet import certificates, tether
from slmbench.fleet.invitation import Invitation

KNOCK_S = 15.0
OTHER_NAME = "Leave, and join under another --name; if that is this one from before, it is let in within a minute."
NETWORK = "Either the room is closed, or this is another network"
NEW_FILE = "Ask the instructor for the file of the room that is open now"
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0)  # before it is started again; a worker that had joined begins anew with the first


def knock(invitation: Invitation) -> str:
    """Whether the room lets one in: "", or why not, in a sentence."""
    papers = (invitation.desk_authority, invitation.certificate, invitation.key)
    context = certificates.security("worker", *papers).get_connection_args("worker")["ssl_context"]
    host, _, port = invitation.address.removeprefix("tls://").rpartition(":")
    try:
        with (
            socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_S) as plainly,
            context.wrap_socket(plainly, server_hostname=host.strip("[]")) as line,
        ):
            return "" if line.recv(1) else "the room does not take the certificate of this join file"
    except ssl.SSLCertVerificationError:
        return f"who answers at {clean(invitation.address, 80)} is not the room of this join file. {NEW_FILE}"
    except ssl.SSLError:
        return "the room does not take the certificate of this join file"
    except (OSError, ValueError) as e:
        why = getattr(e, "strerror", None) or e
        return f"{clean(invitation.address, 80)} was not reached ({clean(why, 100)}). {NETWORK}"


def stay(
    invitation: Invitation,
    name: str,
    base: Path,
    endpoint: str | None,
    *,
    say: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Be a station until KeyboardInterrupt.

    base: the folder in which run folders are made. endpoint: of the local service; None: to be found. Dask does not
    bring back a worker that was offline for half a minute, as a laptop is whose lid was closed; this does.
    """
    order = {"invitation": asdict(invitation), "name": name, "token": secrets.token_hex(8)}
    order |= {"base": str(base.absolute()), "endpoint": endpoint}
    failed, been = 0, False
    while True:
        joined = _once(order, invitation, say)
        failed, been = 0 if joined else failed + 1, been or joined
        wait_s = PAUSES_S[min(failed, len(PAUSES_S) - 1)]
        kept = " What was measured is kept here, and gone on with in the room." if been else ""
        say(f"Not in the room now; trying again in {wait_s:.0f} s.{kept} (Ctrl-C leaves.)")
        pause(wait_s)


def _once(order: Mapping[str, Any], invitation: Invitation, say: Callable[[str], None]) -> bool:
    """One worker, from its start to its end. returns: whether it was in the room."""
    if refused := knock(invitation):
        say(f"Not let in: {refused}.")
        return False
    process = tether.child("slmbench.fleet.worker", stdout=subprocess.PIPE)
    try:
        process.stdin.write(json.dumps(order).encode() + b"\n")
        process.stdin.flush()
        return _listen(process, say)
    except BrokenPipeError:
        return False
    except KeyboardInterrupt:
        say("Leaving …")
        raise
    finally:
        tether.end(process)
        process.stdout.close()


def _listen(process: subprocess.Popen, say: Callable[[str], None]) -> bool:
    """Tell what the worker tells, until it ends. returns: whether it was in the room."""
    joined = False
    for line in process.stdout:
        text = line.decode("utf-8", "replace").rstrip()
        try:
            told = json.loads(text)
        except ValueError:
            told = None
        if not isinstance(told, dict):
            say(text)  # of what is measured
        elif "joined" in told:
            joined = True
            say(f"In the room as {told['joined']}. Leave this open; Ctrl-C leaves the room.")
        elif "refused" in told:
            say(f"Not let in: {clean(told['refused'], 300)}. {OTHER_NAME}")
        elif "problem" in told:
            say(f"The room was not reached: {clean(told['problem'], 300)}")
    return joined
