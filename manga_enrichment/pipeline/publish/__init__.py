"""What analysts read: the list of tables, its documentation, its Athena template."""
