"""Tests, folder for folder as in the package. A package itself so that tests can import the fakes."""
