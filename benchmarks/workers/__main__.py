"""Does one measurement in this process and prints it as the last line, as JSON."""

from __future__ import annotations

import importlib
import json
import sys

from benchmarks.cpu import peak_mb


def main() -> None:
    module, _, function = sys.argv[1].partition(".")
    measure = getattr(importlib.import_module(f"benchmarks.workers.{module}"), function)
    answer = measure(**json.loads(sys.argv[2]))
    print(json.dumps({**answer, "peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
