"""What is happening right now? The live page: `stockpipe console`. The modules, from the outside in::

cli          the command
app          the server: one refresher, any number of tabs, on loopback
guard        only this machine's own pages may talk to it
page         the page's parts in their places; panels/ has the parts, style.css their looks
charts       what is shown → options of the charts
text         numbers and times in words
actions      sending a record that a person has typed
refresher    the one loop: it reads what is due, and keeps the model
model        what is known, as plain values
sources      all that is read, through AWS APIs
listing      new records, with few LIST calls
reading      which of the found objects are worth reading
calls        what looking costs
"""
