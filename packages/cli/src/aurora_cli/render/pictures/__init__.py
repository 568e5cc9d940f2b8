"""Pictures of runs: the graph of the tasks and the timeline, as SVG or as an HTML page, each one file by itself."""
