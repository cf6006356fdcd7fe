"""Bring a log file here: fetch and unpack it, and see from its head whether it is as said."""
