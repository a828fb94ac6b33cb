"""The HTTP service: classify over HTTP, with the request shapes of programs that exist already."""
