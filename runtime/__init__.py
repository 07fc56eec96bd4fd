"""What the functions of every pipeline share. It is zipped with each pipeline, and imports nothing of the other rooms.

From the outside in::

    function     a pipeline's handler, wired together
    batch        one SQS batch: which messages are stored and alerted, and which ones fail
    storage      records to objects in the bucket, each created once
    alerts       rules, and one alert per rule, group and window
    bucket       conditional writes
    deadline     the time until which an invocation may send requests
    contract     what a record is on the queue and in the bucket: parsing, encoding, keys
    fields       the field table of a record: types, rules, errors, SQL columns
    settings     the function's settings and environment variables
    log_events   what the function logs and measures, for its writers and readers
    clock        time
"""
