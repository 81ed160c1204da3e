"""Documents from files into a collection of the store: readers, checks, chunking, embedding, and a job that resumes."""

from crossfade.ingest.embedding import Cutter, EmbeddingCutter, GivenVectors
from crossfade.ingest.fields import FieldMapping
from crossfade.ingest.filling import FillReport, fill
from crossfade.ingest.job import IngestSettings, ingest
from crossfade.ingest.records import Place, Record, Reject
from crossfade.ingest.report import IngestReport, Progress
from crossfade.ingest.sources import Format, Source, open_source

__all__ = [
    "Cutter",
    "EmbeddingCutter",
    "FieldMapping",
    "FillReport",
    "Format",
    "GivenVectors",
    "IngestReport",
    "IngestSettings",
    "Place",
    "Progress",
    "Record",
    "Reject",
    "Source",
    "fill",
    "ingest",
    "open_source",
]
