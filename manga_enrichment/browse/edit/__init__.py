"""What editors do: who somebody is, and that it was they who pressed the button.

    identity ◄─ who_asks, door ─► known_keys      routes ─► form, genuine, fields, view

Belongs here: all that `browse` has beyond reading. Stays out: the store of corrections (`pipeline/labels/store.py`).
"""
