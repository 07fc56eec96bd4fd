"""Which resources the pipeline has, by AWS's names, in the order in which a tick meets them."""

from profiles.names import ResourceNames

NAMES = ResourceNames(
    queue="StockQueue",
    topic="StockAlerts",
    function="StockProcessor",
    role="StockPipelineLambdaRole",
    policy="StockPipelineLambdaPolicy",
    bucket="stock-data",
    workgroup="stock",
    database="stock_data",
)
