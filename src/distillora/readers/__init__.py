"""Reads rows from CSV, TSV, JSON Lines, Parquet, plain text, Arrow tables and DataFrames."""
