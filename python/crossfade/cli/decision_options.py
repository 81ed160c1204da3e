"""Options of `crossfade compare` that declare a decision, and what is read for it before the work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crossfade.cli.progress import StageBars
    from crossfade.cli.writing import Job
    from crossfade.evaluation.dataset import Dataset, Rankings
    from crossfade.evaluation.decision.decide import Conditions, Decided
    from crossfade.evaluation.decision.protocol import Protocol

ProtocolOption = Annotated[
    Path | None,
    typer.Option("--protocol", help="Decide under this protocol (TOML), declared beforehand.", show_default=False),
]
DecisionOption = Annotated[
    Path | None, typer.Option("--decision", help="Write the decision's record as JSON.", show_default=False)
]
AlphaOption = Annotated[
    float | None, typer.Option("--alpha", help="Level of the decision, both verdicts together.", show_default=False)
]
SuperiorityOption = Annotated[
    float | None,
    typer.Option("--superiority-margin", help="What the true gain must lie above to ship.", show_default=False),
]
GuardOption = Annotated[
    list[str] | None,
    typer.Option(
        "--guard", metavar="[NAME:]DIR=MARGIN",
        help="A data set that must not degrade by MARGIN, named as its directory unless NAME is given; again for more.",
        show_default=False,
    ),
]  # fmt: skip
SliceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--slice-field", metavar="FIELD", help="Look at each value of a field of the queries; again for more.",
        show_default=False,
    ),
]  # fmt: skip
DiagnosisOption = Annotated[
    Path | None,
    typer.Option(
        "--diagnosis", help="A diagnosis of the base (JSON), to show why its queries failed as slices.",
        show_default=False,
    ),
]  # fmt: skip
LeastQueriesOption = Annotated[
    int | None, typer.Option("--least-queries", help="Fewer judged queries block a verdict.", show_default=False)
]
LeastJudgedOption = Annotated[
    float | None, typer.Option("--least-judged", help="A smaller Judged@10 blocks a verdict.", show_default=False)
]
LatencyOption = Annotated[
    float | None,
    typer.Option("--max-p99-ms", help="A longer p99 of the candidate's queries blocks.", show_default=False),
]
LeakageOption = Annotated[
    Path | None,
    typer.Option("--leakage", help="A leakage report (JSON); what it finds blocks.", show_default=False),
]
WaiveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--waive", metavar="NAME=REASON", help="Let slice:NAME, guard:NAME or a gate fail; again for more.",
        show_default=False,
    ),
]  # fmt: skip
PriceOption = Annotated[
    float | None,
    typer.Option("--price-cpu-hour", help="Price of a CPU core's hour, to say what queries cost.", show_default=False),
]
PoolOption = Annotated[
    Path | None,
    typer.Option("--pool", help="Write unjudged results of the top k as JSON lines, to judge.", show_default=False),
]
BaseRunOption = Annotated[
    Path | None, typer.Option("--base-run-out", help="Write the base's rankings as a TREC run.", show_default=False)
]
CandidateRunOption = Annotated[
    Path | None,
    typer.Option("--candidate-run-out", help="Write the candidate's rankings as a TREC run.", show_default=False),
]
BaselineOption = Annotated[
    Path | None,
    typer.Option(
        "--baseline", help="The base as evaluate --json recorded it, in the place of --base.", show_default=False
    ),
]
BaselineRunOption = Annotated[
    Path | None,
    typer.Option("--baseline-run", help="The rankings of it, as evaluate --run-out wrote them.", show_default=False),
]


@dataclass(frozen=True, slots=True)
class DecisionOptions:
    """As they were given."""

    protocol: Path | None
    decision: Path | None
    alpha: float | None
    superiority_margin: float | None
    guards: Sequence[str]
    slice_fields: Sequence[str]
    diagnosis: Path | None
    least_queries: int | None
    least_judged: float | None
    max_p99_ms: float | None
    leakage: Path | None
    waivers: Sequence[str]
    price_cpu_hour: float | None
    pool: Path | None
    base_run: Path | None
    candidate_run: Path | None
    baseline: Path | None
    baseline_run: Path | None

    @property
    def wanted(self) -> bool:
        """Whether there is anything to decide beyond the simple verdict."""
        return any(getattr(self, field.name) not in (None, [], ()) for field in fields(self))

    def check_base(self, base: Path | None) -> None:
        """Raises InvalidInput when the base is given twice, or by half."""
        from crossfade.errors import InvalidInput

        if (self.baseline is None) != (self.baseline_run is None):
            raise InvalidInput("--baseline and --baseline-run go together: give both, or --base")
        if self.baseline is not None and base is not None:
            raise InvalidInput("--base and --baseline both name the base: give the model, or the record of it")

    def outputs(self) -> dict[str, Path | None]:
        """Option to its file."""
        return {
            "--decision": self.decision,
            "--pool": self.pool,
            "--base-run-out": self.base_run,
            "--candidate-run-out": self.candidate_run,
        }

    def inputs(self, protocol: Protocol | None) -> list[tuple[str, Path | None]]:
        """Option and path of all that is read for a decision, the protocol's guard sets and slices among it."""
        from crossfade.cli.output import dataset_inputs

        given: list[tuple[str, Path | None]] = [
            ("--protocol", self.protocol),
            ("--leakage", self.leakage),
            ("--diagnosis", self.diagnosis),
            ("--baseline", self.baseline),
            ("--baseline-run", self.baseline_run),
        ]
        if protocol is None:
            return given
        folder = self._folder()
        places = self._guard_places()
        for guard in protocol.guards:
            given += dataset_inputs(f"guard set {guard.name}", places.get(guard.name, folder / guard.dataset))
        if protocol.diagnosis:
            given.append(("diagnosis of the protocol", folder / protocol.diagnosis))
        given += [(f"slice {rule.name}", folder / rule.file) for rule in protocol.slices if rule.file]
        return given

    def _folder(self) -> Path:
        """What a protocol file's places are relative to."""
        return self.protocol.parent if self.protocol is not None else Path()

    def _guard_places(self) -> dict[str, Path]:
        """Of the command line, by name."""
        return {name: Path(place) for name, place, _ in map(_guard, self.guards)}

    def declared(self, measures: Sequence[str], seed: int) -> Protocol:
        """The file's protocol with what the options say instead. Raises InvalidInput."""
        from crossfade.evaluation.decision.causes import ALL
        from crossfade.evaluation.decision.protocol import GuardSet, Prices, Protocol, SliceRule
        from crossfade.evaluation.decision.protocol_file import read_protocol, with_waivers

        found = Protocol(primary=measures[0], seed=seed) if self.protocol is None else read_protocol(self.protocol)
        given: dict[str, Any] = {"alpha": self.alpha, "superiority_margin": self.superiority_margin}
        gates: dict[str, Any] = {
            "least_queries": self.least_queries,
            "least_judged": self.least_judged,
            "latency_p99_ms": self.max_p99_ms,
        }
        guards = [GuardSet(name, place, margin) for name, place, margin in map(_guard, self.guards)]
        slices = [SliceRule(field, field=field) for field in self.slice_fields]
        if (self.diagnosis is not None or found.diagnosis) and not any(rule.cause for rule in found.slices):
            slices.append(SliceRule("cause", cause=ALL, require="nothing"))
        prices = found.prices
        if self.price_cpu_hour is not None:
            prices = replace(prices or Prices(), cpu_hour=self.price_cpu_hour)
        whole = replace(
            found,
            **_said(given),
            gates=replace(found.gates, **_said(gates)),
            guards=[*found.guards, *guards],
            slices=[*found.slices, *slices],
            prices=prices,
        )
        return replace(whole, waivers=with_waivers(whole, self.waivers))

    def conditions(
        self,
        protocol: Protocol,
        data: Dataset,
        directory: Path,
        cache: Path | None,
        measures: Sequence[str],
        bars: StageBars,
    ) -> Conditions:
        """Reads guard sets, the leakage report, the diagnosis and the baseline. Raises DataError."""
        from crossfade.evaluation.beir import read_beir
        from crossfade.evaluation.decision.baseline import read_baseline
        from crossfade.evaluation.decision.decide import Conditions
        from crossfade.evaluation.decision.diagnosis import read_diagnosis
        from crossfade.evaluation.decision.leakage import read_leakage

        folder, given = self._folder(), self._guard_places()
        guards = {}
        for guard in protocol.guards:
            # A file's places are relative to it, those of the command line to where it is given.
            place = given.get(guard.name, folder / guard.dataset)
            guards[guard.name] = read_beir(place, guard.split, progress=bars), place
        diagnosis = self.diagnosis or (folder / protocol.diagnosis if protocol.diagnosis else None)
        return Conditions(
            directory=directory,
            folder=folder,
            guards=guards,
            leakage=None if self.leakage is None else read_leakage(self.leakage),
            diagnosis=None if diagnosis is None else read_diagnosis(diagnosis),
            files={
                name: path
                for name, path in {"protocol": self.protocol, "baseline": self.baseline}.items()
                if path is not None
            },
            cache=cache,
            baseline=None
            if self.baseline is None or self.baseline_run is None
            else read_baseline(self.baseline, self.baseline_run, data, measures),
        )

    def jobs(self, data: Dataset, decided: Decided) -> list[Job]:
        """The files that were asked for."""
        from crossfade.cli.output import write_json_lines
        from crossfade.cli.writing import Job
        from crossfade.evaluation.decision.judged import pool_to_judge
        from crossfade.evaluation.decision.record import write_record
        from crossfade.evaluation.trec import write_run

        base, candidate = decided.base.run, decided.candidate.run
        jobs: list[Job] = []
        if (decision := self.decision) is not None:
            jobs.append(Job(1, lambda _: write_record(decision, decided.record.to_json())))

        def rankings(path: Path, run: Rankings) -> Job:
            return Job(3, lambda tell: write_run(path, run, tell=tell))

        places = ((self.base_run, base), (self.candidate_run, candidate))
        jobs += [rankings(path, run) for path, run in places if path is not None]
        if (pool := self.pool) is not None:
            k = decided.record.protocol.gates.judged_at
            jobs.append(Job(4, lambda tell: write_json_lines(pool, pool_to_judge(data, base, candidate, k, tell=tell))))
        return jobs


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _guard(text: str) -> tuple[str, str, float]:
    """Name, directory and margin."""
    from crossfade.errors import InvalidInput

    place, _, margin = text.rpartition("=")
    # No guard set's name holds ":", and a directory that does can be given as ./a:b.
    name, colon, rest = place.partition(":")
    named = bool(colon) and "/" not in name
    try:
        if not place or (named and not (name and rest)):
            raise ValueError(text)
        return (name, rest, float(margin)) if named else (Path(place).resolve().name, place, float(margin))
    except ValueError:
        raise InvalidInput(
            f"--guard {text!r}: expected DIR=MARGIN or NAME:DIR=MARGIN, such as data/general=0.01"
        ) from None
