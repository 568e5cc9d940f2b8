"""The commands of `aur`, one module each; a module's `command` is its click command."""
