"""`docs/openapi.json`: the document, its answers, its examples."""
