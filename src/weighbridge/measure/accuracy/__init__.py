"""Predicted against measured: every published row that the project carries, beside our answer.

A file for each set of rows: how a row becomes a question, and which part of the answer is its
quantity. ``figures`` puts all of them into one shape; ``report`` sums them up.
"""
