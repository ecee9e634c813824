"""What storing weights in fewer bits changes about them: computed from the numbers, without running the model."""

from __future__ import annotations

import math

import numpy as np

from slmbench.models.gguf import Checkpoint
from slmbench.models.graph import quantised


def relative_error(checkpoint: Checkpoint, scheme: str) -> float:
    """How far the linear layers are from those of the file, once they are stored as `scheme`: root mean square of the
    differences over root mean square of the weights. 0: the same numbers; 0.1: off by a tenth of their usual size.

    Embedding and output layer are not counted: they are int8 in all schemes but fp32.
    """
    difference = size = 0.0
    for name, tensor in checkpoint.tensors.items():
        if len(tensor.shape) != 2 or not name.startswith("blk."):
            continue
        weights = tensor.values()
        size += float(np.square(weights).sum(dtype=np.float64))
        if scheme != "fp32":
            kept = quantised([tensor], scheme).values()
            difference += float(np.square(kept - weights).sum(dtype=np.float64))
    return math.sqrt(difference / size) if size else 0.0
