"""What a user sets once instead of on every command line: from files and variables to values, each with its place."""
