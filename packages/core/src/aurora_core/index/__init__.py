"""The inverted index: postings in segments, and their scores."""
