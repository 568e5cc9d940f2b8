"""The MCP server: memory, plans and runs of a project as tools for any MCP client.

`server` puts it together, and `agent_server` the one that an agent of a run gets. `memory_tools`, `plan_tools`,
`run_tools`, `board_tools` and `approval_tools` are the tools, `documents` their results, `task_handles` the tasks
extension, and `http` the service on loopback.
"""
