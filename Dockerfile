# stockpipe itself, for the services of docker-compose.yml that are clients of AWS: bootstrap and producer.
#
# The base is the one that localstack/localstack:4.14.0 is built on, so that both share their layers where both are
# pulled, and the version of Python is the same. Nothing of LocalStack is in here.
FROM python:3.13.12-slim-trixie AS build
WORKDIR /opt/stockpipe
COPY requirements-uv.lock requirements.lock ./
RUN python3 -m venv /tmp/uv \
    && /tmp/uv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock \
    && python3 -m venv --without-pip .venv \
    && /tmp/uv/bin/uv pip install --quiet --no-cache --compile-bytecode --python .venv/bin/python \
       --require-hashes -r requirements.lock
COPY . .
RUN /tmp/uv/bin/uv pip install --quiet --no-cache --compile-bytecode --python .venv/bin/python \
    --no-deps --no-build-isolation .

FROM python:3.13.12-slim-trixie
# /state holds the producer's manifests: who mounts a volume there gets it with this owner.
RUN useradd --create-home --uid 10001 stockpipe && install --directory --owner stockpipe --group stockpipe /state
COPY --from=build /opt/stockpipe/.venv /opt/stockpipe/.venv
ENV PATH=/opt/stockpipe/.venv/bin:$PATH PYTHONUNBUFFERED=1 STOCKPIPE_STATE_DIR=/state STOCKPIPE_CACHE_DIR=/tmp/stockpipe
USER stockpipe
WORKDIR /home/stockpipe
ENTRYPOINT ["stockpipe"]
