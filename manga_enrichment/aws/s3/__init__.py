"""Objects on S3: results and tables, the catalog's source, tables as datasets."""
