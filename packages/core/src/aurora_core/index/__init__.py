"""The inverted index: postings in segments, and what they score."""
