"""Quantising: a bundle in float32 -> the same model, smaller and faster, as a bundle of its own."""

from crossfade.models.quantising.quantiser import QUANTISED, quantise

__all__ = ["QUANTISED", "quantise"]
