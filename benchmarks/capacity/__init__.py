"""What a catalog or a partner of some size needs: measured a title, reckoned for many.

Belongs here: what is measured for it, prices of AWS beside the models', the page. Stays out: rates of the engine
(`benchmarks/engine.py`), of a quota (`benchmarks/quota.py`) and of partners (`benchmarks/partners`), which it takes.
"""
