from __future__ import annotations

import subprocess
import sys


def test_the_version_needs_none_of_the_heavy_imports() -> None:
    code = (
        "import sys\n"
        "from driftscan.cli import run\n"
        "assert run(['--version']) == 0\n"
        "heavy = {'networkx', 'rich', 'docker', 'packaging.specifiers', 'isal', 'zstandard', 'tomllib', 'json'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("driftscan, version ")
    assert result.stderr == "[]\n"


def test_an_engine_is_started_before_what_is_needed_later_is_imported() -> None:
    code = (
        "import sys\n"
        "import driftscan.cli.lock\n"
        "later = {'driftscan.finding', 'driftscan.graph', 'driftscan.index.transport', 'driftscan.report', 'tomlkit',\n"
        "         'importlib.metadata', 'packaging.metadata', 'ssl', 'urllib3'}\n"
        "print(sorted(later & set(sys.modules)))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
