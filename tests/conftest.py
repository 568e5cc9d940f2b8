"""What holds for all tests."""

import signal

from hypothesis import HealthCheck, settings

# How long an example takes, or its making, says something about the machine and not about the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# Under `nohup`, or in the background of a script, this process has them ignored, and so would all that it starts; but
# tests send them.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
