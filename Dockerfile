# The image of every Airflow process, for Docker Compose and for Kubernetes. It holds code and packages, no secret.
FROM apache/airflow:3.3.2-python3.11

# Packages first, so that a change of the code installs nothing again. The lock names Airflow itself, which is why it
# stays at the version of the image; the second line proves it.
COPY --chown=airflow:0 requirements.txt /opt/airflow/requirements.txt
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /opt/airflow/requirements.txt \
    && python -c 'import os; from importlib.metadata import version; assert version("apache-airflow") == os.environ["AIRFLOW_VERSION"]'

# Makes the packages of include importable, and airflow_local_settings, which Airflow loads in every process.
ENV PYTHONPATH=/opt/airflow/include

COPY --chown=airflow:0 plugins /opt/airflow/plugins
COPY --chown=airflow:0 include /opt/airflow/include
COPY --chown=airflow:0 dags /opt/airflow/dags

# Group 0 may do what the owner may, since containers run as any user of group 0, who writes airflow.cfg and logs.
# `data` is where the lake is mounted, `ui` where the API server has its password file; a volume mounted there takes
# over their owner.
RUN cd /opt/airflow \
    && python -m compileall -q plugins include dags \
    && mkdir -p data logs ui \
    && chmod -R g=u,o-w,a+rX plugins include dags \
    && chmod g=u . data logs ui
