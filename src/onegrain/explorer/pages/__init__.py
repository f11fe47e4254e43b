"""Pages of the explorer: one file a page, each a query, a typed context and the function that fills it."""
