# syntax=docker/dockerfile:1
# The image has one program and no shell, and does not run as root. Both stages are pinned by version; to pin them by
# content too, append the digests that your registry shows (name:tag@sha256:...).

FROM rust:1.95.0-slim-bookworm AS build
WORKDIR /src
# The image has the pinned toolchain; rustup adds only the tool that reads the profile of the first build.
ENV RUSTUP_TOOLCHAIN=1.95.0 CARGO_TERM_COLOR=never
RUN rustup component add llvm-tools \
 && apt-get -q update \
 && apt-get -q -y --no-install-recommends install nginx-light nghttp2-client openssl python3 wrk \
 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN cargo fetch --locked
# From here on nothing comes from the network: the program is built, profiled under load on loopback, and built again.
ENV CARGO_NET_OFFLINE=true
RUN --network=none scripts/build-release \
 && install -D -m 0755 target/profiled/vestibule /image/usr/local/bin/vestibule \
 && install -d -m 0700 -o 65532 -g 65532 /image/var/lib/vestibule

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build --chown=0:0 /image/usr /usr
COPY --from=build --chown=65532:65532 /image/var/lib/vestibule /var/lib/vestibule
# Relative paths in the configuration, such as the embedded store's, start here: mount a volume on it.
WORKDIR /var/lib/vestibule
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/vestibule"]
CMD ["serve"]
