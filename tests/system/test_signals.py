from __future__ import annotations

import os
import signal

import pytest

from nas.system.signals import SIGNALS, StopRequests


@pytest.mark.parametrize("number", SIGNALS)
def test_a_request_is_noted_a_second_one_ends_and_handlers_come_back(number: signal.Signals) -> None:
    before = [signal.getsignal(other) for other in SIGNALS]
    with StopRequests() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        with pytest.raises(KeyboardInterrupt) as second:
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt) as raised:
            stop.raise_interrupt()
    assert second.value.args == raised.value.args == (number,)
    assert [signal.getsignal(other) for other in SIGNALS] == before
