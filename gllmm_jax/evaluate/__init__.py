"""Measuring: real files, other codecs, curves and pictures of them."""
