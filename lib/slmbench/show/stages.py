"""Progress of fetching and converting models: a bar a stage on a terminal, a line per quarter elsewhere."""

from __future__ import annotations

import sys

from tqdm import tqdm


class Stages:
    """Progress of fetching and converting: one bar a stage on a terminal, a line per quarter elsewhere."""

    def __init__(self) -> None:
        self._stage, self._bar, self._quarter = "", None, 0

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage != self._stage:
            self.close()
            self._stage, self._quarter = stage, 0
        if sys.stderr.isatty():
            size = stage == "download" and total > 10_000
            self._bar = self._bar or tqdm(total=total, desc=stage, unit="B" if size else "step", unit_scale=size)
            self._bar.update(done - self._bar.n)
        elif total and 4 * done // total > self._quarter:
            self._quarter = 4 * done // total
            print(f"{stage}: {100 * done // total} %", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __enter__(self) -> Stages:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
