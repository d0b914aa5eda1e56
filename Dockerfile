# seedcache in a container, without root. Build: `docker build -t seedcache .`; run: see compose.yaml and docs/deploy.md.
# BASE is any Debian 12 with a package index; script/deploy-images makes one from packages where no image registry is.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get -q update && apt-get -q install -y --no-install-recommends python3-venv ca-certificates
WORKDIR /src
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/seedcache \
    && /opt/seedcache/bin/python -m pip install -q --no-cache-dir --require-hashes --only-binary :all: -r requirements.lock \
    && python3 -m venv /build \
    && /build/bin/python -m pip install -q --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY bin bin
COPY supervisor supervisor
# pip has done its work: it is no part of the image.
RUN /build/bin/python -m pip wheel -q --no-deps --no-build-isolation -w /wheels . \
    && /opt/seedcache/bin/python -m pip install -q --no-deps --no-index /wheels/*.whl \
    && /opt/seedcache/bin/python -m pip uninstall -q -y setuptools pip \
    && find /opt/seedcache -name __pycache__ -prune -exec rm -rf {} +

FROM ${BASE}
RUN apt-get -q update && apt-get -q install -y --no-install-recommends python3 ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=build /opt/seedcache /opt/seedcache
# 1000:1000 unless told otherwise (`user:` in compose.yaml): it must be rTorrent's user, see docs/deploy.md.
RUN install -d -o 1000 -g 1000 -m 0755 /var/lib/seedcache && ln -s /opt/seedcache/bin/seedcache /usr/local/bin/seedcache
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 1000:1000
VOLUME /var/lib/seedcache
EXPOSE 9797
STOPSIGNAL SIGTERM
# Healthy: the supervisor and its workers live. (/-/ready also wants rTorrent and the disks: no restart mends those.)
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["/opt/seedcache/bin/python", "-I", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('SEEDCACHE_METRICS_PORT', '9797') + '/-/healthy', timeout=4)"]
ENTRYPOINT ["/opt/seedcache/bin/seedcache"]
CMD ["run"]
