"""Find a service and talk to it: `connect()` gives an `Endpoint`, `resolve()` the `Target`s to measure on it."""

from slmbench.endpoint.find import connect, resolve
from slmbench.endpoint.target import Endpoint, Target

__all__ = ["Endpoint", "Target", "connect", "resolve"]
