"""Maps the top-level ``callbacks`` folder into the package.

Everything else stands in ``pyproject.toml``; the mapping is here because setuptools reads
``package_dir`` for a package outside its parent only from here together with an explicit list.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["visualdl_embedding", "visualdl_embedding.*"]), "visualdl_embedding.callbacks"],
    package_dir={"visualdl_embedding.callbacks": "callbacks"},
)
