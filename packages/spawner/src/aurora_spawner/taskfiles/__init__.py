"""Task files: Markdown check lists, as people and spec tools write them.

`lines` finds the boxes. `settings` and `ids` read a task's settings and id. `kiro`, `speckit`, `ccsdd`, `openspec`
and `plain` are the known forms, and `order` turns their order into dependencies. `read` returns a `model.TaskFile`,
and `ticking` ticks its boxes.
"""
