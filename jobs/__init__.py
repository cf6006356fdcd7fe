"""Batch and streaming jobs, and the stores and contract they share with serving."""
