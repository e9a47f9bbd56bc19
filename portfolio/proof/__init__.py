"""Proofs of the book: the tree over all pages, its checkpoints, and what shows that nothing was changed."""
