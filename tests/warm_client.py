"""Stands for a Python program that a fork of the tests' fork server runs: gives it its streams, and ends as it ends.

    python -I -S warm_client.py ADDRESS INTERPRETER -I -c SOURCE ARGUMENT…

When this process is killed, the fork is killed. Where the fork server cannot be reached, as in a sandbox, the program
is started as it is. It imports only what an interpreter has built in, since its start is what is saved.
"""

import _socket
import marshal
import os
import sys


def main() -> None:
    address, *command = sys.argv[1:]
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        server.connect(f"\0{address}")
    except OSError:
        os.execv(command[0], command)
    order = {"words": command[1:], "cwd": os.getcwd(), "environ": dict(os.environ)}  # noqa: PTH109 - no imports
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
    server.sendmsg([marshal.dumps(order)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
    status = os.waitstatus_to_exitcode(int(server.recv(64) or 9))
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


main()
