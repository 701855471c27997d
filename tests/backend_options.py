"""What the contract suite builds each backend with, where the defaults are not enough or not all there is.

A case is a dict of options, or the name of a fixture (in tests/conftest.py) that yields one: a backend that needs a
service starts it there. A backend that is not listed is tested once, with its defaults.
"""

OPTIONS: dict[str, list[dict | str]] = {
    "aer": [{}, {"shots": 4000, "seed": 3}],
    "ibm": ["ibm_options"],
    "noisy": [{}, {"shots": 20_000, "seed": 3}],
    "pyqpanda": [{}, {"shots": 4000}],
    "qcloud": ["qcloud_options"],
}


def cases(names: list[str]) -> list[tuple[str, dict | str]]:
    """Every backend with every case of it."""
    return [(name, options) for name in names for options in OPTIONS.get(name, [{}])]
