# Images of fairmark, by target:
#   service    fairmark serve, without a release: one is mounted at /releases, read-only
#   released   the same with one verified release inside (RELEASE: a folder in the build's context)
#   worker     a Prefect worker with the flows; the same image runs Prefect's server and MLflow (compose.yaml, terraform/)
#   pipeline   the stages by `dvc repro`, over a working copy that is mounted at /project
#
# Only what BuildKit, buildah and podman all know is used, so that what is tested with one holds for the others.
ARG BASE_IMAGE=docker.io/library/python:3.11.14-slim-bookworm@sha256:65a93d69fa75478d554f4ad27c85c1e69fa184956261b4301ebaf6dbb0a3543d

# hadolint ignore=DL3006
FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements-build.lock ./
# The installer and what builds the wheel live here alone; the environments that go on have neither.
RUN python -m venv tools \
    && tools/bin/python -m pip install --require-hashes --requirement requirements-build.lock

FROM build AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN tools/bin/python -m pip wheel --no-deps --no-index --no-build-isolation --wheel-dir dist .

# The locks before the source, so that a change of the source installs nothing else anew.
# A lock names all that there is to install: pip would else look for the extra of a requirement (`sqlalchemy[asyncio]`)
# beside the pin of its distribution. Of the flows `pip check` says whether nothing is missing; the service goes without
# pandas, which fairmark asks for.
FROM build AS service-environment
COPY requirements-serve.lock ./
COPY wheels wheels
RUN python -m venv --without-pip /opt/fairmark \
    && tools/bin/python -m pip --python /opt/fairmark/bin/python install --compile --no-deps --require-hashes --requirement requirements-serve.lock \
    && find /opt/fairmark -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
COPY --from=wheel /build/dist dist
RUN tools/bin/python -m pip --python /opt/fairmark/bin/python install --compile --no-deps --no-index dist/*.whl

FROM build AS flows-environment
COPY requirements.lock ./
COPY wheels wheels
RUN python -m venv --without-pip /opt/fairmark \
    && tools/bin/python -m pip --python /opt/fairmark/bin/python install --compile --no-deps --require-hashes --requirement requirements.lock \
    && find /opt/fairmark -type d \( -name tests -o -name test \) -prune -exec rm -rf {} +
COPY --from=wheel /build/dist dist
RUN tools/bin/python -m pip --python /opt/fairmark/bin/python install --compile --no-deps --no-index dist/*.whl \
    && tools/bin/python -m pip --python /opt/fairmark/bin/python check

# hadolint ignore=DL3006
FROM ${BASE_IMAGE} AS runtime
# LightGBM's OpenMP, and no package manager of Python: nothing is installed in a container that runs.
# The base is pinned; of its distribution the newest security fixes are wanted.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && find / -xdev -type d \( -name ensurepip -o -path '*/site-packages/pip' -o -path '*/dist-packages/pip' -o -path '*/site-packages/setuptools' \) -prune -exec rm -rf {} + \
    && rm -rf /usr/share/python-wheels /usr/local/bin/pip* /root/.cache \
    && groupadd --gid 10001 fairmark \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin fairmark
ENV PATH=/opt/fairmark/bin:$PATH \
    HOME=/tmp \
    OMP_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
ARG BASE_IMAGE
# `make image` adds the commit and the version.
LABEL org.opencontainers.image.title="fairmark" \
      org.opencontainers.image.description="From a versioned table to a model release that its owner can defend" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
USER 10001:10001
WORKDIR /tmp

FROM runtime AS service
# Where a release is, and by which public key it is checked; keys of callers come as a file (FAIRMARK_SERVICE_KEYS)
# or, where an orchestrator has secrets as variables alone, as JSON that is written to the container's own /tmp.
ENV FAIRMARK_RELEASE=/releases/release \
    FAIRMARK_RELEASE_KEY=/releases/key.pub.pem \
    FAIRMARK_MEMBERSHIPS=/tmp/memberships.db \
    FAIRMARK_PORT=8000
COPY --from=service-environment /opt/fairmark /opt/fairmark
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"FAIRMARK_PORT\"]}/readyz', timeout=4)"]
ENTRYPOINT ["sh", "-c", "umask 077; if [ -n \"$SERVICE_KEYS_JSON\" ]; then printf '%s' \"$SERVICE_KEYS_JSON\" > /tmp/service-keys.jsonl; export FAIRMARK_SERVICE_KEYS=/tmp/service-keys.jsonl; unset SERVICE_KEYS_JSON; fi; if [ -n \"$RELEASE_KEY_PEM\" ]; then printf '%s\\n' \"$RELEASE_KEY_PEM\" > /tmp/key.pub.pem; export FAIRMARK_RELEASE_KEY=/tmp/key.pub.pem; fi; exec fairmark serve \"$FAIRMARK_RELEASE\" --key \"$FAIRMARK_RELEASE_KEY\" --host 0.0.0.0 --port \"$FAIRMARK_PORT\" \"$@\"", "serve"]

FROM service AS released
ARG RELEASE
ARG VERSION=unreleased
# The folder keeps its name, which is part of what is verified.
COPY ${RELEASE} /releases/${VERSION}
ENV FAIRMARK_RELEASE=/releases/${VERSION}

FROM runtime AS flows
# hadolint ignore=DL3002
USER 0:0
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git openssh-client \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log
COPY --from=flows-environment /opt/fairmark /opt/fairmark
COPY flows /opt/fairmark/home/flows
COPY prefect.yaml pyproject.toml /opt/fairmark/home/
ENV DO_NOT_TRACK=1 DVC_NO_ANALYTICS=1 PREFECT_SERVER_ANALYTICS_ENABLED=false PREFECT_HOME=/tmp/prefect
USER 10001:10001

FROM flows AS pipeline
WORKDIR /project
HEALTHCHECK NONE
ENTRYPOINT ["dvc", "repro"]

FROM flows AS worker
WORKDIR /opt/fairmark/home
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
CMD ["prefect", "worker", "start", "--pool", "fairmark", "--type", "process", "--with-healthcheck"]
