"""The fast tier of parse: from the bytes of a piece to typed Arrow columns, without a tree.

A tokenizer, compiled by Numba, walks a piece byte by byte. It proves that the piece is well-formed, and puts out where
the values of the feed's columns stand. It follows tables that ``machine`` fills as names and paths are first met: what
a name, a namespace or a path *means* is decided there, in Python, once; the compiled code only looks it up.

The tier gives exactly what the reference tier (lxml, ``plan``, ``walk``) gives, or nothing: a piece with anything
unusual in it is declined as a whole, and the reference tier takes it. So this package never says what is wrong with a
piece, and is free to be strict.
"""
