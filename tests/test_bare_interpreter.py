"""Sluice is an ordinary package: all of it but ``sluice.edge`` imports where there is no Airflow."""

import subprocess
import sys

IMPORT_ALL = """
import importlib, pkgutil, sys

class NoAirflow:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "airflow":
            raise ModuleNotFoundError(f"{name} is not there")

sys.meta_path.insert(0, NoAirflow())
import sluice

# running sluice.__main__ is not importing it
names = [m.name for m in pkgutil.walk_packages(sluice.__path__, "sluice.", onerror=lambda _: None)]
for name in names:
    if not name.startswith("sluice.edge") and not name.endswith("__main__"):
        importlib.import_module(name)
print(len(names))
"""


def test_everything_but_the_edge_imports_without_airflow() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
