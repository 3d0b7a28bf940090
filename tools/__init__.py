"""What the demo and the tests need around the packages."""
