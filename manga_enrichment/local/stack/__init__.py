"""The stack on loopback: emulator, offline model server, callback receiver."""
