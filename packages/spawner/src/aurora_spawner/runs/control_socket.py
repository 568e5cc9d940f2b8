"""The name of a coordinator's socket, for its server and for its clients, which need nothing else of a run."""

from typing import Final

SOCKET_NAME: Final = "control.sock"
"""Within the run's folder."""
