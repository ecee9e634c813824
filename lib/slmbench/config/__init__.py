"""The configuration: models.json, prompts.json and the settings of a run, read, checked, with errors one can act on."""

from slmbench.config.checking import nearest
from slmbench.config.checks import Check
from slmbench.config.models import ModelEntry, ModelsFile, entry_for, entry_from, own_file, read_models
from slmbench.config.options import as_options
from slmbench.config.prompts import Prompt, Rubric, prompt_from, read_prompts, read_rubrics
from slmbench.config.selection import Selection, read_selection, with_changes
from slmbench.config.settings import Settings, plan_hash, settings

__all__ = [
    "Check",
    "ModelEntry",
    "ModelsFile",
    "Prompt",
    "Rubric",
    "Selection",
    "Settings",
    "as_options",
    "entry_for",
    "entry_from",
    "nearest",
    "own_file",
    "plan_hash",
    "prompt_from",
    "read_models",
    "read_prompts",
    "read_rubrics",
    "read_selection",
    "settings",
    "with_changes",
]
