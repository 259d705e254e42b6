"""The model over HTTP: calls, batch jobs, the documents of Converse and of Claude, signatures."""
