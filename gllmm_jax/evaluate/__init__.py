"""Measurements: real files, other codecs, their curves and their figures."""
