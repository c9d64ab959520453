"""One row of a Housing Inventory Count into an opening: whether it counts, what it is, which one it is."""

from dataclasses import dataclass, field
from typing import Final

from providers.hud_hic.beds import Beds, bed_type, beds
from providers.hud_hic.cells import Cells, Unusable, count, filled, number, says
from providers.hud_hic.people import people
from providers.records import Opening

# HUD's words for a row that its continuum stands by: Confirmed in files of 2014, Submitted in those of 2018.
FINAL_STATUSES: Final = ("confirmed", "submitted")

# A HIC says ES for every emergency shelter. Entry-exit (0) is the ordinary kind; that people must come anew
# each night (1) cannot be told from the count, so it is never assumed.
PROJECT_TYPES: Final = {"ES": 0, "TH": 2, "PSH": 3, "SH": 8, "RRH": 13}
HOUSING: Final = {
    0: "Emergency shelter",
    1: "Emergency shelter, night by night",
    2: "Transitional housing",
    3: "Permanent supportive housing",
    8: "Safe haven",
    9: "Permanent housing",
    10: "Permanent housing with services",
    13: "Rapid re-housing",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """The row in which an opening first used each identity."""

    numbers: dict[str, int] = field(default_factory=dict)
    projects: dict[str, int] = field(default_factory=dict)
    services: dict[str, int] = field(default_factory=dict)


def opening(row: int, cells: Cells, seen: Seen) -> Opening:
    """Raises `Unusable`; `seen` then stays as it was, so a row that mends a bad one is welcome."""
    organization, project = filled(cells, "Organization Name"), filled(cells, "Project Name")
    _check_usable(cells)
    project_type = _project_type(cells)
    notes: list[str] = []
    offered = beds(cells, notes)
    served = people(cells, offered, notes)
    _note_point_in_time(cells, notes)
    return Opening(
        row=row,
        # The continuum is part of it: Seattle's Salvation Army is not Atlanta's.
        organization_key=_key(cells["HudNum"], organization),
        organization_name=organization,
        serves_survivors=served.serves_survivors,
        service_key=_service_key(row, cells, project_type, seen, notes),
        service_name=project,
        service_description=_description(cells, project_type, offered),
        category="housing",
        hud_project_type=project_type,
        unit=offered.unit,
        units_total=offered.units,
        attributes=served.attributes,
        minimum_age=served.minimum_age,
        maximum_age=served.maximum_age,
        location_name=project,
        city=None,
        state_province=cells.get("State") or cells.get("CocState") or None,
        country="US",
        starts_on=offered.starts_on,
        ends_on=offered.ends_on,
        notes=tuple(notes),
    )


def _check_usable(cells: Cells) -> None:
    if cells["Status"].casefold() not in FINAL_STATUSES:
        raise Unusable(f"{says(cells, 'Status')}; only a Confirmed or Submitted row is final.")
    inventory = cells["Inventory Type"].upper()
    if inventory == "U":
        raise Unusable("Inventory Type is 'U', under development; these beds cannot be used yet.")
    if inventory not in ("C", "N"):
        raise Unusable(f"{says(cells, 'Inventory Type')}; C (current) or N (new) is expected.")


def _project_type(cells: Cells) -> int:
    code = cells["Project Type"].upper()
    found = PROJECT_TYPES.get(code, number(code))
    if found not in HOUSING:
        kinds = ", ".join([*PROJECT_TYPES, *map(str, HOUSING)])
        raise Unusable(f"{says(cells, 'Project Type')}; a kind of housing is expected, one of {kinds}.")
    return found


def _service_key(row: int, cells: Cells, project_type: int, seen: Seen, notes: list[str]) -> str:
    """Who runs what, and the two columns by which a project fills several rows.

    Row # would not do: each count has new ones (up to 199640 in the files of 2014, 336611 in one of 2018), so
    the next year's would double every project.
    """
    row_number = cells["Row #"]
    if row_number in seen.numbers:
        raise Unusable(f"{says(cells, 'Row #')}, as in row {seen.numbers[row_number]}; remove one of the two.")
    names = (cells["HudNum"], cells["Organization Name"], cells["Project Name"], str(project_type))
    project, service = _key(*names), _key(*names, bed_type(cells), cells["Inventory Type"])
    if service in seen.services:
        raise Unusable(
            f"{says(cells, 'Project Name')}, and row {seen.services[service]} has that project already, with "
            "the same Project Type, Bed Type and Inventory Type; remove one or name them apart."
        )
    if project in seen.projects:
        notes.append(f"row {seen.projects[project]} has other beds of the same project")
    if row_number:
        seen.numbers[row_number] = row
    seen.projects.setdefault(project, row)
    seen.services[service] = row
    return service


def _key(*parts: str) -> str:
    return "|".join(part.casefold().replace("|", "/") for part in parts)


def _note_point_in_time(cells: Cells, notes: list[str]) -> None:
    """More people than beds on the night of the count is no reason to reject: that night is long past."""
    present, total = number(cells["PIT Count"]), count(cells, "Total Beds")
    if present is None and cells["PIT Count"]:
        notes.append(f"{says(cells, 'PIT Count')}, which is not a number")
    elif present is not None and present > total:
        notes.append(f"point-in-time count {present} exceeds {total} beds")


def _description(cells: Cells, project_type: int, offered: Beds) -> str:
    source = " ".join(filter(None, ("HUD's", cells.get("year"), "Housing Inventory Count")))
    area = cells.get("CoC") or cells["HudNum"]
    return f"{HOUSING[project_type]}: {offered}, as counted in {source}" + (f" for {area}." if area else ".")
