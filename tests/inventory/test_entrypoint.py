from __future__ import annotations

import pytest

from driftscan.errors import ImageError
from driftscan.model.lock import Unchecked
from tests.builders.installed import GLIBC_LOADER, distribution, elf_binary, interpreter, venv
from tests.builders.rootfs import Content, Link
from tests.inventory.conftest import Take

LOCAL = "usr/local/lib/python3.11/site-packages"
APP: dict[str, Content] = {
    **venv("srv/app/.venv"),
    **venv("srv/broken", home="nowhere"),
    **distribution("six", "1.0"),
    **distribution("six", "1.0", LOCAL),
    **distribution("six", "1.0", "srv/app/.venv/lib/python3.11/site-packages"),
    "opt/venv/bin/uvicorn": "#!/opt/venv/bin/python\n",
    "opt/venv/bin/long": "#!/bin/sh\n'''exec' \"/opt/venv/bin/python\" \"$0\" \"$@\"\n' '''\n",
    "opt/venv/bin/moved": "#!/bin/sh\n"
    "'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python' \"$0\" \"$@\"\n' '''\n",
    "opt/venv/bin/here": "#!/usr/bin/env python3\n",
    "opt/venv/bin/split": "#!/usr/bin/env -S python3 -u\n",
    "usr/bin/tini": elf_binary(GLIBC_LOADER),
    "usr/bin/caddy": elf_binary(GLIBC_LOADER),
    "entrypoint.sh": '#!/bin/sh\nset -e\nif [ "$1" = "x" ]; then\n  echo hi\nfi\nexec "$@"\n',
    "start.sh": "#!/usr/bin/env bash\nsource /opt/venv/bin/activate\npython manage.py migrate && \\\n  python -m app\n",
    "case.sh": '#!/bin/sh\ncase "$1" in\n  serve) exec /opt/venv/bin/uvicorn ;;  # it"s\n  *) exec "$@" ;;\nesac\n',
    "usr/bin/bash": elf_binary(GLIBC_LOADER),
}
VENV, LOCAL_PREFIX, PROJECT = "/opt/venv", "/usr/local", "/srv/app/.venv"
VENV_FIRST = "/opt/venv/bin:/usr/local/bin:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "path", "expected"),
    [
        ((), ("python", "app.py"), VENV_FIRST, VENV),
        ((), ("python", "app.py"), None, LOCAL_PREFIX),
        ((), ("/opt/venv/bin/python", "-m", "app"), None, VENV),
        (("python3.11",), ("-m", "gunicorn"), "/usr/local/bin", LOCAL_PREFIX),
        (("uvicorn",), ("app:app",), VENV_FIRST, VENV),
        (("/opt/venv/bin/long",), (), None, VENV),
        (("/opt/venv/bin/moved",), (), None, VENV),
        (("here",), (), VENV_FIRST, VENV),
        (("split",), (), VENV_FIRST, VENV),
        (("/opt/venv/bin/here",), (), None, LOCAL_PREFIX),
        ((), ("/bin/sh", "-c", "exec uvicorn app:app --port $PORT"), VENV_FIRST, VENV),
        ((), ("/bin/sh", "-c", "cd /srv && alembic upgrade head; /opt/venv/bin/uvicorn 'a; b'"), None, VENV),
        ((), ("/bin/bash", "-ec", "PATH=/opt/venv/bin:$PATH python -m app"), None, VENV),
        ((), ("/bin/sh", "-c", "export PATH=/opt/venv/bin:$PATH && python app.py | tee log"), None, VENV),
        ((), ("/bin/sh", "-c", ". /opt/venv/bin/activate; python app.py"), None, VENV),
        (("tini", "--"), ("/opt/venv/bin/uvicorn", "x"), None, VENV),
        (("tini", "-g", "-p", "KILL", "--", "env", "-u", "A", "B=1"), ("/opt/venv/bin/uvicorn",), None, VENV),
        (("dumb-init", "-r", "15:3"), ("/opt/venv/bin/uvicorn",), None, VENV),
        (("gosu", "app"), ("/opt/venv/bin/uvicorn",), None, VENV),
        (("/entrypoint.sh",), ("/opt/venv/bin/uvicorn", "app"), None, VENV),
        (("/entrypoint.sh",), ("python",), None, LOCAL_PREFIX),
        (("chpst", "-u", "app"), ("/opt/venv/bin/uvicorn",), None, VENV),
        (("setpriv", "--reuid=app", "--init-groups"), ("/opt/venv/bin/uvicorn",), None, VENV),
        (("/srv/broken/bin/python",), (), None, "/srv/broken"),
        (("sh", "/entrypoint.sh"), ("/opt/venv/bin/uvicorn", "app"), None, VENV),
        (("/start.sh",), (), None, VENV),
        (("bash", "start.sh"), (), None, VENV),
        (("uv", "run", "--no-sync", "uvicorn", "app"), (), None, PROJECT),
        (("uv", "run", "--group", "x", "uvicorn", "app"), (), None, PROJECT),
        (("poetry", "run", "python"), (), None, PROJECT),
        ((".venv/bin/python",), ("app.py",), None, PROJECT),
        (("/case.sh",), ("serve",), None, VENV),
    ],
)
def test_what_the_image_runs(
    take_on: Take, entrypoint: tuple[str, ...], cmd: tuple[str, ...], path: str | None, expected: str
) -> None:
    working_dir = "/srv/app" if expected == PROJECT else "/"
    env = {"PATH": path} if path else {}
    inventory = take_on(APP, entrypoint=entrypoint, cmd=cmd, env=env, working_dir=working_dir)
    assert inventory.default is not None
    chosen = inventory.environments[inventory.default]
    assert (chosen.path, inventory.unchecked) == (expected, ())
    assert chosen.chosen_because is not None
    assert chosen.chosen_because.startswith("the image runs `")
    assert all(found.chosen_because is None for found in inventory.environments if found is not chosen)


def test_the_reason_is_a_sentence(take_on: Take) -> None:
    inventory = take_on(APP, cmd=("uvicorn", "app:app"), env={"PATH": VENV_FIRST})
    assert inventory.environments[0].chosen_because == "the image runs `uvicorn app:app`, which /opt/venv serves"


@pytest.mark.parametrize(
    ("env", "because"),
    [
        ({"VIRTUAL_ENV": "/opt/venv"}, "VIRTUAL_ENV in the image's configuration names /opt/venv"),
        ({"PATH": VENV_FIRST}, "`python` on the image's PATH is the one of /opt/venv"),
    ],
)
@pytest.mark.parametrize("cmd", [("caddy", "run"), ("bash",), (), ("/bin/sh", "-c", "caddy run")])
def test_variables_decide_where_the_command_does_not(
    take_on: Take, env: dict[str, str], because: str, cmd: tuple[str, ...]
) -> None:
    inventory = take_on(APP, cmd=cmd, env=env)
    assert inventory.default is not None
    assert inventory.environments[inventory.default].chosen_because == because


def test_the_only_one_in_use_is_taken(take_on: Take) -> None:
    inventory = take_on({**distribution("six", "1.0"), **distribution("pip", "24.0", LOCAL)}, cmd=("bash",))
    assert inventory.default == 0
    assert (
        inventory.environments[0].chosen_because == "only /opt/venv holds distributions that the system did not install"
    )


def test_nothing_decides(take_on: Take) -> None:
    layer = {**distribution("six", "1.0"), **distribution("six", "1.0", "srv/v/lib/python3.11/site-packages")}
    inventory = take_on({**layer, **venv("srv/v")}, cmd=("bash",))
    assert inventory.default is None
    assert inventory.unchecked == (
        Unchecked(
            "which Python environment the image runs",
            "nothing in the image decides between /opt/venv, /srv/v, /usr/local; name one with --environment",
        ),
    )


@pytest.mark.parametrize("prefer", ["/opt/venv", "opt/venv/", "/srv/link", "/opt/venv/lib/python3.11/site-packages"])
def test_the_user_decides(take_on: Take, prefer: str) -> None:
    inventory = take_on({**APP, "srv/link": Link("/opt/venv")}, cmd=("python",), prefer=prefer)
    assert inventory.default is not None
    assert inventory.environments[inventory.default].path == VENV


def test_the_user_asks_for_what_is_not_there(take_on: Take) -> None:
    with pytest.raises(ImageError) as caught:
        take_on(prefer="/opt/other")
    assert str(caught.value) == "there is no Python environment at /opt/other"
    assert caught.value.hint == "the image holds /opt/venv, /usr/local"


@pytest.mark.parametrize("command", ["conda", "mamba", "micromamba", "/opt/conda/bin/conda"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-n", "shop"), "/opt/conda/envs/shop"),
        (("--no-capture-output", "--name", "shop"), "/opt/conda/envs/shop"),
        (("-p", "/opt/conda/envs/shop"), "/opt/conda/envs/shop"),
        ((), "/opt/conda"),
    ],
)
def test_conda_run(take_on: Take, command: str, options: tuple[str, ...], expected: str) -> None:
    layer = {
        **interpreter("opt/conda"),
        "opt/conda/conda-meta/history": "",
        **interpreter("opt/conda/envs/shop"),
        "opt/conda/envs/shop/conda-meta/history": "",
    }
    inventory = take_on(layer, entrypoint=(command, "run", *options, "python", "app.py"))
    assert inventory.default is not None
    assert inventory.environments[inventory.default].path == expected


@pytest.mark.parametrize("command", ["poetry", "pipenv"])
def test_a_project_environment_kept_elsewhere(take_on: Take, command: str) -> None:
    path = "root/.cache/pypoetry/virtualenvs/shop-Ab3_x-py3.11"
    inventory = take_on(venv(path), entrypoint=(command, "run", "python"), working_dir="/app")
    assert inventory.default is not None
    assert inventory.environments[inventory.default].path == f"/{path}"
    two = take_on(venv(path), venv(f"{path}-2"), entrypoint=(command, "run", "python"), working_dir="/app")
    assert two.default is not None
    assert two.environments[two.default].path == "/usr/local"


def test_scripts_that_call_each_other_end(take_on: Take) -> None:
    layer = {**APP, "a": "#!/bin/sh\nexec /b\n", "b": "#!/bin/sh\nexec /a\n"}
    inventory = take_on(layer, entrypoint=("/a",))
    assert inventory.default is not None
    because = inventory.environments[inventory.default].chosen_because
    assert because == "`python` on the image's PATH is the one of /usr/local"


def test_an_image_without_python() -> None:
    from driftscan.inventory import take
    from driftscan.model.image import ImageConfig
    from tests.builders.rootfs import rootfs

    inventory = take(rootfs({"etc/passwd": ""}), ImageConfig(), ())
    assert (inventory.default, inventory.environments) == (None, ())
    assert [unchecked.what for unchecked in inventory.unchecked] == ["the image's Python environment"]
