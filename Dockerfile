# The images of ScanServe, linux/amd64, on Debian 12: `server`, and `tools` with the batch job and the
# command line, without LibTorch.
#
#   docker build --target server -t scanserve-server:0.1.0 .
#   docker build --target tools -t scanserve-tools:0.1.0 .
#
# BASE is another Debian 12 to build on. STAGED is an image with a build that is already there, as
# scripts/stage-image lays it out in /opt/scanserve; without it the build happens here.
ARG BASE=docker.io/library/debian:12-slim
ARG STAGED=build

FROM ${BASE} AS setup
WORKDIR /src
# First what changes rarely, so that an edit of the sources does not set up anew.
COPY scripts scripts
RUN scripts/setup --build

FROM setup AS build
COPY . .
ENV CCACHE_DIR=/ccache
RUN --mount=type=cache,target=/ccache \
    cmake --preset release -DSCANSERVE_TESTS=OFF -DSCANSERVE_BENCH=OFF \
      -DLIBTORCH_ROOT="$(scripts/setup --print-libtorch-root)" \
 && cmake --build --preset release \
 && scripts/stage-image build/release /opt/scanserve

FROM ${STAGED} AS staged

FROM ${BASE} AS server
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ScanServe server" \
      org.opencontainers.image.description="Serves a Mamba-1 language model over gRPC" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=staged /opt/scanserve/packages/server /usr/local/share/scanserve/packages
RUN apt-get update \
 && xargs -a /usr/local/share/scanserve/packages apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
 && install -d -o 65532 -g 65532 -m 0700 /var/lib/scanserve
COPY --from=staged /opt/scanserve/lib /usr/local/lib
COPY --from=staged /opt/scanserve/share /usr/local/share
COPY --from=staged /opt/scanserve/bin/scanserve-server /opt/scanserve/bin/scanctl /usr/local/bin/

# The store is $XDG_DATA_HOME/scanserve. Nothing else is written: the root file system may be read only.
ENV XDG_DATA_HOME=/var/lib
VOLUME /var/lib/scanserve
USER 65532:65532
EXPOSE 50051 8002
# The server is process 1 and stops on SIGTERM. It listens on 127.0.0.1 until it is told otherwise.
ENTRYPOINT ["/usr/local/bin/scanserve-server"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
  CMD ["/usr/local/bin/scanctl", "--timeout", "4s", "health"]

FROM ${BASE} AS tools
ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ScanServe tools" \
      org.opencontainers.image.description="The batch job scanorder and the command line scanctl" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
COPY --from=staged /opt/scanserve/packages/tools /usr/local/share/scanserve/packages
RUN apt-get update \
 && xargs -a /usr/local/share/scanserve/packages apt-get install -y --no-install-recommends \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
COPY --from=staged /opt/scanserve/bin/scanorder /opt/scanserve/bin/scanctl /usr/local/bin/
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/usr/local/bin/scanorder"]
CMD ["--help"]
