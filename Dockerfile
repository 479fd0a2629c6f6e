# stratsim in a slim image: docker build -t stratsim . && docker run --rm -v "$PWD:/work" stratsim replay trace.csv
# A GPU is profiled outside of it: it has no torch.
FROM python:3.12-slim AS build
COPY . /src
RUN python -m venv /opt/stratsim && /opt/stratsim/bin/pip install --no-cache-dir "/src[parquet,plots]"

FROM python:3.12-slim
COPY --from=build /opt/stratsim /opt/stratsim
RUN useradd --create-home runner && mkdir /work && chown runner /work
USER runner
WORKDIR /work
ENTRYPOINT ["/opt/stratsim/bin/stratsim"]
CMD ["--help"]
