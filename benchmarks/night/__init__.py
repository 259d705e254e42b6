"""A real night beside an earlier commit's, step by step.

Belongs here: its nights (`__main__.py`), who took what meanwhile (`watch.py`), what that comes to by stage
(`stages.py`). Stays out: the site, its console and its processes (`benchmarks/partners/`).
"""
