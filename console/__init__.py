"""What is happening right now? The live page: `stockpipe console`. The modules, from the outside in::

cli          the command
app          the server: one refresher, any number of tabs, on loopback
guard        only this machine's own pages may talk to it
page         the page's parts in their places; panels/ has the parts, style.css their looks
charts       what is shown → options of the charts
text         numbers and times in words
actions      what the page can do besides looking
refresher    the one loop: it reads what is due, and keeps the model; `stockpipe demo` shows the same model
model        what is known, and how it is read, through AWS APIs
series       records, counters and their course over time, as plain values
listing      which records are new, and which of them to read
calls        what looking costs
"""
