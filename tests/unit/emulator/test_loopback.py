"""The loopback addresses of a machine."""

import socket

import pytest

from emulator import loopback


def test_a_machine_without_ipv6_has_one_loopback_address(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_ipv6(family: int = socket.AF_INET, *_: object) -> socket.socket:
        raise OSError("Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", no_ipv6)
    assert loopback.hosts.__wrapped__() == ("127.0.0.1",)
