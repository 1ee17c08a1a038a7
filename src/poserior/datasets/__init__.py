"""Files to `Sample`: one data set, one file."""
