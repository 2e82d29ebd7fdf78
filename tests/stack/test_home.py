"""The stack's folder: secrets that only their owner reads, ports that stay the same while they are free."""

import json
import socket
import stat

import pytest

from sluice.stack import home as home_module
from sluice.stack.home import HOST, Home, Secrets, StackError, any_free_port, choose_port, read_port


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "state", tmp_path)
    home.prepare()
    return home


def test_secrets_are_made_once_and_closed_to_others(home: Home):
    made = Secrets.of(home)

    assert Secrets.of(home) == made
    for path in home.passwords.parent.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(home.passwords.read_text()) == {"admin": made.ui_password}


def test_two_stacks_share_no_secret(home: Home, tmp_path):
    other = Home(tmp_path / "other", tmp_path)
    other.prepare()

    ours, theirs = Secrets.of(home), Secrets.of(other)

    assert not {getattr(ours, name) for name in ours.__slots__} & {getattr(theirs, name) for name in theirs.__slots__}


def test_others_may_pass_the_folder_but_read_nothing_in_it(home: Home):
    """PostgreSQL may run as another user below it."""
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o711
    for folder in (home.landing, home.work, home.logs, home.passwords.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_expected_port_is_taken_where_it_is_free(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(home_module.PREFERRED_PORTS, "ui", any_free_port())

    port = choose_port(home, "ui")

    assert port == home_module.PREFERRED_PORTS["ui"]
    assert read_port(home, "ui") == choose_port(home, "ui") == port


def test_a_busy_port_is_replaced_by_a_free_one_and_that_is_kept(home: Home, monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as busy:
        busy.bind((HOST, 0))
        busy.listen()
        monkeypatch.setitem(home_module.PREFERRED_PORTS, "ui", busy.getsockname()[1])

        port = choose_port(home, "ui")

        assert port != home_module.PREFERRED_PORTS["ui"]
        assert choose_port(home, "ui") == read_port(home, "ui") == port


def test_outside_a_checkout_the_stack_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(home_module, "__file__", str(tmp_path / "lib" / "python" / "sluice" / "stack" / "home.py"))

    with pytest.raises(StackError, match="checkout"):
        Home.find()
