"""Stages of a night over a catalog of any size: CPU and memory of import, plan and write, each in a process of its own.

Belongs here: the stages (`stage.py`), sizes and the table of figures (`__main__.py`). Stays out: how long a real night
takes (`benchmarks/night/`).
"""
