"""Leaves a model alone that keeps failing, and tries it again later: a circuit breaker for each model, and
one for each provider, which counts what every model of it would have failed with alike (`ModelError.whole_server`).

Closed, every call may go through. After `routing.circuit_failures` failures in a row it opens, and nothing is sent
for the cooling time. Then it is half open: one call goes through as a probe, and its end decides. Kept in memory: after
a restart every model gets its chance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec
import trio

from thane.config.routing import Routing
from thane.events.event import Publisher
from thane.models.provider import ModelError

type Key = tuple[str, str]
"""(provider, model)."""

type State = Literal["closed", "open", "half_open"]

_CLIENTS_FAULT = frozenset({400, 413, 422})  # of the request; another one may well succeed


class CircuitStatus(msgspec.Struct, frozen=True):
    """`model` is "" for that of a whole provider. `retry_in` are the seconds until it may be tried again."""

    provider: str
    model: str
    state: State
    failures: int
    error: str
    retry_in: float


def _whole(key: Key) -> Key:
    return key[0], ""


def _nobody(_provider: str) -> None:
    return


class _Circuit:
    def __init__(self) -> None:
        self.failures = 0
        self.error = ""
        self.opened = 0  # times in a row; the cooling doubles with each
        self.until: float | None = None
        self.probing = False


class Circuits:
    """The circuits of every model and provider that has failed. Times are trio's.

    `suspect` is told the name of a provider whose circuit opens, so that others may look at it too.
    """

    def __init__(
        self,
        settings: Routing,
        events: Publisher,
        *,
        clock: Callable[[], float] = trio.current_time,
        suspect: Callable[[str], object] = _nobody,
    ) -> None:
        self._settings = settings
        self._events = events
        self._now = clock
        self._suspect = suspect
        self._circuits: dict[Key, _Circuit] = {}

    def resting(self) -> dict[Key, str]:
        """The models, and as ("…", "") the providers, that may not be called now, each with the reason."""
        now = self._now()
        return {key: why for key, circuit in self._circuits.items() if (why := self._refusal(circuit, now))}

    def refusal(self, key: Key) -> str:
        """Why a model may not be called now, by itself or with its whole provider; "" when it may."""
        now = self._now()
        whole = self._circuits.get(_whole(key))
        if whole is not None and (why := self._refusal(whole, now)):
            return f"nothing of its provider {key[0]} can be used: {why}"
        circuit = self._circuits.get(key)
        return self._refusal(circuit, now) if circuit is not None else ""

    def allows(self, key: Key) -> bool:
        return not self.refusal(key)

    def began(self, key: Key) -> None:
        """A call goes out. Where a circuit is half open it is the probe."""
        for each in (key, _whole(key)):
            circuit = self._circuits.get(each)
            if circuit is not None and circuit.until is not None:
                circuit.probing = True

    def abandoned(self, key: Key) -> None:
        """A call was cancelled: it tells nothing."""
        for each in (key, _whole(key)):
            if (circuit := self._circuits.get(each)) is not None:
                circuit.probing = False

    def succeeded(self, key: Key) -> None:
        self._close(_whole(key))
        self._close(key)

    def _close(self, key: Key) -> None:
        circuit = self._circuits.pop(key, None)
        if circuit is not None and circuit.until is not None:
            self._events.publish("health", "circuit_closed", provider=key[0], model=key[1])

    def failed(self, key: Key, error: ModelError) -> None:
        """Count a failure. One that was the request's own fault says nothing of the model."""
        probes = {each for each in (key, _whole(key)) if (found := self._circuits.get(each)) and found.probing}
        self.abandoned(key)
        if error.whole_server:
            key = _whole(key)
        elif error.status is not None:
            self._close(_whole(key))  # it does answer
        if error.status in _CLIENTS_FAULT:
            return
        circuit = self._circuits.setdefault(key, _Circuit())
        circuit.failures += 1
        circuit.error = error.message
        was_probe = key in probes
        if not was_probe and circuit.failures < self._settings.circuit_failures:
            return
        if circuit.until is not None and not was_probe:
            return  # a call that began before it opened
        cooling = min(
            self._settings.circuit_cooling_seconds * 2.0 ** min(circuit.opened, 30),
            self._settings.circuit_cooling_limit_seconds,
        )
        circuit.opened += 1
        circuit.until = self._now() + cooling
        self._events.publish(
            "health",
            "circuit_opened",
            provider=key[0],
            model=key[1],
            failures=circuit.failures,
            error=error.message,
            retry_in_ms=round(cooling * 1000),
        )
        if error.whole_server:
            self._suspect(key[0])

    def provider_is_back(self, provider: str) -> None:
        """A provider answers again after it did not: its models may be tried without waiting any longer."""
        for (name, _), circuit in self._circuits.items():
            if name == provider and circuit.until is not None:
                circuit.until = min(circuit.until, self._now())

    def statuses(self) -> tuple[CircuitStatus, ...]:
        """Every model that has failed since it last answered."""
        now = self._now()
        return tuple(
            CircuitStatus(
                *key,
                state=self._state(circuit, now),
                failures=circuit.failures,
                error=circuit.error,
                retry_in=max(0.0, (circuit.until or now) - now),
            )
            for key, circuit in sorted(self._circuits.items())
        )

    def _state(self, circuit: _Circuit, now: float) -> State:
        if circuit.until is None:
            return "closed"
        return "open" if now < circuit.until else "half_open"

    def _refusal(self, circuit: _Circuit, now: float) -> str:
        state = self._state(circuit, now)
        times = f"it failed {circuit.failures} times in a row"
        if state == "open" and circuit.until is not None:
            return f"{times} and is tried again in {max(1, round(circuit.until - now))} s"
        if state == "half_open" and circuit.probing:
            return f"{times} and is being tried at this moment"
        return ""
