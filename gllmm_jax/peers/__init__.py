"""Other codecs, each a few lines over a maintained library, behind one table; and curves that others published."""
