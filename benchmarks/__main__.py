"""Runs every `bench_*.py` of this folder, or those named, and prints what they measured with the settings.

python -m benchmarks [start serving …]
"""

from __future__ import annotations

import os
import platform
import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Run the benchmarks that were asked for."""
    found = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    asked = sys.argv[1:] or found
    print(
        f"machine: {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    )
    for name in asked:
        if name not in found:
            sys.exit(f"there is no benchmark {name!r}; there are {', '.join(found)}")
        print(f"\n== {name}", flush=True)
        import_module(f"benchmarks.bench_{name}").main()


if __name__ == "__main__":
    main()
