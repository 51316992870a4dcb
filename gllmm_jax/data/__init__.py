"""Photographs to train on: found, split, decoded, and cut into batches."""
