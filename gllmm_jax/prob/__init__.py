"""Formulas: distributions, mixtures, quantisation, integer tables. No parameters, no files."""
