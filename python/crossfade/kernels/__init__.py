"""Exact and approximate top-K, smaller forms of vectors, late interaction: the door to the Rust kernels."""

from crossfade.kernels.arrays import instruction_set
from crossfade.kernels.graph import (
    PLANS,
    Effort,
    Graph,
    GraphFacts,
    GraphForm,
    GraphPlan,
    GraphTopK,
    build_graph,
    open_graph,
)
from crossfade.kernels.late import max_sim
from crossfade.kernels.quantised import Quantised, QuantisedType, quantise
from crossfade.kernels.search import Metric, TopK, rescore, top_k, top_k_rescored

__all__ = [
    "PLANS",
    "Effort",
    "Graph",
    "GraphFacts",
    "GraphForm",
    "GraphPlan",
    "GraphTopK",
    "Metric",
    "Quantised",
    "QuantisedType",
    "TopK",
    "build_graph",
    "instruction_set",
    "max_sim",
    "open_graph",
    "quantise",
    "rescore",
    "top_k",
    "top_k_rescored",
]
