"""Entry point of child processes: ``python …/core/_child.py MODULE`` calls ``MODULE.main()``.

Python puts the directory of a script on its path, and not the current directory as for ``-m``. So a random.py of the
user never becomes the standard library's, on Python 3.10 as well, which lacks ``-P``.
"""

from __future__ import annotations

import os
import sys

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(module: str) -> None:
    """Call ``main()`` of a module of this package, as it is on disk here, installed or not."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if folder != own]
    # Imported with a path that is clean.
    import importlib
    import importlib.util

    # By its file: another version, or what lies beside an uninstalled package, must not be found by the path.
    spec = importlib.util.spec_from_file_location(
        os.path.basename(PACKAGE), os.path.join(PACKAGE, "__init__.py"), submodule_search_locations=[PACKAGE]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = package
    spec.loader.exec_module(package)
    importlib.import_module(module).main()


if __name__ == "__main__":
    run(sys.argv[1])
