"""Splits of a data set's judged queries that do not leak into each other."""

from crossfade.evaluation.splitting.allot import Allotment, allot
from crossfade.evaluation.splitting.groups import GroupBy, Groups, group_queries
from crossfade.evaluation.splitting.split import SplitReport, SplitSettings, split_dataset

__all__ = ["Allotment", "GroupBy", "Groups", "SplitReport", "SplitSettings", "allot", "group_queries", "split_dataset"]
