"""A runtime executor for LocalStack: every Lambda execution environment is a local process, no Docker involved.

Read in this order: `executor` (what LocalStack asks for), `sandbox` (the life of one execution environment),
`runtime` (one process and its channels), `runtime_api` (what AWS's runtime client talks to), `reaper` (why nothing is
left behind).
Only `executor` and `plugin` import LocalStack.
"""
