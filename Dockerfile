# docker build -t torch .
# docker run -d --name torch --restart unless-stopped --stop-timeout 60 \
#   -v "$PWD/etc:/etc/torch:ro" -v torch-state:/var/lib/torch -v torch-log:/var/log/torch \
#   -e TORCH_ADDRESS=10.0.1.11 torch
#
# Programs that tasks need must be in the image: build your own image with "FROM torch".
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md constraints.txt ./
COPY torch torch
RUN python -m venv /opt/torch \
 && PIP_CONSTRAINT=constraints.txt /opt/torch/bin/pip install --no-cache-dir .

FROM python:3.12-slim
COPY --from=build /opt/torch /opt/torch
RUN ln -s /opt/torch/bin/torch /usr/local/bin/torch \
 && install -d -m 700 /var/lib/torch && install -d -m 750 /var/log/torch
VOLUME ["/var/lib/torch", "/var/log/torch"]
# The image runs as root, so that the user: of a task can be any user. "docker run --user
# 1000" works too, with -e TORCH_STATE_DIR=/state and a volume there that belongs to that user.
# tini is not needed: as process 1, torch reaps orphaned processes and passes signals on.
HEALTHCHECK --interval=30s --timeout=6s --start-period=15s CMD ["torch", "status"]
CMD ["torch", "start", "--foreground", "--log-format", "logfmt"]
