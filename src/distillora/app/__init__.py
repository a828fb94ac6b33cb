"""The web app: a model's reading of texts, of a sample and of files, in the browser."""
