"""Print constraints that pin each dependency of pyproject.toml to the lowest version that it admits.

For `pip install --constraint`, so that the lower bounds are versions with which the tests pass.
"""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def lowest(requirement: str) -> str | None:
    """Pin a requirement to its lower bound; None where it has none or does not apply to this Python.

    >>> lowest("numpy>=1.24")
    'numpy==1.24'
    """
    parsed = Requirement(requirement)
    bounds = [specifier.version for specifier in parsed.specifier if specifier.operator == ">="]
    if not bounds or (parsed.marker is not None and not parsed.marker.evaluate()):
        return None
    return f"{parsed.name}=={bounds[0]}"


if __name__ == "__main__":
    project = tomllib.loads(Path(__file__).parents[1].joinpath("pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["demo"]]
    print("\n".join(pin for pin in map(lowest, wanted) if pin is not None))
