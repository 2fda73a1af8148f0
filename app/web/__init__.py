"""The frame of the pages: layout, static files, filters, headers and errors."""
