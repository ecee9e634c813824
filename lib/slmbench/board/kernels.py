"""In Voilà's process: kernels that no page shows any more are ended. Voilà imports this, and nobody else does.

A page that is left ends its own kernel; this is for those that could not, as when a browser is killed.
"""

from __future__ import annotations

import importlib
import time
from math import inf

KERNELS = "jupyter_server.services.kernels"  # it comes with Voilà, which need not be installed for the rest of the kit
Base = importlib.import_module(f"{KERNELS}.kernelmanager").AsyncMappingKernelManager
Connection = importlib.import_module(f"{KERNELS}.connection.channels").ZMQChannelsWebsocketConnection
GONE_S = 20  # a page that lost its connection has it again sooner, or is gone


class Kernels(Base):
    """Only a connection keeps a kernel. jupyter_server's own rule goes by activity, and the board's never ceases; and
    its count of connections is wrong for good after one that was given up while it was made.
    """

    def notify_connect(self, kernel_id: str) -> None:
        """A page has it."""
        super().notify_connect(kernel_id)
        if kernel_id in self._kernels:
            self._kernels[kernel_id].had_page = True

    async def cull_kernel_if_idle(self, kernel_id: str) -> None:
        """Called every `cull_interval` seconds for each kernel. `cull_idle_timeout`: for how long one may be alone."""
        kernel, now = self._kernels[kernel_id], time.monotonic()
        if kernel_id in _shown():
            kernel.alone_since = None
        elif getattr(kernel, "alone_since", None) is None:
            kernel.alone_since = now
        elif now - kernel.alone_since >= min(self.cull_idle_timeout, GONE_S if hasattr(kernel, "had_page") else inf):
            self.log.info("No page shows kernel %s: it ends", kernel_id)
            await self.shutdown_kernel(kernel_id)


def _shown() -> set[str]:
    """Kernels with a connection that is open."""
    sockets = [(one.kernel_id, one.websocket_handler.ws_connection) for one in Connection._open_sockets]
    return {kernel_id for kernel_id, socket in sockets if socket is not None and not socket.is_closing()}
