"""A corpus of pictures on many machines, by Ray Data: compress it, verify it, evaluate it.

    >>> import tempfile
    >>> from gllmm_jax import corpus
    >>> packed = corpus.Place(tempfile.mkdtemp())  # or corpus.Place("s3://bucket/folder")
    >>> packed.write("sub/notes.txt", b"whole or not at all")
    >>> packed.names()
    ['sub/notes.txt']
    >>> done = corpus.compress("photographs", packed.address, quality=50)  # doctest: +SKIP
    >>> print(done.pictures, done.bpp)  # doctest: +SKIP

Pictures are in a folder, in a bucket (any address that fsspec knows) or in the rows of Parquet files. Ray places one
codec on each accelerator, or on each core if there is none, and repeats the unfinished work of a lost machine. A run
leaves only whole files, and the next run of the same call finishes the rest. It needs the extra `ray`.
"""

from gllmm_jax.corpus.place import Place
from gllmm_jax.corpus.run import compress, evaluate, verify
from gllmm_jax.corpus.table import Summary

__all__ = ["Place", "Summary", "compress", "evaluate", "verify"]
