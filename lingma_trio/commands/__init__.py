"""The sub-commands, a module for each. They parse, delegate and print."""
