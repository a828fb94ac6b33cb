"""Reading files of rows: CSV, TSV, JSON Lines, Parquet, plain text. Parquet needs pyarrow."""
