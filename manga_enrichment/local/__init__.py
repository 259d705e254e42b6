"""The local stack: emulator, offline model server, sample catalog, demo. Nothing else imports it."""
