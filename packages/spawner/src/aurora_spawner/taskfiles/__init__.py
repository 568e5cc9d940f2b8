"""Task files: check lists in Markdown, as people and spec tools write them.

`lines` finds the boxes, `settings` and `ids` read what a task says, `kiro`, `speckit`, `ccsdd`, `openspec` and
`plain` are the forms that are recognised, `order` is what they imply; `read` puts a `model.TaskFile` together, and
`ticking` ticks its boxes.
"""
