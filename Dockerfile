# Image of the server, linux/amd64, on Debian 12.
#
#   docker build -t scanserve .
#   docker build --build-arg BASE=REGISTRY/IMAGE:TAG -t scanserve .    # on another Debian 12 base
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS build
WORKDIR /src
# First what changes rarely, so that an edit of the sources does not set up anew.
COPY scripts scripts
RUN scripts/setup
COPY . .
RUN cmake --preset release -DSCANSERVE_TESTS=OFF -DSCANSERVE_BENCH=OFF \
      -DLIBTORCH_ROOT="$(scripts/setup --print-libtorch-root)" \
 && cmake --build --preset release \
 && cmake --install build/release --prefix /opt/scanserve --strip

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      libcivetweb1 libgrpc++1.51 libhwy1 libicu72 libprometheus-cpp-core1.0 libprotobuf32 libre2-9 \
      libspdlog1.10 libssl3 libtomlplusplus3 \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 65532 -g 65532 /var/lib/scanserve
COPY --from=build /opt/scanserve /usr/local

# The store of scan orders: $XDG_DATA_HOME/scanserve.
ENV XDG_DATA_HOME=/var/lib
VOLUME /var/lib/scanserve
USER 65532:65532
EXPOSE 50051
# The server is process 1 and stops on SIGTERM. It listens on 127.0.0.1 until it is told otherwise.
ENTRYPOINT ["/usr/local/bin/scanserve-server"]
