"""The resident run: one process that receives partners' urgent requests and works at many of them at once."""
