"""The checks, a module for each subject. What is new is a function here and its line in `examination.CHECKS`."""
