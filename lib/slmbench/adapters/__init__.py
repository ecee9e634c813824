"""Anything that generates text, served so that all of the kit works on it: `load(weights_path)`, `generate(prompt)`.

An adapter is a class with these two methods; `serve` runs it in a process of its own, behind an OpenAI-compatible
endpoint on 127.0.0.1. Those that packages bring are found by their entry point in the group `slmbench.adapters`.
"""

from slmbench.adapters.contract import Ended, ModelAdapter
from slmbench.adapters.finding import GROUP, found, registered
from slmbench.adapters.process import AdapterError, Served, run, serve

__all__ = ["GROUP", "AdapterError", "Ended", "ModelAdapter", "Served", "found", "registered", "run", "serve"]
