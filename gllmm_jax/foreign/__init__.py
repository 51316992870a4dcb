"""Weights that were trained elsewhere: their files, read without the programs that wrote them."""
