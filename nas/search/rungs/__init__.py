"""Decide after each rung which trials are promoted and which are stopped."""
