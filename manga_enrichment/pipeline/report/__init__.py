"""The report: gathered, drawn, put on a page."""
