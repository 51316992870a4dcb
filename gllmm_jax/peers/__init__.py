"""Other codecs: each a few lines over a library that is kept, behind one table; and curves that others published."""
