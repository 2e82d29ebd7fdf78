"""``python -m sluice.kernel`` compiles what tasks need compiled: once for an installation."""

import sys

from sluice.kernel.compiling import compile_all

if __name__ == "__main__":
    sys.exit(0 if compile_all() else "the fast tier does not take a document that it must")
