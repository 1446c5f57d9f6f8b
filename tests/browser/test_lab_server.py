"""`make lab` listens on this computer only, and asks for its token."""

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import server

ROOT = Path(__file__).parents[2]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Takes the way to the log-in page for what it is: a refusal."""

    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def status(lab, path, *, token=None, data=None):
    """The HTTP status that the server gives for a path."""
    headers = {"Authorization": f"token {token}"} if token else {}
    url = f"http://127.0.0.1:{lab['port']}/{path}"
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with OPENER.open(request, timeout=60) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def answered(lab, token=None) -> list[str]:
    """The paths, among those that read files or run code, that are not refused."""
    asked = {"api/contents": None, "files/README.md": None, "api/terminals": b""}
    asked["api/kernels"] = json.dumps({"name": "python3"}).encode()
    return [
        p for p, data in asked.items() if status(lab, p, token=token, data=data) < 300
    ]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """What `make lab` starts, with this Python, on a free port, without a browser."""
    code = "import sys, tasks; tasks.open_lab(sys.executable, *sys.argv[1:])"
    arguments = ["--no-browser", f"--port={server.free_port()}"]
    command = [sys.executable, "-c", code, *arguments]
    home = tmp_path_factory.mktemp("lab") / "jupyter"
    with server.serving(command, home, cwd=ROOT / "tools") as info:
        yield info


def test_it_refuses_whoever_has_no_token(lab):
    assert len(lab["token"]) >= 32
    assert answered(lab) == []
    assert answered(lab, token="0" * 48) == []


def test_it_lets_in_whoever_has_the_token(lab):
    assert status(lab, "api/contents", token=lab["token"]) == 200
    assert status(lab, "files/README.md", token=lab["token"]) == 200


# ----------------------------------------------------- each check on a server with a hole


def test_a_server_without_a_token_is_caught(tmp_path):
    command = server.lab_command(tmp_path, "--IdentityProvider.token=")
    with server.serving(command, tmp_path / "jupyter") as info:
        assert answered(info) == ["api/contents"]
