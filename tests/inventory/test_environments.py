from __future__ import annotations

import pytest

from driftscan.model.inventory import EnvironmentKind
from driftscan.model.lock import Unchecked
from tests.builders.installed import distribution, elf_binary, interpreter, python_binary, venv
from tests.builders.rootfs import Content, Link, Removed
from tests.inventory.conftest import Take

SITE = "opt/venv/lib/python3.11/site-packages"
LOCAL = "usr/local/lib/python3.11/site-packages"


def test_a_venv_and_its_base_are_two_environments(take_on: Take) -> None:
    inventory = take_on(distribution("six", "1.16.0"))
    assert [(found.path, found.kind) for found in inventory.environments] == [
        ("/opt/venv", EnvironmentKind.VENV),
        ("/usr/local", EnvironmentKind.PREFIX),
    ]
    assert [found.name for found in inventory.environments[0].distributions] == ["six"]
    assert inventory.environments[1].distributions == ()
    assert inventory.environments[0].interpreter == inventory.environments[1].interpreter
    assert inventory.os_name == "Debian GNU/Linux 12 (bookworm)"


def test_system_site_packages_are_inherited_and_shadowed(take_on: Take) -> None:
    config = "home = /usr/local/bin\ninclude-system-site-packages = true\n"
    inventory = take_on(
        {**distribution("six", "1.17.0"), "opt/venv/pyvenv.cfg": config},
        {**distribution("six", "1.15.0", LOCAL), **distribution("idna", "3.7", LOCAL)},
    )
    found = inventory.environments[0]
    assert found.search_path == (f"/{SITE}", f"/{LOCAL}")
    assert [(item.name, item.version, item.shadowed_by) for item in found.distributions] == [
        ("six", "1.17.0", None),
        ("idna", "3.7", None),
        ("six", "1.15.0", f"/{SITE}/six-1.17.0.dist-info"),
    ]


def test_duplicates_in_one_directory_hide_nothing(take_on: Take) -> None:
    inventory = take_on({**distribution("six", "1.16.0"), **distribution("six", "1.17.0")})
    found = inventory.environments[0].distributions
    assert [(item.version, item.shadowed_by) for item in found] == [("1.16.0", None), ("1.17.0", None)]


def test_pythonpath_comes_first_and_its_modules_need_no_owner(take_on: Take) -> None:
    inventory = take_on(
        {**distribution("six", "1.0", "srv/lib"), "srv/lib/app.py": ""},
        distribution("six", "2.0"),
        env={"PYTHONPATH": "lib::/nowhere"},
        working_dir="/srv",
    )
    found = inventory.environments[0]
    assert found.search_path == ("/srv/lib", f"/{SITE}")
    assert found.distributions[1].shadowed_by == "/srv/lib/six-1.0.dist-info"
    assert found.problems == ()


def test_pth_files_add_directories_and_run_nothing(take_on: Take) -> None:
    pth = "# comment\n/app/src\n../vendor\n/nowhere\nimport os; os.system('x')\n"
    inventory = take_on({f"{SITE}/app.pth": pth, "app/src/app.py": "", "opt/venv/lib/python3.11/vendor/v.py": ""})
    found = inventory.environments[0]
    assert found.search_path == (f"/{SITE}", "/app/src", "/opt/venv/lib/python3.11/vendor")
    assert [(problem.kind, problem.path) for problem in found.problems] == [("unowned", f"/{SITE}/app.pth")]


def test_user_site_of_the_user_that_runs(take_on: Take) -> None:
    layer = {
        "etc/passwd": "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv/app:/bin/sh\n",
        **distribution("six", "1.0", "srv/app/.local/lib/python3.11/site-packages"),
        **distribution("idna", "1.0", "root/.local/lib/python3.11/site-packages"),
    }
    for user in ("app", "1000", "app:app"):
        found = take_on(layer, user=user).environments
        assert found[1].search_path == ("/srv/app/.local/lib/python3.11/site-packages", f"/{LOCAL}")
        assert found[0].search_path == (f"/{SITE}",)
    assert take_on(layer).environments[1].search_path[0] == "/root/.local/lib/python3.11/site-packages"
    assert take_on(layer, env={"PYTHONNOUSERSITE": "1"}).environments[1].search_path == (f"/{LOCAL}",)


def test_a_linked_venv_counts_once(take_on: Take) -> None:
    inventory = take_on({"app/.venv": Link("/opt/venv"), "opt/venv/lib64": Link("lib")})
    assert [found.path for found in inventory.environments] == ["/opt/venv", "/usr/local"]
    assert inventory.environments[0].search_path == (f"/{SITE}",)


def test_a_venv_of_copies_finds_its_library_at_home(take_on: Take) -> None:
    copied = {"opt/venv/bin/python3": python_binary("3.11.9"), "opt/venv/bin/python": Link("python3")}
    inventory = take_on(copied)
    found = inventory.environments[0]
    assert (found.path, found.interpreter.executable) == ("/opt/venv", "/opt/venv/bin/python3")
    assert (found.interpreter.version, found.interpreter.stdlib) == ("3.11.9", "/usr/local/lib/python3.11")
    assert found.unchecked == ()
    assert [found.path for found in inventory.environments] == ["/opt/venv", "/usr/local"]


def test_fedora_prefix(take_on: Take) -> None:
    layer = {
        "usr/bin/python3.12": python_binary("3.12.4"),
        "usr/lib64/python3.12/os.py": "",
        "usr/lib64/python3.12/site-packages": None,
        **distribution("requests", "2.31.0", "usr/lib/python3.12/site-packages", installer="rpm"),
        **distribution("six", "1.16.0", "usr/local/lib/python3.12/site-packages"),
        "usr/lib/sysimage/rpm/rpmdb.sqlite": b"SQLite",
    }
    local = {"etc/os-release": "ID=fedora\n", "usr/local/bin/python3.11": Removed(), "usr/local/bin/python3": Removed()}
    found = take_on({**layer, **local}, prefer="/usr").environments
    system = next(item for item in found if item.path == "/usr")
    assert system.search_path == (
        "/usr/local/lib/python3.12/site-packages",
        "/usr/lib64/python3.12/site-packages",
        "/usr/lib/python3.12/site-packages",
    )
    assert [(item.name, item.owner) for item in system.distributions] == [("six", None), ("requests", "rpm")]


def test_distroless_packages_own_their_files(take_on: Take) -> None:
    site = "usr/lib/python3/dist-packages"
    layer = {
        **interpreter("usr", "3.11.2"),
        **distribution("pyyaml", "6.0", site),
        "var/lib/dpkg/status.d/python3-yaml": "Package: python3-yaml\nVersion: 6.0-3\n",
        "var/lib/dpkg/status.d/python3-yaml.md5sums": f"{'0' * 32}  {site}/pyyaml-6.0.dist-info/METADATA\n",
    }
    found = next(found for found in take_on(layer).environments if found.path == "/usr")
    assert [(item.name, item.owner) for item in found.distributions] == [("pyyaml", "python3-yaml")]


def test_debian_prefix(take_on: Take) -> None:
    layer = {
        **interpreter("usr", "3.11.2"),
        "usr/local/lib/python3.11/dist-packages": None,
        **distribution("pyyaml", "6.0", "usr/lib/python3/dist-packages"),
        "var/lib/dpkg/status": "Package: python3-yaml\nStatus: install ok installed\nVersion: 6.0-3+b2\n",
        "var/lib/dpkg/info/python3-yaml.list": "/usr/lib/python3/dist-packages/pyyaml-6.0.dist-info/METADATA\n"
        "/usr/lib/python3/dist-packages/pyyaml/__init__.py\n",
    }
    found = next(found for found in take_on(layer).environments if found.path == "/usr")
    assert found.search_path == ("/usr/local/lib/python3.11/dist-packages", "/usr/lib/python3/dist-packages")
    assert [(item.name, item.owner) for item in found.distributions] == [("pyyaml", "python3-yaml")]
    assert found.problems == ()


def test_conda_prefix_and_its_packages(take_on: Take) -> None:
    site = "opt/conda/lib/python3.11/site-packages"
    files = [f"lib/python3.11/site-packages/six-1.16.0.dist-info/{leaf}" for leaf in ("METADATA", "RECORD")]
    record = {
        "name": "six",
        "version": "1.16.0",
        "build": "pyh6c4a22f_0",
        "channel": "https://conda.example/conda-forge/noarch",
        "subdir": "noarch",
        "fn": "six-1.16.0-pyh6c4a22f_0.tar.bz2",
        "url": "https://user:pw@conda.example/conda-forge/noarch/six-1.16.0-pyh6c4a22f_0.tar.bz2",
        "md5": "E5F25F8DBC060E9A8D912E432202AFC2",
        "depends": ["python"],
        "files": [*files, "lib/python3.11/site-packages/six/__init__.py"],
    }
    inventory = take_on(
        {
            **interpreter("opt/conda", "3.11.9"),
            "opt/conda/conda-meta/history": "",
            "opt/conda/conda-meta/python-3.11.9-h955ad1f_0.json": '{"name": "python", "version": "3.11.9"}',
            "opt/conda/conda-meta/six-1.16.0-pyh6c4a22f_0.json": __import__("json").dumps(record),
            **distribution("six", "1.16.0", site, installer="conda"),
        }
    )
    found = next(found for found in inventory.environments if found.kind is EnvironmentKind.CONDA)
    assert found.path == "/opt/conda"
    assert found.interpreter.evidence[-1] == "/opt/conda/conda-meta/python-3.11.9-h955ad1f_0.json"
    six = found.conda[1]
    assert (six.channel, six.subdir, six.build) == ("https://conda.example/conda-forge", "noarch", "pyh6c4a22f_0")
    assert six.url == "https://conda.example/conda-forge/noarch/six-1.16.0-pyh6c4a22f_0.tar.bz2"
    assert six.md5 == "e5f25f8dbc060e9a8d912e432202afc2"
    assert six.layer is not None
    assert [(item.name, item.conda_name) for item in found.distributions] == [("six", "six")]
    assert found.problems == ()


def test_a_conda_prefix_without_python_keeps_its_packages(take_on: Take) -> None:
    inventory = take_on({"opt/tools/conda-meta/zlib-1.3-0.json": '{"name": "zlib", "version": "1.3", "build": "0"}'})
    found = next(found for found in inventory.environments if found.kind is EnvironmentKind.CONDA)
    assert [package.name for package in found.conda] == ["zlib"]
    assert [unchecked.what for unchecked in found.unchecked] == ["the interpreter /opt/tools/bin/python"]


def test_a_broken_conda_record_is_told(take_on: Take) -> None:
    inventory = take_on({"opt/tools/conda-meta/zlib-1.3-0.json": "{"})
    found = next(found for found in inventory.environments if found.kind is EnvironmentKind.CONDA)
    assert found.unchecked[-1].what == "/opt/tools/conda-meta/zlib-1.3-0.json"


def test_every_venv_of_a_tool_is_an_environment_of_its_own(take_on: Take) -> None:
    inventory = take_on(venv("root/.local/share/uv/tools/ruff"), venv("opt/pipx/venvs/black"))
    assert [found.path for found in inventory.environments] == [
        "/opt/pipx/venvs/black",
        "/opt/venv",
        "/root/.local/share/uv/tools/ruff",
        "/usr/local",
    ]


def test_leftovers_are_told_apart(take_on: Take) -> None:
    metadata = "Metadata-Version: 2.1\nName: x\nVersion: 1\n"
    inventory = take_on(
        {
            f"{SITE}/setuptools/_vendor/wheel-0.43.0.dist-info/METADATA": metadata,
            "root/.cache/uv/archive-v0/abc/six-1.0.dist-info/METADATA": metadata,
            "opt/conda/pkgs/six-1.0-0/site-packages/six-1.0.dist-info/METADATA": metadata,
            f"{SITE}/gone-1.0.dist-info/RECORD": "",
            f"{SITE}/~ld-1.0.dist-info/METADATA": metadata,
            "app/deps/six-1.0.dist-info/METADATA": metadata,
        }
    )
    assert [(left.path, left.why) for left in inventory.leftovers] == [
        ("/app/deps/six-1.0.dist-info", "not on the search path of an interpreter"),
        ("/opt/conda/pkgs/six-1.0-0/site-packages/six-1.0.dist-info", "cache of conda"),
        (f"/{SITE}/gone-1.0.dist-info", "stale"),
        (f"/{SITE}/setuptools/_vendor/wheel-0.43.0.dist-info", "vendored"),
        (f"/{SITE}/~ld-1.0.dist-info", "stale"),
        ("/root/.cache/uv/archive-v0/abc/six-1.0.dist-info", "cache of uv"),
    ]
    assert inventory.environments[0].distributions == ()


def test_natives_belong_to_their_distribution(take_on: Take) -> None:
    inventory = take_on(distribution("fast", "1.0", files={"fast/_c.so": elf_binary(), "fast/__init__.py": b""}))
    native = inventory.environments[0].natives
    assert [(item.path, item.distribution) for item in native] == [
        (f"/{SITE}/fast/_c.so", f"/{SITE}/fast-1.0.dist-info")
    ]
    assert native[0].elf.machine == 62
    assert native[0].layer is not None
    assert native[0].layer.index == 2


UNREAD = "so whether this is an environment is not known"


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (Link("pyvenv.cfg"), f"it is a link that leads nowhere, {UNREAD}"),
        ("home = /usr/local/bin\n" + "#" * (1 << 20), f"it is too large to be read, {UNREAD}"),
    ],
)
def test_settings_that_cannot_be_read(settings: Content, why: str, take_on: Take) -> None:
    inventory = take_on({**distribution("six", "1"), "opt/venv/pyvenv.cfg": settings})
    assert inventory.environments[0].unchecked == (Unchecked("/opt/venv/pyvenv.cfg", why),)


def test_interpreters_that_link_to_each_other(take_on: Take) -> None:
    links = {"opt/venv/bin/python": Link("python3"), "opt/venv/bin/python3": Link("python")}
    inventory = take_on({**distribution("six", "1"), **links})
    why = "it is a link that leads nowhere, so whether Python starts there is not known"
    assert inventory.environments[0].unchecked == (Unchecked("/opt/venv/bin/python", why),)


@pytest.mark.parametrize("content", [Link("a.pth"), Link("/nowhere"), Link("/usr")])
def test_a_pth_that_python_cannot_open_adds_nothing(content: Content, take_on: Take) -> None:
    inventory = take_on({f"{SITE}/a.pth": content})
    assert inventory.environments[0].unchecked == ()
