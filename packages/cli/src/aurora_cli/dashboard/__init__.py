"""The dashboard: the runs of a project as a local web page, watched and steered.

`access` lets nobody in without a token: one of the two of `aur dashboard`, or that of a session which `sign_in` has
opened for a user of the `provider`; `entrances` puts these together, and `visitors` says what each role may do. `app`
has the addresses, `pages` renders what `watch/` reads, `stream` pushes what has changed, and `actions` does what a
form asks for. `templates/` and `static/` hold the files of the page; nothing is loaded from elsewhere.
"""
