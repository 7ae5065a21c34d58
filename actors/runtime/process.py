"""Settings of the trading process that the runtime's latency depends on."""

import gc
import sys


def tune_process(switch_interval_s: float = 0.0001) -> None:
    """Call once everything is built: take it out of garbage collection, switch threads sooner.

    Measured: four thread hops beside two CPU-bound threads take 52 ms at the interpreter's default
    switch interval of 5 ms, and 1.3 ms at 0.1 ms.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(switch_interval_s)
