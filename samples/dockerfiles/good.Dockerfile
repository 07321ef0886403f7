ARG PYTHON=python:3.12-slim@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
FROM ${PYTHON} AS build
RUN python -m venv /opt/venv
COPY requirements.txt /build/
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/venv/bin/pip install --require-hashes -r /build/requirements.txt

FROM ${PYTHON}
RUN <<EOF
set -e
echo 'deb [check-valid-until=no] https://files.example/snapshot/debian/20250101T000000Z bookworm main' \
    > /etc/apt/sources.list
apt-get update
apt-get install --yes --no-install-recommends libgomp1
rm -rf /var/lib/apt/lists/*
EOF
COPY --from=build /opt/venv /opt/venv
COPY shop /app/shop
WORKDIR /app
ENV OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
ENTRYPOINT ["/opt/venv/bin/python", "-m", "shop"]
