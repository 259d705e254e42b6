"""Trials of prompts and models."""
