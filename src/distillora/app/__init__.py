"""The web app: classify texts, samples and files in the browser."""
