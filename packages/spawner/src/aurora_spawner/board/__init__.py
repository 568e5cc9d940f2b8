"""The board of a run: what its agents and its user tell each other while they work.

`drafts` reads a request to post and refuses what is no post, `board` keeps the posts of a run and writes each down
before anybody sees it, `pages` cuts them into answers, and `digest` gives an agent those that concern it, as data in
its prompt.
"""
