"""What notices say in Spanish, in plain words. The names in braces are what `words.py` fills in."""

from app.delivery.notices.kinds import NoticeKind
from app.market.vocabulary import Unit

UNITS = {
    Unit.BED: ("1 cama", "{n} camas"),
    Unit.ROOM: ("1 habitación", "{n} habitaciones"),
    Unit.TREATMENT_PLACE: ("1 lugar de tratamiento", "{n} lugares de tratamiento"),
    Unit.INTAKE_APPOINTMENT: ("1 cita de ingreso", "{n} citas de ingreso"),
    Unit.TRAINING_SEAT: ("1 lugar en un curso", "{n} lugares en un curso"),
    Unit.VOUCHER: ("1 vale", "{n} vales"),
    Unit.RESPONSE_TEAM: ("1 equipo de respuesta", "{n} equipos de respuesta"),
}
PLACES = ("1 lugar", "{n} lugares")
OPENINGS = ("1 oferta", "{n} ofertas")
DAYS = ("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo")
TIME, TIME_AT_ONE = "las {time}", "la {time}"
ON_DAY = "{time} del {day}"
AT = "{what} en {where}"

TEXTS = {
    NoticeKind.CLAIM_LAPSING: (
        "Una reserva suya vence a {time}",
        "Usted reservó {what}. Confirme antes de {time}, o alargue el plazo. Después, cualquiera puede tomarlo.",
    ),
    NoticeKind.CLAIM_DECLINED: (
        "Un proveedor rechazó una reserva suya",
        "Usted había reservado {what}. No hay otra cosa reservada en su lugar. Busque ahora otra opción.",
    ),
    NoticeKind.ATTESTATION_DUE: (
        "Diga antes de {time} si sus ofertas siguen en pie",
        "Nadie podrá reservar {what} de su organización después de {time}, si usted no dice que nada ha cambiado.",
    ),
    NoticeKind.WATCH_MATCHED: (
        "Hay algo de lo que usted busca",
        "No hay nada reservado para usted: lo obtiene quien reserve primero.",
    ),
    NoticeKind.WEBHOOK_OFF: (
        "Se apagó un webhook",
        "El sistema de una organización asociada ya no recibe nada. Avise a quien tiene su clave: GET /v1/webhooks dice"
        " por qué, y nada se pierde si se reanuda pronto.",
    ),
    NoticeKind.TEST: ("Una prueba de Openberth", "Usted la pidió. Los avisos le llegan aquí."),
}
REPLACED = (
    "Un proveedor rechazó una reserva suya: hay otro lugar reservado",
    "Usted había reservado {declined}. Reservado en su lugar hasta {time}: {what}. Confirme antes de esa hora.",
)
REPLACED_AND_MOVED_ON = (
    "Un proveedor rechazó una reserva suya: se encontró otro lugar",
    "Usted había reservado {declined}. Se encontró en su lugar: {what}.",
)
FOOTER = "Elija qué avisos recibe y cómo: {settings}"
