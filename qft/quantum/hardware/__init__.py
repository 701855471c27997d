"""Circuits measured on a chip: its gates, what a run costs, and how nothing is paid for twice."""
