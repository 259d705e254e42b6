"""Trying a model or a prompt before it is paid for: whom to ask, and what the answers say.

sampling.py     which titles stand for the catalog
fields.py       how alike two values of a column are
intervals.py    a share or a mean, and how far it may be off
comparison.py   two sets of answers: agreement, confusion, where they differ most
pareto.py       which candidates nothing beats in everything
"""
