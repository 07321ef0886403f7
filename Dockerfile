# driftscan in an image that keeps to its own six practices:
#
#   docker build --build-arg BASE=python:3.12-slim-bookworm@sha256:DIGEST --tag driftscan .
#   docker run --rm --volume "$PWD:/work" driftscan compare uv.lock shop.tar
#
# BASE has no default: whoever builds chooses one with Python 3.11 or newer and its venv module, and names its digest.
ARG BASE
FROM ${BASE}
COPY ci/requirements.txt /app/requirements.txt
RUN python3 -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --only-binary :all: --require-hashes \
    --requirement /app/requirements.txt
COPY driftscan /app/driftscan
# What is mounted is looked at and never imported: Python leaves the working folder out of its path.
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONSAFEPATH=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /work
USER 65534:65534
ENTRYPOINT ["python3", "-m", "driftscan"]
