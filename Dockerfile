# The controller's image: docker build -t canary:0.1.0 .
FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /src

# The locked dependencies first: they change less often than the program.
COPY requirements.txt requirements-build.txt ./
RUN ["python", "-m", "venv", "/opt/canary"]
RUN ["/opt/canary/bin/pip", "install", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", "requirements.txt"]
RUN ["python", "-m", "pip", "install", "--no-deps", "--only-binary=:all:", "--require-hashes", "-r", "requirements-build.txt"]

COPY pyproject.toml README.md ./
COPY canary ./canary
RUN ["python", "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", "/wheels", "."]
RUN ["/opt/canary/bin/pip", "install", "--no-deps", "--no-index", "--find-links", "/wheels", "canary-delivery"]

FROM python:3.11.14-slim-bookworm
LABEL org.opencontainers.image.title="canary" \
      org.opencontainers.image.description="Progressive delivery for Kubernetes on the Service Mesh Interface" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/canary/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/canary /opt/canary
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["canary"]
CMD ["run"]
