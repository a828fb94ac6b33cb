"""Scoring files: CSV, TSV, JSON Lines, Parquet and plain text, streamed and resumable."""

from distillora.inference.bulk.added_columns import ALL_SCORES as ALL_SCORES
from distillora.inference.bulk.added_columns import DEFAULT_COLUMNS as DEFAULT_COLUMNS
from distillora.inference.bulk.score import Summary as Summary
from distillora.inference.bulk.score import score_file as score_file
from distillora.readers.file_formats import FORMATS as FORMATS
from distillora.readers.file_formats import Format as Format
from distillora.readers.rows import shown as shown
