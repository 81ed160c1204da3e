"""How long it will take still: a pure function of what was planned, what was reported and a clock.

Every stage is planned with the seconds that a probe says. While one runs, what it took so far takes the plan's place,
more and more within its first quarter of a minute, or of itself. What is learnt of one stage corrects all of its kind
that are still to come, as the other model's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_TRUST = 15.0
"""Seconds after which a stage's own pace counts for all, and what was planned for nothing; or a quarter of it."""


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """`name`: as progress is told of it. `of`: which side or data set. `seconds`: planned; None: not known before it
    runs. `work`, `unit`: how much of what. `kind`: stages of one kind err alike. `done_before`: the share that need not
    be done. `curve`: at equal steps of what is reported as done, from 0 to 1, the share of the time that is gone;
    empty: as much.
    """

    name: str
    of: str
    seconds: float | None
    work: int = 0
    unit: str = ""
    kind: str = ""
    curve: Sequence[float] = ()
    done_before: float = 0.0

    def share(self, done: int, total: int) -> float:
        """The share of the stage's time that is gone, 0 to 1, when so much is reported as done."""
        reported = min(max(done / total, 0.0), 1.0) if total > 0 else 1.0
        if len(self.curve) < 2:
            gone, before = reported, self.done_before
        else:
            gone, before = self._at(reported), self._at(self.done_before)
        return min(max((gone - before) / (1 - before), 0.0), 1.0) if before < 1 else 1.0

    def _at(self, reported: float) -> float:
        place = reported * (len(self.curve) - 1)
        low = min(int(place), len(self.curve) - 2)
        return self.curve[low] + (self.curve[low + 1] - self.curve[low]) * (place - low)


@dataclass(slots=True)
class _Running:
    place: int
    since: float
    share: float = 0.0


@dataclass(slots=True)
class Forecast:
    """Takes reports of progress (`stage, done, total`) in the order of the plan. A stage that is never reported counts
    as done when a later one begins; one that is not in the plan counts for nothing.
    """

    stages: Sequence[PlannedStage]
    clock: Callable[[], float] = time.monotonic
    taken: dict[int, float] = field(default_factory=dict)
    _begun: float = 0.0
    _now: _Running | None = None
    _since: float = 0.0
    _next: int = 0

    def __post_init__(self) -> None:
        self._begun = self._since = self.clock()

    def __call__(self, name: str, done: int, total: int) -> None:
        now = self.clock()
        if self._now is None or self.stages[self._now.place].name != name:
            found = next((at for at in range(self._next, len(self.stages)) if self.stages[at].name == name), None)
            if found is None:
                return
            # What went before it and was not told of is part of it: loading, compiling, the first of everything.
            self._now, self._next = _Running(found, self._since), found + 1
        self._now.share = self.stages[self._now.place].share(done, total)
        if done >= total:
            self.taken[self._now.place] = now - self._now.since
            self._now, self._since = None, now

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return self.clock() - self._begun

    @property
    def running(self) -> PlannedStage | None:
        """The stage that was reported last and has not ended."""
        return None if self._now is None else self.stages[self._now.place]

    def remaining(self) -> float:
        """Seconds that all stages will take still, as far as they are known."""
        found = 0.0
        pace = self._pace()
        if self._now is not None:
            found += self._whole(pace) * (1 - self._now.share)
        for stage in self.stages[self._next :]:
            found += (stage.seconds or 0.0) * pace.get(stage.kind, 1.0)
        return found

    def total(self) -> float:
        """Seconds from the beginning to the end."""
        return self.elapsed + self.remaining()

    def to_json(self) -> list[dict[str, Any]]:
        """The stages, planned and as they were."""
        return [
            {
                "stage": stage.name,
                "of": stage.of,
                "work": stage.work,
                "unit": stage.unit,
                "seconds_planned": stage.seconds,
                "seconds": self.taken.get(place),
            }
            for place, stage in enumerate(self.stages)
        ]

    def _whole(self, pace: dict[str, float]) -> float:
        """Seconds of the running stage, from its beginning to its end."""
        running = self._now
        if running is None:
            return 0.0
        stage, spent = self.stages[running.place], self.clock() - running.since
        planned = None if stage.seconds is None else stage.seconds * pace.get(stage.kind, 1.0)
        if running.share <= 0:
            return max(planned or 0.0, spent)
        seen = spent / running.share
        if planned is None:
            return seen
        trust = min(max(spent / _TRUST, running.share * 4), 1.0)
        return trust * seen + (1 - trust) * planned

    def _pace(self) -> dict[str, float]:
        """How many times longer than planned stages of a kind take: of those that have ended, and the running one."""
        planned: dict[str, float] = {}
        found: dict[str, float] = {}
        for place, seconds in self.taken.items():
            stage = self.stages[place]
            if stage.seconds:
                planned[stage.kind] = planned.get(stage.kind, 0.0) + stage.seconds
                found[stage.kind] = found.get(stage.kind, 0.0) + seconds
        ended = {kind: found[kind] / planned[kind] for kind in planned}
        running = self._now
        if running is not None and (stage := self.stages[running.place]).seconds and running.share > 0:
            whole = self._whole(ended)
            planned[stage.kind] = planned.get(stage.kind, 0.0) + stage.seconds
            found[stage.kind] = found.get(stage.kind, 0.0) + whole
            ended[stage.kind] = found[stage.kind] / planned[stage.kind]
        return ended
