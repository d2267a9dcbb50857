"""Instances that agents run on other machines: how agents are found and reached, and what is known of theirs."""
