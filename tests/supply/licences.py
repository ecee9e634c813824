"""The licence of an installed package as an SPDX expression, and what of these asks for a second look."""

from __future__ import annotations

import re
from importlib.metadata import Distribution

from packaging.utils import canonicalize_name

UNKNOWN = "unknown"
OVERRIDES = {  # looked at by hand: what the metadata do not say, or say for the code alone
    # Its font, Shobhika, says in its own name table that it is under the Open Font License.
    "devanagari-fonts": "MIT AND OFL-1.1",
    # "BSD" in the metadata; its source begins with the text of the licence, with three clauses.
    "nvidia-ml-py": "BSD-3-Clause",
    # The wheel names none; the same project's other packages, which hold these libraries too, are MIT.
    "onnxruntime-genai-core": "MIT",
}
PERMISSIVE = {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU"}
PERMISSIVE |= {"PSF-2.0", "Unlicense", "Zlib"}
COPYLEFT = {"MPL-2.0", "OFL-1.1"}  # any other asks for a line here first
# What was decided on each package that is not plainly permissive. tests/supply/test_licences.py wants one for each.
NOTES = {
    "certifi": "copyleft by file; a list of root certificates, used as it is",
    "devanagari-fonts": "the font may be passed on with software, and not be sold alone",
    "fqdn": "copyleft by file; used by JupyterLab as it is",
    "hypothesis": "copyleft by file; for the tests only",
    "nvidia-ml-py": "the wheel holds no licence text apart; its source begins with it",
    "onnxruntime-genai-core": "the wheel holds no licence text; MIT by its project",
    "pathspec": "copyleft by file; used by hatchling as it is, to build only",
    "tqdm": "copyleft by file in parts; used as it is",
}
# Libraries within wheels that are not under the package's own licence. The kit neither changes nor passes on any: each
# machine fetches the wheels itself.
INSIDE = {
    "ml-dtypes": "Eigen (MPL-2.0)",
    "numpy": "libgfortran (GPL-3.0 with the exception of GCC), libquadmath (LGPL-2.1)",
    "pyzmq": "libzmq (MPL-2.0)",
    "scipy": "libgfortran (GPL-3.0 with the exception of GCC), libquadmath (LGPL-2.1)",
}
CLASSIFIERS = {  # those that name one licence; "BSD License" does not
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
WORDS = {  # first lines of a License field, in lower case without punctuation
    "3 clause bsd license": "BSD-3-Clause",
    "apache 2 0": "Apache-2.0",
    "apache license version 2 0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd 2 clause license": "BSD-2-Clause",
    "bsd 3 clause license": "BSD-3-Clause",
    "isc license": "ISC",
    "mit license": "MIT",
    "psfl": "PSF-2.0",
}


def licence(package: Distribution) -> str:
    """The licence by hand, from the metadata, or else from the text of a BSD licence; `UNKNOWN` if none tells."""
    said = package.metadata
    name, field = canonicalize_name(said["Name"]), said.get("License") or ""
    marks = [c.rpartition(" :: ")[2] for c in said.get_all("Classifier") or [] if c.startswith("License :: OSI")]
    named = {CLASSIFIERS[mark] for mark in marks if mark in CLASSIFIERS}
    return (
        OVERRIDES.get(name)
        or said.get("License-Expression")
        or (field if known(field) else None)
        or WORDS.get(" ".join(re.findall(r"\w+", field.partition("\n")[0].lower())))
        or (named.pop() if len(named) == 1 else None)
        or of_text(field)
        or of_text(text(package))
        or UNKNOWN
    )


def parts(expression: str) -> set[str]:
    """The identifiers of an SPDX expression, without AND, OR and brackets."""
    return set(re.findall(r"[\w.+-]+", expression)) - {"AND", "OR"}


def known(expression: str) -> bool:
    return bool(parts(expression)) and parts(expression) <= PERMISSIVE | COPYLEFT


def asks_for_a_note(package: str, expression: str) -> bool:
    """Whether a licence is not plainly permissive, or was not told by the package itself."""
    return package in OVERRIDES or not parts(expression) <= PERMISSIVE


def of_text(words: str) -> str | None:
    """Which BSD licence a text is, if any: the third clause forbids to advertise with the authors' names."""
    if "Redistribution and use in source and binary forms" not in " ".join(words.split()):
        return None
    return "BSD-3-Clause" if re.search(r"endorse\s+or\s+promote", words) else "BSD-2-Clause"


def text(package: Distribution) -> str:
    """The licence's text that a package brings beside its metadata, "" if none."""
    for file in package.files or []:
        if ".dist-info" in file.parts[0] and re.match(r"licen[cs]e|copying", file.name.lower()):
            return file.locate().read_text(encoding="utf-8", errors="replace")
    return ""
