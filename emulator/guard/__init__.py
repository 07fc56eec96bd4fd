"""Who gets an answer: only the user's own clients on this host. Web pages of other sites are refused.

It stands in front of LocalStack (`runtime_server`), ministack (`asgi`) and the console (`asgi`), in their processes.
`rules` decides for all of them. It is installed beside LocalStack as the package `stockpipe_guard`, so it uses the
standard library only, except `runtime_server`, which uses LocalStack.
"""
