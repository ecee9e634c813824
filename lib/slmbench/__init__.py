"""slmbench: measure small language models on your own machine, and choose one with good reason."""

__version__ = "0.1.0"
