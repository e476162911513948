"""Entry point of child processes: ``python …/core/_child.py MODULE`` calls ``MODULE.main()``.

Python adds the directory of a script to its path, whereas ``-m`` adds the current directory. A random.py in the current
directory therefore cannot shadow the standard library, not even on Python 3.10, which lacks ``-P``.
"""

from __future__ import annotations

import os
import sys

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def run(module: str) -> None:
    """Call ``main()`` of a module of this package, loaded from its file; the package need not be installed."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [folder for folder in sys.path if folder != own]
    # Import only after the cleanup of the path.
    import importlib
    import importlib.util

    # Load by file: the path may contain another version, or lack an uninstalled package.
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
