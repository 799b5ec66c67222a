"""What test_firewall_rulesets.py runs inside its namespaces: a host that answers, and a neighbour that asks.

`firewall_peer.py serve PORT…` echoes what comes to these TCP ports, and to UDP 3343, until its standard input ends.
`firewall_peer.py ask INTERFACE ADDRESS… -- PORT…` prints as JSON what came back: {"ADDRESS": {"445/tcp": true, …}, …}.
"""

from __future__ import annotations

import concurrent.futures
import json
import os
import socket
import struct
import sys
import threading

#: How long an answer may take. What is refused in silence takes as long; what is let in takes a millisecond.
PATIENCE = 5


def serve(ports: list[int]):
    def answer(connection):
        with connection:
            while data := connection.recv(64):
                connection.sendall(data)

    def accept(listener):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def echo(responder):
        while True:
            data, sender = responder.recvfrom(64)
            try:
                responder.sendto(data, sender)
            except OSError:  # its own firewall keeps the answer in
                pass

    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        for port in ports:
            listener = socket.create_server((any_address, port), family=family, backlog=64)
            threading.Thread(target=accept, args=(listener,), daemon=True).start()
        # An answer leaves from the address that was asked only where the socket has that address alone; the namespace has few.
        for address in own_addresses(family):
            responder = socket.socket(family, socket.SOCK_DGRAM)
            responder.bind(address)
            threading.Thread(target=echo, args=(responder,), daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


def own_addresses(family):
    """The addresses given on the command line's environment, with their scope."""
    for text in os.environ["ADDRESSES"].split():
        found = socket.getaddrinfo(text, 3343, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0]
        if found[0] == family:
            yield found[4]


def ask_tcp(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), PATIENCE) as connection:
            connection.sendall(b"cluster")
            return connection.recv(64) == b"cluster"
    except OSError:
        return False


def ask_udp(address: str, port: int) -> bool:
    family, kind, protocol, _, place = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as asker:
        asker.settimeout(PATIENCE)
        try:
            asker.connect(place)
            asker.send(b"cluster")
            return asker.recv(64) == b"cluster"
        except OSError:
            return False


def ask_echo(address: str) -> bool:
    family, _, _, _, place = socket.getaddrinfo(address, 0, type=socket.SOCK_DGRAM)[0]
    is_v6 = family == socket.AF_INET6
    protocol = socket.IPPROTO_ICMPV6 if is_v6 else socket.IPPROTO_ICMP
    with socket.socket(family, socket.SOCK_DGRAM, protocol) as asker:
        asker.settimeout(PATIENCE)
        try:
            asker.connect(place)
            asker.send(struct.pack("!BBHHH", 128 if is_v6 else 8, 0, 0, 0, 1) + b"cluster")
            return asker.recv(64)[0] == (129 if is_v6 else 0)
        except OSError:
            return False


def ask(addresses: list[str], ports: list[int]) -> dict:
    with concurrent.futures.ThreadPoolExecutor(len(addresses) * (len(ports) + 2)) as pool:
        found = {}
        for address in addresses:
            mine = found[address] = {f"{port}/tcp": pool.submit(ask_tcp, address, port) for port in ports}
            mine["3343/udp"] = pool.submit(ask_udp, address, 3343)
            mine["echo"] = pool.submit(ask_echo, address)
        return {address: {name: future.result() for name, future in mine.items()} for address, mine in found.items()}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve([int(port) for port in sys.argv[2:]])
    else:
        split = sys.argv.index("--")
        json.dump(ask(sys.argv[2:split], [int(port) for port in sys.argv[split + 1 :]]), sys.stdout)
