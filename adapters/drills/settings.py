"""The configuration that a drill runs with: the user's limits and bots, a place of its own."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from core.config import Alerts, Config, Metrics, Paths

__all__ = ["for_drill"]

_SPEED = 4.0
"""Of the market: faster, the shipped grid uses up a minute's orders before the drill is over."""


def for_drill(config: Config, folder: Path) -> Config:
    """Return the configuration for one drill in `folder`.

    Bots, risk limits and what is kept of them are the user's. Mode, exchange and folders are the
    drill's own. Waits are shortened where they are longer than a drill: what is tried is that the
    host keeps its deadlines, not how long they are.
    """
    execution, risk, supervision = config.execution, config.risk, config.supervision
    venue = config.venues.binance
    return evolve(
        config,
        mode="paper",
        paths=Paths(state=str(folder / "state"), logs=str(folder / "logs")),
        alerts=Alerts(),  # nobody is told of what is only a drill
        paper=evolve(
            config.paper,
            market="synthetic",
            files=(),
            speed=_SPEED,
            exchange="",
            key_env="",
            secret_env="",
        ),
        venues=evolve(
            config.venues,
            binance=evolve(
                venue,
                key_env="",
                secret_env="",
                connect_timeout_ms=min(venue.connect_timeout_ms, 500),
                read_timeout_ms=min(venue.read_timeout_ms, 1_000),
                recv_window_ms=min(venue.recv_window_ms, 1_000),
                stream_silence_ms=min(venue.stream_silence_ms, 2_000),
            ),
        ),
        market=evolve(
            config.market,
            stale_after_ms=min(config.market.stale_after_ms, 2_000),
            reconcile_every_s=min(config.market.reconcile_every_s, 2.0),
        ),
        execution=evolve(
            execution,
            max_order_age_ms=min(execution.max_order_age_ms, 1_000),
            unknown_first_query_ms=min(execution.unknown_first_query_ms, 100),
            unknown_max_query_ms=min(execution.unknown_max_query_ms, 500),
            protect_within_s=min(execution.protect_within_s, 3.0),
        ),
        risk=evolve(
            risk,
            guards=evolve(risk.guards, flash_pause_s=min(risk.guards.flash_pause_s, 3.0)),
            breaker=evolve(risk.breaker, open_s=min(risk.breaker.open_s, 2.0)),
        ),
        supervision=evolve(
            supervision,
            max_restarts=max(supervision.max_restarts, 5),
            window_s=max(supervision.window_s, 60.0),
            backoff_initial_ms=min(supervision.backoff_initial_ms, 100),
            backoff_max_ms=min(supervision.backoff_max_ms, 1_000),
            busy_deadline_s=min(supervision.busy_deadline_s, 2.0),
        ),
        console=evolve(config.console, refresh_ms=min(config.console.refresh_ms, 250)),
        logs=evolve(config.logs, level="info"),
        metrics=Metrics(listen=""),  # the port belongs to the host that may run beside it
    )
