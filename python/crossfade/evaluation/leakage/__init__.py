"""Training data held against evaluation data: what of it is the same, or nearly, and whether that blocks a decision."""

from crossfade.evaluation.leakage.fields import FieldNames
from crossfade.evaluation.leakage.gate import gate
from crossfade.evaluation.leakage.results import Example, FileSummary, LeakageReport, PairCounts
from crossfade.evaluation.leakage.scan import find_leakage
from crossfade.evaluation.leakage.settings import COUNTED, PAIRS, LeakageSettings

__all__ = [
    "COUNTED", "PAIRS", "Example", "FieldNames", "FileSummary", "LeakageReport", "LeakageSettings", "PairCounts",
    "find_leakage", "gate",
]  # fmt: skip
