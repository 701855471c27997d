"""Where the rows of a set come from: a local file or directory, or a hub; only the wanted ones are read."""

from collections.abc import Iterator, Mapping

from qft.data.files import located
from qft.data.hub import HUBS, hub_rows
from qft.data.rows import SUFFIXES, Row, numbered, row_files
from qft.errors import QftError, nearest


def open_rows(
    name: str,
    path: str | None,
    hub: str | None,
    repository: str | None,
    repositories: Mapping[str, str],
    wanted: tuple[range, ...],
    folder: str | None = None,
) -> Iterator[tuple[int, Row]]:
    """``(position, row)`` of the set ``name``, positions counted from 0, for those in any of ``wanted``.

    ``repository`` is the user's own id on the hub, ``repositories`` the set's on each hub; ``folder`` the
    form wanted where a source has several side by side. Raises QftError where no source is given or found.
    """
    if path is not None and hub is not None:
        raise QftError("data.path and data.hub are both given; give one of them.")
    if hub is not None:
        if hub not in HUBS:
            raise QftError(f"data.hub={hub} is unknown.{nearest(hub, HUBS)}")
        repository = repository or repositories.get(hub)
        if repository is None:
            raise QftError(f"data.hub={hub} needs data.repository=OWNER/NAME with data={name}.")
        return hub_rows(hub, repository, *wanted, folder=folder)
    if repository is not None:
        raise QftError(
            f"data.repository={repository} is an id on a hub; say which: data.hub=hf or data.hub=modelscope."
        )
    if path is None or not str(path).strip():
        raise QftError(
            f"data={name} needs its source: data.path=DIR_OR_FILE for local data ({', '.join(SUFFIXES)}), "
            "or data.hub=hf or data.hub=modelscope."
        )
    place = located(path, f"a {', '.join(SUFFIXES)} file or a directory of them")
    files = row_files(place, folder)
    if not files:
        raise QftError(f"data.path={path} holds no {', '.join(SUFFIXES)} file.")
    return numbered(files, *wanted)
