# The image of every Airflow component, in production and in docker-compose.yaml.
ARG BASE_IMAGE=apache/airflow:3.3.2-python3.12
FROM ${BASE_IMAGE}

# Tasks are short-lived forks: without compiled bytecode each would compile its libraries anew, for seconds.
# What Numba compiles must fit every machine that the image may run on, not just the one that builds it.
ENV UV_COMPILE_BYTECODE=1 \
    NUMBA_CPU_NAME=generic \
    SLUICE_FEEDS=/opt/airflow/include/feeds \
    SLUICE_WORK=/opt/airflow/work

WORKDIR /opt/airflow
USER airflow

# Libraries first: this layer is built anew only when they change, not with every feed.
COPY --chown=airflow:0 pyproject.toml constraints.txt README.md ./
COPY --chown=airflow:0 include/sluice/__init__.py include/sluice/__init__.py
RUN uv pip install --no-cache --constraint constraints.txt --editable . \
    && mkdir -p work landing logs

COPY --chown=airflow:0 include/ include/
COPY --chown=airflow:0 plugins/ plugins/
COPY --chown=airflow:0 dags/ dags/
RUN python -m compileall -q include dags plugins \
    && python -m sluice.rehearsal \
    # a missing library must break the build, not a trigger at night
    && python -c "import aiobotocore, great_expectations, sluice.edge, sluice.stages.load" \
    # compiles the loops of parse into the image: half a minute of CPU, that else the first worker to start would take
    && python -c "from sluice.rehearsal import rehearse; rehearse()"
