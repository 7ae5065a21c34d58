"""What our side of a signed order request costs, against `requests.Session.post`."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import requests

from adapters.http import HttpLane
from adapters.venues.binance_usdm.sign import signed
from core.secrets import Secret

CALLS = 1_500
ROUNDS = 3
HEADERS = {"X-MBX-APIKEY": "k" * 64, "Content-Type": "application/x-www-form-urlencoded"}
PARAMS = [
    ("symbol", "BTCUSDT"),
    ("side", "BUY"),
    ("positionSide", "LONG"),
    ("type", "LIMIT"),
    ("quantity", "0.1"),
    ("newClientOrderId", "host-bot-btc-00001234-0"),
    ("price", "62000"),
    ("timeInForce", "GTX"),
    ("newOrderRespType", "ACK"),
    ("recvWindow", "5000"),
    ("timestamp", "1790000000321"),
]
_SERVER = r"""
import socket
ANSWER = (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 400\r\n"
          b"X-MBX-USED-WEIGHT-1M: 12\r\nX-MBX-ORDER-COUNT-10S: 1\r\nX-MBX-ORDER-COUNT-1M: 1\r\n"
          b"Date: Fri, 20 Nov 2026 13:18:36 GMT\r\nServer: x\r\nConnection: keep-alive\r\n\r\n"
          + b"{" + b" " * 398 + b"}")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    held = b""
    while received := connection.recv(65536):
        held += received
        while b"\r\n\r\n" in held:
            head, _, rest = held.partition(b"\r\n\r\n")
            size = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    size = int(line[15:])
            if len(rest) < size:
                break
            held = rest[size:]
            connection.sendall(ANSWER)
"""


def _median_us(call: Callable[[], object]) -> float:
    """Return the best of some rounds' medians: others share the machine."""
    medians = []
    for _ in range(ROUNDS):
        times = []
        for _ in range(CALLS):
            started = time.perf_counter_ns()
            call()
            times.append(time.perf_counter_ns() - started)
        medians.append(statistics.median(times) / 1000)
    return min(medians)


def run() -> list[tuple[str, float, str, str]]:
    server = subprocess.Popen([sys.executable, "-c", _SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        return _measure(int(server.stdout.readline()))
    finally:
        server.kill()
        server.wait()


def _measure(port: int) -> list[tuple[str, float, str, str]]:
    base, secret = f"http://127.0.0.1:{port}", Secret("s" * 64)
    body = signed(secret, PARAMS)
    rows: list[tuple[str, float, str, str]] = []

    with socket.create_connection(("127.0.0.1", port)) as bare:
        bare.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST /fapi/v1/order HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        request = (head + body).encode()

        def exchange() -> None:
            bare.sendall(request)
            bare.recv(65536)

        floor = _median_us(exchange)
    rows.append(("bare socket round trip", floor, "µs", "loopback, another process"))

    http = HttpLane(base, connect_timeout_s=2, read_timeout_s=5, headers=HEADERS)
    lane = _median_us(lambda: http.request("POST", "/fapi/v1/order", body=body))
    http.close()
    rows.append(("HttpLane.request over that", lane - floor, "µs", "goal: about 150"))

    with requests.Session() as session:
        url = f"{base}/fapi/v1/order"
        post = _median_us(lambda: session.post(url, data=body, headers=HEADERS))
    rows.append(("Session.post over that", post - floor, "µs", "the plain way"))
    rows.append(("ratio", (post - floor) / (lane - floor), "×", "overheads"))
    rows.append(("sign and encode", _median_us(lambda: signed(secret, PARAMS)), "µs", ""))
    return rows


if __name__ == "__main__":
    for row in run():
        print(row)
