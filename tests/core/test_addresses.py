"""Addresses to listen on are read strictly: what is doubtful is none."""

from __future__ import annotations

import pytest

from core.addresses import Address, read


@pytest.mark.parametrize(
    ("written", "host", "port", "loopback"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464, True),
        ("127.9.9.9:0", "127.9.9.9", 0, True),
        ("localhost:65535", "127.0.0.1", 65535, True),
        ("[::1]:9464", "::1", 9464, True),
        ("0.0.0.0:9464", "0.0.0.0", 9464, False),
        ("[::]:9464", "::", 9464, False),
        ("10.0.0.7:9464", "10.0.0.7", 9464, False),
    ],
)
def test_an_address_is_read_and_known_for_whom_it_reaches(
    written: str, host: str, port: int, loopback: bool
):
    found = read(written)

    assert found == Address(host, port)
    assert found.is_loopback is loopback
    assert read(str(found)) == found


@pytest.mark.parametrize(
    "written",
    [
        "", ":9464", "9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
        "127.0.0.1:port", "1.2.3:4", "01.2.3.4:5", "::1:5", "[1.2.3.4]:5", "[::1]", "[]:5",
        "example.org:80", "http://127.0.0.1:80", "127.0.0.1:80/", " 127.0.0.1:80", "127.0.0.1:80\n",
        "127.0.0.1:٤", "[fe80::1%eth0]:80",
    ],
)  # fmt: skip
def test_anything_else_is_none(written: str):
    assert read(written) is None
