"""Exact top-K scoring, smaller forms of vectors, late interaction: the door to the Rust kernels."""

from crossfade.kernels.arrays import instruction_set
from crossfade.kernels.late import max_sim
from crossfade.kernels.quantised import Quantised, QuantisedType, quantise
from crossfade.kernels.search import Metric, TopK, rescore, top_k, top_k_rescored

__all__ = [
    "Metric",
    "Quantised",
    "QuantisedType",
    "TopK",
    "instruction_set",
    "max_sim",
    "quantise",
    "rescore",
    "top_k",
    "top_k_rescored",
]
