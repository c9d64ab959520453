"""What notices say in English, in plain words. The names in braces are what `words.py` fills in."""

from app.delivery.notices.kinds import NoticeKind
from app.market.vocabulary import Unit

UNITS = {
    Unit.BED: ("1 bed", "{n} beds"),
    Unit.ROOM: ("1 room", "{n} rooms"),
    Unit.TREATMENT_PLACE: ("1 treatment place", "{n} treatment places"),
    Unit.INTAKE_APPOINTMENT: ("1 intake appointment", "{n} intake appointments"),
    Unit.TRAINING_SEAT: ("1 training seat", "{n} training seats"),
    Unit.VOUCHER: ("1 voucher", "{n} vouchers"),
    Unit.RESPONSE_TEAM: ("1 response team", "{n} response teams"),
}
PLACES = ("1 place", "{n} places")
OPENINGS = ("1 opening", "{n} openings")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
TIME, TIME_AT_ONE = "{time}", "{time}"
ON_DAY = "{time} on {day}"
AT = "{what} at {where}"

TEXTS = {
    NoticeKind.CLAIM_LAPSING: (
        "A hold of yours lapses at {time}",
        "You hold {what}. Confirm it before {time}, or make it last longer. After that anyone may claim it.",
    ),
    NoticeKind.CLAIM_DECLINED: (
        "A provider declined a claim of yours",
        "You had claimed {what}. Nothing is held in its place. Look for another one now.",
    ),
    NoticeKind.ATTESTATION_DUE: (
        "Say by {time} that your openings are still true",
        "Nobody can claim {what} of yours after {time}, unless you say that nothing has changed.",
    ),
    NoticeKind.WATCH_MATCHED: (
        "Something you watch for is open",
        "Nothing is held for you: the first to claim has it.",
    ),
    NoticeKind.WEBHOOK_OFF: (
        "A webhook was switched off",
        "A partner's system is told nothing any more. Tell whoever keeps its key: GET /v1/webhooks says why, and"
        " nothing is lost if it is resumed soon.",
    ),
    NoticeKind.TEST: ("A test from Openberth", "You asked for this. Notices reach you here."),
}
REPLACED = (
    "A provider declined a claim of yours: another place is held",
    "You had claimed {declined}. Held instead until {time}: {what}. Confirm it before then.",
)
REPLACED_AND_MOVED_ON = (
    "A provider declined a claim of yours: another place was found",
    "You had claimed {declined}. Found instead: {what}.",
)
FOOTER = "Choose what you are told, and how: {settings}"
