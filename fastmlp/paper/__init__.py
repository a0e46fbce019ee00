"""Reproduction of the paper "Deep learning homework 1" (Matej Miočić): its figures, claims, and a report.

`figures` runs the study behind each of the three figures, `claims` compares the statements of the paper with the
results, and `report` writes figures, tables and verdicts as one HTML page.
"""
