"""Clients of quantum clouds, one file a vendor."""
