"""What the notebook does with `show_live`: the runner, and a live chart that draws as if somebody were looking.

python charted.py URL MODEL[,MODEL] REQUESTS STREAMS TOKENS PROMPTS OUT
"""

import sys

from IPython.core.interactiveshell import InteractiveShell

from slmbench import config, runner
from slmbench.show.live import LiveChart

url, models, requests, streams, tokens, prompts, out = sys.argv[1:8]
InteractiveShell.instance()  # pictures are displayed to it
models_file = config.read_models()
settings = config.settings(
    models_file,
    endpoint=url,
    models=models,
    prompts=prompts,
    rounds=int(requests),
    concurrency=int(streams),
    max_tokens=int(tokens),
    warmup=0,
)
runner.run(settings, models_file, out=out, memory=False, watch=lambda total: LiveChart(total, live=True))
