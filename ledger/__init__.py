"""The arithmetic of the book.

Standard library only. Nothing here asks what time it is, reads a setting, or touches a database or
a network, so that anybody can check a book with Python and this folder alone.
"""
